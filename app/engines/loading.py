"""Loaders of prepared radiographs that divide images among processes; batches do not depend on their number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from app.datalist.sampling import EpochSampler, ShuffledSampler
from app.engines.processes import rank, world_size
from app.interrupts import leave_interrupts


class WholeBatches(Dataset[Any]):
    """A prepared dataset that is read batch by batch, with masks as bits (``planes``, ``plane_at``).

    Args:
        prepared: Has ``read_planes``, as ``PreparedDataset``.
    """

    def __init__(self, prepared: Any) -> None:  # noqa: ANN401 - a PreparedDataset, or a substitute
        self.prepared = prepared

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """A batch, as ``PreparedDataset.read_planes`` gives it."""
        batch: dict[str, Tensor] = self.prepared.read_planes(indices)
        return batch


def dataset_of(loader: Any) -> Any:  # noqa: ANN401 - a PreparedDataset, or a substitute
    """The dataset that a loader reads, without the wrapper for whole batches; None if it has none."""
    dataset = getattr(loader, "dataset", None)
    return dataset.prepared if isinstance(dataset, WholeBatches) else dataset


def excluded_count(dataset: Any) -> int:  # noqa: ANN401 - a PreparedDataset, or what stands in for one
    """How many files a data set left out because they could not be prepared."""
    return len(getattr(dataset, "excluded", ()))


class SharedSampler(Sampler[int]):
    """One process's share of every batch of a training epoch.

    Each batch of a training by one process is cut into equal parts, so that an iteration sees the same images for any
    number of processes. An epoch of less than one batch is divided as evenly as possible.

    Args:
        sampler: Order of the whole epoch, the same in all processes.
        batch_size: Of all processes together.
        rank: Of this process.
        processes: Number of processes.

    Raises:
        ValueError: A batch or an epoch cannot be divided among the processes.
        TypeError: The order does not follow from the epoch, as with torch's own samplers.

    Example:
        >>> [list(SharedSampler(ShuffledSampler(6, seed=1), batch_size=4, rank=r, processes=2)) for r in (0, 1)]
        [[4, 0], [2, 1]]
    """

    def __init__(self, sampler: EpochSampler, batch_size: int, rank: int, processes: int) -> None:
        if not hasattr(sampler, "set_epoch"):
            raise TypeError(
                f"{type(sampler).__name__} has no set_epoch, from which the order of an epoch must follow so that a "
                "training can be resumed: see app.datalist.sampling"
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
        self.rank = rank
        self.processes = processes

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Number of images that this process sees in an epoch."""
        batches = len(self.sampler) // self.batch_size
        if batches:
            return batches * self.batch_size // self.processes
        return len(range(self.rank, len(self.sampler), self.processes))

    def __iter__(self) -> Iterator[int]:
        """Indices of this process's parts, batch by batch."""
        order = list(self.sampler)
        if len(order) < self.batch_size:
            yield from order[self.rank :: self.processes]
            return
        size = self.batch_size // self.processes
        for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
            yield from order[start + self.rank * size : start + (self.rank + 1) * size]


class TrainingLoader(DataLoader[Any]):
    """Batches of a training, in an order that follows from seed and epoch, divided among processes.

    The last, incomplete batch of an epoch is dropped unless it is the only one. Batches do not depend on the number of
    workers. If there is a GPU they are in pinned memory, which is copied without waiting.

    Args:
        dataset: A ``PreparedDataset``, or another map of indices to dictionaries of tensors.
        batch_size: Of all processes together, so that learning rates and steps mean the same for any number of them.
        sampler: Order of an epoch; None for every item once, shuffled.
        seed: Seed for the shuffling.
        workers: Processes that read ahead; with 0, reading and computing take turns.

    Raises:
        ValueError: ``batch_size`` is not a multiple of the number of processes.
    """

    def __init__(
        self,
        dataset: Any,  # noqa: ANN401 - a PreparedDataset, or a substitute
        batch_size: int,
        sampler: EpochSampler | None = None,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        order = ShuffledSampler(len(dataset), seed) if sampler is None else sampler
        shared = SharedSampler(order, batch_size, rank(), world_size())
        super().__init__(**_options(dataset, workers), batch_size=batch_size // world_size(), sampler=shared)

    def set_epoch(self, epoch: int) -> None:
        """Make the order that of ``epoch``."""
        self.sampler.set_epoch(epoch)  # type: ignore[attr-defined]


class EvaluationLoader(DataLoader[Any]):
    """Batches of an evaluation: all items in order, whole batches dealt out among processes.

    A file that could not be prepared makes its batch smaller and changes no other one: the last digit of a score may
    depend on the size of its batch. If there are fewer batches than processes, batches become smaller, so that each
    process has one. Only if there are fewer items than processes are some visited twice; ``CollectOutputs`` counts them
    once.

    Args:
        dataset: A ``PreparedDataset``, or another map of indices to dictionaries of tensors.
        batch_size: Of one process.
        workers: Processes that read ahead.

    Raises:
        ValueError: ``batch_size`` is below 1.
    """

    def __init__(self, dataset: Any, batch_size: int, workers: int = 0) -> None:  # noqa: ANN401 - as above
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be 1 or more")
        self.largest_batch = batch_size
        positions = getattr(dataset, "positions", range(len(dataset)))
        batches = dealt_batches(positions, batch_size, rank(), world_size())
        super().__init__(**_options(dataset, workers), batch_sampler=batches)

    def over(self, dataset: Any) -> EvaluationLoader:  # noqa: ANN401 - as above
        """Another dataset in batches of this size."""
        return EvaluationLoader(dataset, self.largest_batch, self.num_workers)


def dealt_batches(positions: Sequence[int], batch_size: int, rank: int, processes: int) -> list[list[int]]:
    """Deal batches of items, in order, to one of several processes.

    Every item goes to one process, and every process gets a batch, if need be that of another one.

    Args:
        positions: Of each item in the list that it is from, ascending; a batch is what is left of so many in a row.
        batch_size: Of one process.
        rank: Of the process.
        processes: Number of processes.

    Example:
        >>> dealt_batches(range(7), batch_size=3, rank=0, processes=2)
        [[0, 1, 2], [6]]
        >>> dealt_batches([1, 2, 5], batch_size=4, rank=0, processes=1)
        [[0, 1], [2]]
    """
    size = batch_size if processes == 1 else max(1, min(batch_size, len(positions) // processes))
    numbered = itertools.groupby(enumerate(positions), lambda pair: pair[1] // size)
    batches = [[index for index, _ in group] for _, group in numbered]
    mine = batches[rank::processes]
    return mine or [batches[rank % len(batches)]] if batches else []


def _options(dataset: Any, workers: int) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Arguments of a ``DataLoader`` for a dataset, which is read in whole batches if it can be."""
    reads_whole = hasattr(dataset, "read_planes")
    collate: Callable[[Any], Any] | None = _as_it_is if reads_whole else None
    return {
        "dataset": WholeBatches(dataset) if reads_whole else dataset,
        "collate_fn": collate,
        "pin_memory": torch.cuda.is_available(),
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "worker_init_fn": _begin,
        # Otherwise each epoch would draw from the global generator, and a different count for some workers.
        "generator": torch.Generator(),
    }


def _begin(worker: int) -> None:
    leave_interrupts()


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - a whole batch, which DataLoader expects as a list of samples
    return batch
