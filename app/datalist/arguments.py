"""Parse command-line arguments about findings, readers and sections; each function is an argparse type."""

from __future__ import annotations

import argparse
from typing import Literal


def same(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parse ``Nodule or Mass=Nodule+Mass``: findings of one datalist, and those of another that count as the same."""
    first, equals, second = text.partition("=")
    sides = tuple(tuple(name.strip() for name in side.split("+") if name.strip()) for side in (first, second))
    if not equals or not all(sides):
        raise argparse.ArgumentTypeError(
            f"{text!r}: findings on both sides of '=', such as 'Nodule or Mass=Nodule+Mass'"
        )
    return sides[0], sides[1]


def merging(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parse ``Nodule or Mass=Nodule+Mass``: one name, and the two or more findings that it stands for."""
    one, parts = same(text)
    if len(one) != 1 or len(parts) < 2:
        raise argparse.ArgumentTypeError(f"{text!r}: one name and two findings, such as 'Nodule or Mass=Nodule+Mass'")
    return one, parts


def normals(text: str) -> int | Literal["equal", "all"]:
    """Parse a number from 0, ``equal`` or ``all``."""
    if text in ("equal", "all"):
        return "equal" if text == "equal" else "all"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 0, 'equal' or 'all'")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def shares(text: str) -> tuple[float, float, float]:
    """Parse three shares separated by commas."""
    from app.datalist.splitting import require_shares

    try:
        training, validation, test = (float(share) for share in text.split(","))
        require_shares((training, validation, test))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be three shares from 0 to 1, for training, validation and test, together 1, such as "
            "0.7,0.1,0.2, or 0,0,1 for test alone"
        ) from None
    return training, validation, test
