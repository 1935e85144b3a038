"""Prepare the radiographs that are missing in a folder, in parallel, and together with other processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from app.data.cache.encode import Sample, prepare
from app.data.cache.shards import RECORD, Prepared, ShardIndex, ShardWriter

WAIT = 0.2
"""Seconds between two looks at what other processes have done."""


class PreparationError(RuntimeError):
    """Some radiographs could not be prepared."""


@dataclass(slots=True)
class Task:
    """What is to be prepared.

    Attributes:
        samples: one a key.
        keys: 16 bytes each, in the order of ``samples``.
        transform: from a sample to a prepared one.
        bits: 8 or 16 a pixel.
    """

    samples: Sequence[Mapping[str, Any]]
    keys: Sequence[bytes]
    transform: Callable[[Sample], Mapping[str, Any]]
    bits: int
    failed: dict[bytes, str] = field(default_factory=dict)


class Claims:
    """Which radiographs this process has taken on: locks that the system takes back when the process dies."""

    def __init__(self, folder: Path) -> None:
        self.file = open(folder / "claims.lock", "ab")

    def take(self, key: bytes) -> bool:
        """Whether the radiograph is now ours; not where another process has it."""
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int.from_bytes(key[:7], "little"))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def give_back(self, key: bytes) -> None:
        """Let others have it."""
        fcntl.lockf(self.file, fcntl.LOCK_UN, 1, int.from_bytes(key[:7], "little"))

    def close(self) -> None:
        """Give all back."""
        self.file.close()


def prepare_missing(task: Task, index: ShardIndex, workers: int, progress: bool) -> None:
    """Prepare what is not in the index, until all is there or has failed.

    Failures are left in ``task.failed``, by key.

    Raises:
        OSError: where the disk is full, saying how much is needed.
    """
    pending = [place for place, key in enumerate(task.keys) if key not in index.found]
    if not pending:
        return
    claims, writer = Claims(index.folder), ShardWriter(index.folder)
    bar = tqdm(
        total=len(task.keys),
        initial=len(task.keys) - len(pending),
        desc="Preparing radiographs",
        unit="image",
        disable=not progress,
    )
    try:
        while pending:
            before = len(pending)
            _one_pass(task, pending, index, claims, writer, workers, bar)
            index.refresh()
            pending = [at for at in pending if task.keys[at] not in index.found and task.keys[at] not in task.failed]
            bar.update(len(task.keys) - len(pending) - bar.n)
            if len(pending) == before:  # others have them all
                time.sleep(WAIT)
    finally:
        bar.close()
        writer.close()
        claims.close()


def _one_pass(
    task: Task,
    pending: Sequence[int],
    index: ShardIndex,
    claims: Claims,
    writer: ShardWriter,
    workers: int,
    bar: tqdm,
) -> None:
    """Prepare what no other process has taken on; never waits, since others may wait for what we hold."""
    results = _results(task, _ours(task, pending, index, claims), workers if len(pending) > 1 else 0)
    with contextlib.closing(results):
        left = len(pending)
        for number, (at, result) in enumerate(results):
            key = task.keys[at]
            if isinstance(result, str):
                task.failed[key] = result
            else:
                if number == 0:
                    check_space(index.folder, result, left)
                try:
                    writer.append(key, result)
                except OSError as error:
                    raise _explained(error, index.folder, result, left) from error
            claims.give_back(key)
            left -= 1
            bar.update()


def _ours(task: Task, pending: Sequence[int], index: ShardIndex, claims: Claims) -> Iterator[int]:
    for at in pending:
        key = task.keys[at]
        if not claims.take(key):
            continue
        index.refresh()  # another process may have done it before we took it
        if key in index.found:
            claims.give_back(key)
        else:
            yield at


class _Work(Dataset[tuple[int, Prepared | str]]):
    """Runs the transforms, in the processes that a loader starts."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __getitem__(self, at: int) -> tuple[int, Prepared | str]:
        return at, attempt(self.task.samples[at], self.task.transform, self.task.bits)


def attempt(sample: Mapping[str, Any], transform: Callable[[Sample], Mapping[str, Any]], bits: int) -> Prepared | str:
    """A prepared sample, or what is wrong with it."""
    try:
        return prepare(sample, transform, bits)
    except Exception as error:  # whatever a reader or transform makes of a bad file is reported with the file's name
        return f"{type(error).__name__}: {error}"


def _results(task: Task, ours: Iterator[int], workers: int) -> Iterator[tuple[int, Prepared | str]]:
    # A generator of its own, or the loader draws its seed from the global one.
    loader = DataLoader(
        _Work(task),
        batch_size=None,
        sampler=ours,
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=_one_thread if workers else None,
        generator=torch.Generator(),
    )
    yield from loader


def _unchanged(result: tuple[int, Prepared | str]) -> tuple[int, Prepared | str]:
    return result


def _one_thread(_worker: int) -> None:
    """Keep OpenCV from starting threads in a worker process; the loader does the same for torch."""
    opencv = sys.modules.get("cv2")
    if opencv is not None:
        opencv.setNumThreads(0)


def check_space(folder: Path, example: Prepared, count: int) -> None:
    """See that the disk has room for ``count`` radiographs like the example.

    Raises:
        OSError: saying how much is needed, and where.
    """
    needed = (example.pixels.nbytes + RECORD.itemsize) * count
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, _needs(count, needed, free), str(folder))


def _explained(error: OSError, folder: Path, example: Prepared, count: int) -> OSError:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    needed = (example.pixels.nbytes + RECORD.itemsize + len(example.drawn)) * count
    return OSError(error.errno, _needs(count, needed, shutil.disk_usage(folder).free), str(folder))


def _needs(count: int, needed: int, free: int) -> str:
    return (
        f"{count} radiographs are still to be prepared, for which {needed / 1e9:.2f} GB are needed, but the disk has "
        f"{free / 1e9:.2f} GB left; make room or name another folder, and it goes on where it was"
    )


def default_workers() -> int:
    """Processes to prepare with: the cores that this process may use, shared with the other ranks on the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
