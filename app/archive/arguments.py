"""The options of commands that go through many radiographs: where that is done, and in what portions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cluster.connection import add_argument

if TYPE_CHECKING:
    from app.archive.runs import Place


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options; none of them asks for chunks unless ``--on`` or ``--jobs`` is given."""
    add_argument(parser)
    parser.add_argument("--jobs", type=_count, metavar="N", help="worker processes, here or on the cluster")
    parser.add_argument(
        "--cpus", type=_positive, metavar="N", help="processors that each claims of a node (default: 1)"
    )
    parser.add_argument(
        "--gpus", type=_gpus, metavar="N", help="share of a GPU that each claims, at most 1 (default: 0)"
    )
    parser.add_argument("--memory", type=_positive, metavar="GB", help="memory that each claims (default: no claim)")
    parser.add_argument("--chunk", type=_count, metavar="N", help="images in a portion of the work (default: 512)")


def read_place(arguments: argparse.Namespace) -> Place | None:
    """Where the user wants the work to be done; None for this process alone.

    The options may stand among the words that ``app.workflows.words.add_words`` made room for, and are taken from them.

    Raises:
        ValueError: An option says how to divide the work, but neither ``--on`` nor ``--jobs`` is given; or ``--cpus``,
            ``--gpus`` or ``--memory`` without ``--on``.
    """
    prog, usage = arguments.parser.prog, arguments.parser.usage
    parser = argparse.ArgumentParser(prog, usage, add_help=False, allow_abbrev=False)
    add_place(parser)
    _, arguments.words = parser.parse_known_args(arguments.words, arguments)
    claims = {name: getattr(arguments, name) for name in ("cpus", "gpus", "memory")}
    claimed = [name for name, value in claims.items() if value is not None]
    if arguments.on is None and claimed:
        raise ValueError(f"--{claimed[0]}: a claim is made of a node of a cluster: add --on ray.")
    if arguments.on is None and arguments.jobs is None:
        if arguments.chunk is not None:
            raise ValueError("--chunk: without --jobs or --on the work is not divided.")
        return None
    from app.archive.runs import Place
    from app.cluster import Resources
    from app.cluster.resources import GIGABYTE

    claim = Resources(claims["cpus"] or 1.0, claims["gpus"] or 0.0, int((claims["memory"] or 0) * GIGABYTE))
    return Place(arguments.on, arguments.jobs, claim, arguments.chunk)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, 1 or more")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0")
    return value


def _gpus(text: str) -> float:
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a worker uses one GPU, or a share of one")
    return value
