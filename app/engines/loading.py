"""Loaders of prepared radiographs that know of processes: every image once, every batch the same for any number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from app.datalist.sampling import EpochSampler, ShuffledSampler
from app.engines.processes import rank, world_size

Batch = dict[str, Tensor]


class WholeBatches(Dataset[Any]):
    """A prepared data set that is read a batch at a time, with masks as few bytes (``planes``, ``plane_at``).

    Args:
        prepared: has ``read_planes``, as ``PreparedDataset``.
    """

    def __init__(self, prepared: Any) -> None:  # noqa: ANN401 - a PreparedDataset, or what stands in for one
        self.prepared = prepared

    @property
    def samples(self) -> Sequence[Any]:
        """What the data set was prepared from, in its order."""
        samples: Sequence[Any] = self.prepared.samples
        return samples

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - one sample's dictionary
        """One sample, with its masks spread."""
        return self.prepared[index]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch, as ``PreparedDataset.read_planes`` gives it."""
        batch: Batch = self.prepared.read_planes(indices)
        return batch


def dataset_of(loader: Any) -> Any:  # noqa: ANN401 - a PreparedDataset, or what stands in for one
    """The data set that a loader reads, itself where it is read a batch at a time; None of what has none."""
    dataset = getattr(loader, "dataset", None)
    return dataset.prepared if isinstance(dataset, WholeBatches) else dataset


class SharedSampler(Sampler[int]):
    """One process's part of every batch of a training epoch.

    The batches are those of a training by one process, each cut into equal parts; so an iteration sees the same
    images, whatever the number of processes. An epoch of less than one batch is cut as evenly as can be.

    Args:
        sampler: the order of the whole epoch, equal in all processes.
        batch_size: of all processes together.
        place: of this process among them.
        processes: how many there are.

    Raises:
        ValueError: a batch or an epoch cannot be cut into that many parts.
        TypeError: the order does not follow from the epoch, as that of torch's own samplers.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int, place: int, processes: int) -> None:
        if not hasattr(sampler, "set_epoch"):
            raise TypeError(
                f"{type(sampler).__name__} has no set_epoch, which makes its order that of an epoch and a training one "
                "that can be resumed: see app.datalist.sampling"
            )
        if batch_size < 1 or batch_size % processes:
            raise ValueError(
                f"batch_size is {batch_size}, that of all processes together, but must be a multiple of their number, "
                f"{processes}"
            )
        if len(sampler) < processes:
            raise ValueError(f"an epoch of {len(sampler)} images cannot be shared by {processes} processes")
        self.sampler = sampler
        self.batch_size = batch_size
        self.place = place
        self.processes = processes

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Images that this process sees in an epoch."""
        whole = len(self.sampler) // self.batch_size
        if whole:
            return whole * self.batch_size // self.processes
        return len(range(self.place, len(self.sampler), self.processes))

    def __iter__(self) -> Iterator[int]:
        """Indices of this process's parts, batch after batch."""
        order = list(self.sampler)
        if len(order) < self.batch_size:
            yield from order[self.place :: self.processes]
            return
        part = self.batch_size // self.processes
        for first in range(0, len(order) - self.batch_size + 1, self.batch_size):
            yield from order[first + self.place * part : first + (self.place + 1) * part]


class TrainingLoader(DataLoader[Any]):
    """Batches of a training: in an order that follows from seed and epoch, shared among processes.

    What is left over at the end of an epoch, less than a batch, is dropped, unless it is all there is. Batches are the
    same for any number of workers. Where there is a GPU, they lie in memory that is copied from without waiting.

    Args:
        dataset: a ``PreparedDataset``, or any other map of indices to dictionaries of tensors.
        batch_size: of all processes together, so that learning rates and steps mean the same for any number of them.
        sampler: the order of an epoch; None for every item once, shuffled.
        seed: of the shuffling.
        workers: further processes that read ahead; with 0 reading waits for computing, and the other way round.

    Raises:
        ValueError: ``batch_size`` is no multiple of the number of processes.
    """

    def __init__(
        self,
        dataset: Any,  # noqa: ANN401 - a PreparedDataset, or what stands in for one
        batch_size: int,
        sampler: EpochSampler | None = None,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        order = ShuffledSampler(len(dataset), seed) if sampler is None else sampler
        shared = SharedSampler(order, batch_size, rank(), world_size())
        super().__init__(
            _read_whole(dataset),
            batch_size=batch_size // world_size(),
            sampler=shared,
            collate_fn=_as_read if _reads_whole(dataset) else None,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
            # Otherwise each epoch would draw from the global generator, and a different count for some workers.
            generator=torch.Generator(),
        )

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.sampler.set_epoch(epoch)  # type: ignore[attr-defined]


class EvaluationLoader(DataLoader[Any]):
    """Batches of an evaluation: all items in order, whole batches dealt out among processes.

    Where there are fewer batches than processes, batches become smaller, so that each process has one. Only where
    there are fewer items than processes, some items are visited twice; ``CollectOutputs`` counts them once.

    Args:
        dataset: a ``PreparedDataset``, or any other map of indices to dictionaries of tensors.
        batch_size: of one process.
        workers: further processes that read ahead.

    Raises:
        ValueError: ``batch_size`` is below 1.
    """

    def __init__(self, dataset: Any, batch_size: int, workers: int = 0) -> None:  # noqa: ANN401 - as above
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be 1 or more")
        super().__init__(
            _read_whole(dataset),
            batch_sampler=dealt_batches(len(dataset), batch_size, rank(), world_size()),
            collate_fn=_as_read if _reads_whole(dataset) else None,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
            generator=torch.Generator(),
        )


def dealt_batches(count: int, batch_size: int, place: int, processes: int) -> list[list[int]]:
    """Batches of ``count`` items in order that fall to one of several processes.

    Every item falls to one process. Each process has a batch: where items are too few, one of another's.
    """
    size = max(1, min(batch_size, count // processes))
    batches = [list(range(first, min(first + size, count))) for first in range(0, count, size)]
    mine = batches[place::processes]
    return mine or [batches[place % len(batches)]] if batches else []


def _reads_whole(dataset: object) -> bool:
    return hasattr(dataset, "read_planes")


def _read_whole(dataset: Any) -> Any:  # noqa: ANN401 - as above
    return WholeBatches(dataset) if _reads_whole(dataset) else dataset


def _as_read(batch: Any) -> Any:  # noqa: ANN401 - the loader's type wants a list, but a whole batch was read
    return batch
