"""Fit weights that were published, or saved by another program, to a network by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

LEAST_SHARE = 0.5
"""If fewer of the network's numbers than this share are found in a checkpoint, it is taken for the wrong one."""


class Fit(NamedTuple):
    """How the names of a checkpoint become those of a network.

    Attributes:
        weights: By the network's names; shapes may still differ.
        share: Of the network's numbers, those that the checkpoint has by name and shape.
        stripped: Prefix that was taken off the checkpoint's names, such as ``module.``.
        added: Prefix that was put before them, such as ``backbone.``.
    """

    weights: dict[str, Tensor]
    share: float
    stripped: str
    added: str


def fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Fit:
    """Find the prefixes to strip and to add with which a checkpoint fits most of a network.

    Only prefixes that hold enough of either to fit `LEAST_SHARE` are tried; names as they are win if others fit no
    better. A first convolution over three colours becomes one over grey by summing over the colours: on a grey image
    both give the same. Names of torchvision's published DenseNet files are understood.

    Args:
        own: State of the network.
        given: State in the checkpoint.
    """
    total = sum(value.numel() for value in own.values())
    best = Fit({}, -1.0, "", "")
    for stripped in _prefixes(given, LEAST_SHARE * total):
        for added in _prefixes(own, LEAST_SHARE * total):
            weights = _renamed(own, given, stripped, added)
            fitting = sum(value.numel() for name, value in weights.items() if value.shape == own[name].shape)
            if fitting / total > best.share:
                best = Fit(weights, fitting / total, stripped, added)
    return best


def _prefixes(state: Mapping[str, Tensor], least: float) -> list[str]:
    """No prefix, then all that hold at least so many numbers, the shorter ones first."""
    sizes: Counter[str] = Counter()
    for name, value in state.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            sizes[".".join(parts[:depth]) + "."] += value.numel()
    return ["", *sorted((prefix for prefix, size in sizes.items() if size >= least), key=len)]


def _renamed(own: Mapping[str, Tensor], given: Mapping[str, Tensor], stripped: str, added: str) -> dict[str, Tensor]:
    """What of a checkpoint has a name of the network once the prefixes are exchanged."""
    weights = {}
    for name, value in given.items():
        if not name.startswith(stripped):
            continue
        new = added + name.removeprefix(stripped)
        new = new if new in own else _modern(new)
        if new in own:
            weights[new] = _grey(value, own[new])
    return weights


def _modern(name: str) -> str:
    """Names of torchvision's published DenseNet files, ``norm.1``, as its code has them today, ``norm1``."""
    return re.sub(r"\.(norm|relu|conv)\.(\d)\.", r".\1\2.", name)


def _grey(value: Tensor, own: Tensor) -> Tensor:
    """Sum a first convolution's weights over three colours where the network has one grey channel."""
    is_colour = value.dim() == 4 and own.dim() == 4 and (value.shape[1], own.shape[1]) == (3, 1)
    return value.sum(dim=1, keepdim=True) if is_colour else value
