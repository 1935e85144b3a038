"""The order of a training epoch in which only items take part of which something is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


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
