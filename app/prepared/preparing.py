"""Prepare what is missing in a folder, in parallel, and together with other processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from app.files.claims import Claims
from app.prepared.contained import made_by_workers, made_here
from app.prepared.space import FULL, check_space, full_disk
from app.prepared.store import RECORD, Entry, Index, ShardWriter

WAIT = 0.2
"""Seconds between two looks at what other processes have done."""


class PreparationError(RuntimeError):
    """Some radiographs could not be prepared."""


@dataclass(slots=True)
class Task:
    """What is to be prepared.

    Attributes:
        title: of the progress bar.
        keys: of each place, the keys that must be there for it to be done; the last one is written last.
        make: from a place to entries with these keys.
        failed: what is wrong, by place.
    """

    title: str
    keys: Sequence[tuple[bytes, ...]]
    make: Callable[[int], list[Entry]]
    failed: dict[int, str] = field(default_factory=dict)

    def pending(self, index: Index) -> list[int]:
        """Places that are neither done nor failed."""
        return [at for at in range(len(self.keys)) if at not in self.failed and not self.is_done(at, index)]

    def is_done(self, at: int, index: Index) -> bool:
        """Whether all of a place is there."""
        return all(key in index.found for key in self.keys[at])


def prepare_missing(task: Task, index: Index, workers: int, progress: bool) -> None:
    """Prepare what is not in the index, until all is there or has failed.

    Raises:
        OSError: where the disk is full, saying how much is needed.
    """
    pending = _own_share_first(task.pending(index))
    if not pending:
        return
    progress = progress and int(os.environ.get("RANK", "0")) == 0
    done = len(task.keys) - len(pending)
    writer = ShardWriter(index.folder)
    with (
        contextlib.closing(writer),
        contextlib.closing(Claims(index.folder)) as claims,
        tqdm(total=len(task.keys), initial=done, desc=task.title, unit="image", disable=not progress) as bar,
    ):
        while pending:
            handled = 0
            for _ in _one_pass(task, pending, index, claims, writer, workers):
                handled += 1
                bar.update()
            index.refresh()
            pending = _own_share_first(task.pending(index))
            bar.update(max(0, len(task.keys) - len(pending) - bar.n))  # what other processes did
            if pending and not handled:
                time.sleep(WAIT)


def _own_share_first(pending: list[int]) -> list[int]:
    """Let each rank begin elsewhere, so that they seldom want the same."""
    start = len(pending) * int(os.environ.get("RANK", "0")) // max(1, int(os.environ.get("WORLD_SIZE", "1")))
    return pending[start:] + pending[:start]


def _one_pass(
    task: Task, pending: Sequence[int], index: Index, claims: Claims, writer: ShardWriter, workers: int
) -> Iterator[int]:
    """Prepare what no other process has taken on; never wait for one, since it may wait for what we hold."""
    ours = _ours(task, pending, index, claims)
    results = made_by_workers(task.make, ours, workers) if workers else made_here(task.make, ours)
    each = 0
    with contextlib.closing(results):  # ends the processes now, not when this is collected
        for number, (at, result) in enumerate(results):
            if isinstance(result, str):
                task.failed[at] = result
            else:
                if not each:
                    each = sum(entry.data.nbytes + RECORD.itemsize for entry in result)
                    check_space(index.folder, each, len(pending) - number)
                _keep(result, writer, each, len(pending) - number)
            claims.give_back(task.keys[at][-1])
            yield at


def _keep(entries: Sequence[Entry], writer: ShardWriter, each: int, left: int) -> None:
    try:
        for entry in entries:
            writer.append(entry)
    except OSError as error:
        raise full_disk(writer.folder, each, left) if error.errno in FULL else error from error


def _ours(task: Task, pending: Sequence[int], index: Index, claims: Claims) -> Iterator[int]:
    for at in pending:
        if claims.take(task.keys[at][-1]):
            index.refresh()  # another process may have done it before we took it
            if not task.is_done(at, index):
                yield at
            else:
                claims.give_back(task.keys[at][-1])


def default_workers() -> int:
    """Processes to prepare with: the cores that this process may use, shared with the other ranks on the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
