"""Samplers: the order in which each training epoch visits its items."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

logger = logging.getLogger(__name__)

Labels = Sequence[Sequence[float]] | np.ndarray
"""(N, C): 1 present, 0 absent, between them a certainty, negative unknown."""


class EpochSampler(Protocol):
    """An order of items that depends on a seed and the epoch alone, so that any epoch can be repeated."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""

    def __len__(self) -> int:
        """Number of items in an epoch."""

    def __iter__(self) -> Iterator[int]:
        """Indices of the items."""


class _SeededSampler(Sampler[int]):
    """Draws each epoch's order from the seed and the epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of items in an epoch."""
        return self.count

    def __iter__(self) -> Iterator[int]:
        """Indices of the items."""
        return iter(self._order(np.random.default_rng((self.seed, self.epoch))).tolist())

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


class ShuffledSampler(_SeededSampler):
    """Every item once, in a new random order in each epoch.

    Args:
        count: Number of items.
        seed: Seed of the orders.

    Example:
        >>> sorted(ShuffledSampler(4))
        [0, 1, 2, 3]
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, seed)

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        return generator.permutation(self.count)


class KnownSampler(_SeededSampler):
    """Every item with at least one known label once, in a new random order in each epoch.

    Source: Haghpanah, "Automatic Labeling of Chest Radiography Images", section IV: only "images that have a certain
    label in at least one of these categories".

    Args:
        labels: (N, C): 1 present, 0 absent, between them a certainty, negative unknown.
        seed: Seed of the orders.

    Attributes:
        excluded: Number of items without a known label.

    Raises:
        ValueError: No item has a known label.

    Example:
        >>> sorted(KnownSampler([(1, -1), (-1, -2), (-2, 0)]))
        [0, 2]
    """

    def __init__(self, labels: Labels, seed: int = 0) -> None:
        known = np.asarray((np.asarray(labels, dtype=np.float64) >= 0).any(axis=1))
        if not known.any():
            raise ValueError(f"none of {len(known)} items has a known label: there is nothing to learn from")
        self.items = np.flatnonzero(known)
        self.excluded = int((~known).sum())
        super().__init__(len(self.items), seed)

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        return generator.permutation(self.items)


class BalancedSampler(_SeededSampler):
    """As many items with a finding as without, in a new random order in each epoch.

    Source: Kim et al. 2023, "we randomly sample normal and nodule or mass images with a ratio of 1:1". An epoch is as
    long as the data; items of the scarcer kind are repeated, none of them before all were visited.

    Args:
        labels: (N, C): 1 present, 0 absent, negative unknown. An item with any finding is of one kind, an item without
            a finding and with a known absent one of the other; items without a known label are excluded.
        seed: Seed of the orders.

    Attributes:
        excluded: Number of items without a known label.

    Raises:
        ValueError: There is no item of one kind.

    Example:
        >>> sampler = BalancedSampler([(1,), (0,), (0,), (0,)])
        >>> list(sampler).count(0)
        2
    """

    def __init__(self, labels: Labels, seed: int = 0) -> None:
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
            logger.warning(f"{self.excluded} of {len(values)} items are not trained on: they have no known label")
        super().__init__(len(self.kinds[0]) + len(self.kinds[1]), seed)

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        share = (self.count + 1) // 2
        chosen = np.concatenate([_repeated(kind, share, generator) for kind in self.kinds])[: self.count]
        return generator.permutation(chosen)


def _repeated(kind: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` items of a kind in random order, none repeated before all were visited."""
    rounds = [generator.permutation(kind) for _ in range(-(-count // len(kind)))]
    return np.concatenate(rounds)[:count]
