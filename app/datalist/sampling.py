"""In which order a training epoch visits its items."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

logger = logging.getLogger(__name__)


class EpochSampler(Protocol):
    """An order of items that follows from a seed and the epoch alone, so that any epoch can be made again."""

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""

    def __len__(self) -> int:
        """Items an epoch visits."""

    def __iter__(self) -> Iterator[int]:
        """Indices."""


class ShuffledSampler(Sampler[int]):
    """Every item once, in an order of its own in each epoch.

    Args:
        count: of items.
        seed: with the epoch it decides the order.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Items an epoch visits: all."""
        return self.count

    def __iter__(self) -> Iterator[int]:
        """Indices in random order."""
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.count).tolist())


class BalancedSampler(Sampler[int]):
    """Items with a finding and items without in equal numbers, anew in each epoch.

    Source: Kim et al. 2022, "we randomly sample normal and nodule or mass images with a ratio of 1:1". An epoch is as
    long as the data; the scarcer kind is repeated, each of its items before any a second time.

    Args:
        labels: per item (C,): 1 present, 0 absent, negative unknown. An item with any finding is one kind; with none
            and at least one known absent the other; an item of which nothing is known is left out.
        seed: with the epoch it decides the order.

    Attributes:
        excluded: how many items were left out because nothing is known of them.

    Raises:
        ValueError: one of the two kinds does not occur.
    """

    def __init__(self, labels: Sequence[Sequence[float]] | np.ndarray, seed: int = 0) -> None:
        values = np.asarray(labels, dtype=np.float64)
        present = (values >= 0.5).any(axis=1)
        known = (values >= 0).any(axis=1)
        self.kinds = (np.flatnonzero(present), np.flatnonzero(known & ~present))
        if not len(self.kinds[0]) or not len(self.kinds[1]):
            raise ValueError(
                f"sampling one to one needs items of both kinds; there are {len(self.kinds[0])} with a finding and "
                f"{len(self.kinds[1])} without"
            )
        self.excluded = int((~known).sum())
        if self.excluded:
            logger.warning(f"{self.excluded} of {len(values)} items are not trained on: nothing is known of them")
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Items an epoch visits."""
        return len(self.kinds[0]) + len(self.kinds[1])

    def __iter__(self) -> Iterator[int]:
        """Indices, the two kinds in random order."""
        generator = np.random.default_rng((self.seed, self.epoch))
        share = (len(self) + 1) // 2
        chosen = np.concatenate([_repeated(kind, share, generator) for kind in self.kinds])[: len(self)]
        return iter(generator.permutation(chosen).tolist())


def _repeated(kind: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` of ``kind`` in random order, none an (n + 1)-th time before all an n-th time."""
    rounds = [generator.permutation(kind) for _ in range(-(-count // len(kind)))]
    return np.concatenate(rounds)[:count]


class KnownSampler(Sampler[int]):
    """Each item of which any finding is known, once an epoch, in random order.

    Source: Haghpanah, "Automatic Labeling of Chest Radiography Images", section IV: only "images that have a certain
    label in at least one of these categories".

    Args:
        labels: per item (C,): 1 present, 0 absent, between them a certainty, negative unknown.
        seed: with the epoch it decides the order.

    Attributes:
        excluded: how many items were left out because nothing is known of them.

    Raises:
        ValueError: nothing is known of any item.
    """

    def __init__(self, labels: Sequence[Sequence[float]] | np.ndarray, seed: int = 0) -> None:
        known = np.asarray((np.asarray(labels, dtype=np.float64) >= 0).any(axis=1))
        if not known.any():
            raise ValueError(f"none of {len(known)} items has a known label: there is nothing to learn from")
        self.items = np.flatnonzero(known)
        self.excluded = int((~known).sum())
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Items an epoch visits."""
        return len(self.items)

    def __iter__(self) -> Iterator[int]:
        """Indices in random order."""
        generator = np.random.default_rng((self.seed, self.epoch))
        return iter(generator.permutation(self.items).tolist())
