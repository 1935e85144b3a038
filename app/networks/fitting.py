"""Matching of published weights, or of weights saved by another program, to a network's names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

LEAST_SHARE = 0.5
"""A checkpoint that has a smaller share of the network's parameters is taken for the wrong one."""


class Fit(NamedTuple):
    """How the names of a checkpoint map to those of a network.

    Attributes:
        weights: By the network's names; shapes may still differ.
        share: Share of the network's parameters that the checkpoint has by name and shape.
        stripped: Prefix removed from the checkpoint's names, such as ``module.``.
        added: Prefix added to them, such as ``backbone.``.
    """

    weights: dict[str, Tensor]
    share: float
    stripped: str
    added: str


def fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Fit:
    """Find the prefixes to remove and to add so that a checkpoint fits as much of a network as possible.

    Only prefixes with enough parameters for `LEAST_SHARE` are tried, and unchanged names are preferred if others fit no
    better. A first convolution over three colours is summed to grey, which gives the same on a grey image. Names of
    torchvision's published DenseNet files are understood.

    Args:
        own: State of the network.
        given: State in the checkpoint.

    Example:
        >>> import torch
        >>> fit({"net.weight": torch.zeros(2)}, {"module.weight": torch.ones(2)})
        Fit(weights={'net.weight': tensor([1., 1.])}, share=1.0, stripped='module.', added='net.')
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
    """The empty prefix, then all prefixes with at least that many parameters, shortest first."""
    sizes: Counter[str] = Counter()
    for name, value in state.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            sizes[".".join(parts[:depth]) + "."] += value.numel()
    return ["", *sorted((prefix for prefix, size in sizes.items() if size >= least), key=len)]


def _renamed(own: Mapping[str, Tensor], given: Mapping[str, Tensor], stripped: str, added: str) -> dict[str, Tensor]:
    """The weights of a checkpoint whose names are the network's once the prefixes are exchanged."""
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
    """Convert names of torchvision's published DenseNet files, ``norm.1``, to those of its code, ``norm1``."""
    return re.sub(r"\.(norm|relu|conv)\.(\d)\.", r".\1\2.", name)


def _grey(value: Tensor, own: Tensor) -> Tensor:
    """Sum the weights of a first convolution over three colours if the network has one grey channel."""
    is_colour = value.dim() == 4 and own.dim() == 4 and (value.shape[1], own.shape[1]) == (3, 1)
    return value.sum(dim=1, keepdim=True) if is_colour else value
