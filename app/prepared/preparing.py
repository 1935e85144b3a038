"""Prepare what is missing of some samples, in parallel, and together with other processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from app.files.atomic import write_whole
from app.files.claims import Claims
from app.prepared.folders import CANNOT_WRITE, DESCRIPTION, other_folders
from app.prepared.recipe import Keys, Recipe, Sample
from app.prepared.shard_reader import ShardReader
from app.prepared.shards import RECORD_SIZE, NewEntry, ShardWriter
from app.prepared.workers import Job, Workers

WAIT = 0.2
"""Seconds until the next look at what other processes have prepared."""
REFUSED = "refused"
"""Key of a sample that is not wanted, with the reason."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Preparation:
    """What of some samples is missing in a folder, and what failed.

    Args:
        samples: Of a datalist.
        recipe: How they are prepared.
        folder: Where their results are kept.

    Attributes:
        reader: Of the folder.
        keys: By index of the sample, unless its file cannot be found.
        failed: By index of the sample, what is wrong with it.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, folder: Path) -> None:
        self.samples = samples
        self.recipe = recipe
        self.keys: dict[int, Keys] = {}
        self.failed: dict[int, str] = {}
        for index, sample in enumerate(samples):
            if REFUSED in sample:
                self.failed[index] = str(sample[REFUSED])
                continue
            try:
                self.keys[index] = recipe.keys(sample)
            except OSError as error:
                self.failed[index] = f"{type(error).__name__}: {error}"
        self.reader = ShardReader(folder, (key for keys in self.keys.values() for key in keys if key is not None))

    def run(self, writer: ShardWriter, workers: Workers, progress: bool) -> None:
        """Prepare until everything is there or has failed.

        Args:
            writer: Of the folder.
            workers: To prepare with.
            progress: Whether to show a progress bar.

        Raises:
            OSError: The disk is full (tells how much is needed), or the folder cannot be written to.
        """
        pending = self._pending()
        if not pending:
            return
        _make_folder(self.reader.folder, self.recipe.description)
        total, is_hidden = len(pending), not progress or _torchrun("RANK", 0) > 0
        with (
            contextlib.closing(Claims(self.reader.folder)) as claims,
            tqdm(total=total, desc="Preparing radiographs", unit="image", disable=is_hidden) as bar,
        ):
            while pending:
                handled = 0
                for _ in self._pass(pending, claims, writer, workers):
                    handled += 1
                    bar.update()
                self.reader.refresh()
                pending = self._pending()
                bar.update(max(0, total - len(pending) - bar.n))  # what other processes prepared
                if pending and not handled:
                    time.sleep(WAIT)

    def _pending(self) -> list[int]:
        """Samples that are neither prepared nor failed, one for each image; every rank begins elsewhere."""
        first: dict[bytes, int] = {}
        for index, keys in self.keys.items():
            if index not in self.failed and not self._is_prepared(keys):
                first.setdefault(keys.image, index)
        pending = list(first.values())
        start = len(pending) * _torchrun("RANK", 0) // _torchrun("WORLD_SIZE", 1)
        return pending[start:] + pending[:start]

    def _is_prepared(self, keys: Keys) -> bool:
        return all(key is None or key in self.reader.entries for key in keys)

    def _pass(self, pending: Sequence[int], claims: Claims, writer: ShardWriter, workers: Workers) -> Iterator[int]:
        """Prepare what no other process has claimed; waiting for its claims could deadlock."""
        left, size = len(pending), 0
        with contextlib.closing(workers.outcomes(self._jobs(pending, claims))) as results:
            for (index, *_), outcome in results:
                if isinstance(outcome, str):
                    self.failed[index] = outcome
                else:
                    if not size:
                        size = sum(entry.data.nbytes + RECORD_SIZE for entry in outcome)
                        _require_space(writer.folder, size, left)
                    _write(outcome, writer, size, left)
                claims.give_back(self.keys[index].image)
                left -= 1
                yield index

    def _jobs(self, pending: Sequence[int], claims: Claims) -> Iterator[Job]:
        for index in pending:
            keys = self.keys[index]
            if not claims.take(keys.image):
                continue
            self.reader.refresh()  # another process may have prepared it before we claimed it
            if self._is_prepared(keys):
                claims.give_back(keys.image)
                continue
            image = self.reader.entries.get(keys.image)
            yield Job(index, self.samples[index], keys, None if image is None else image.geometry)


def default_workers() -> int:
    """Processes to prepare with: one for each core this process may use, shared with the other ranks on the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // _torchrun("LOCAL_WORLD_SIZE", 1))


def _torchrun(variable: str, default: int) -> int:
    return int(os.environ.get(variable) or default)


def _write(entries: Sequence[NewEntry], writer: ShardWriter, size: int, left: int) -> None:
    try:
        for entry in entries:
            writer.append(entry)
    except OSError as error:
        raise _full_disk(writer.folder, size, left) if error.errno in DISK_FULL else error from error


def _require_space(folder: Path, size: int, count: int) -> None:
    if size * count > shutil.disk_usage(folder).free:
        raise _full_disk(folder, size, count)


def _full_disk(folder: Path, size: int, count: int) -> OSError:
    message = (
        f"{count} radiographs are still to be prepared, which takes {size * count / 1e9:.3f} GB, but the disk has "
        f"{shutil.disk_usage(folder).free / 1e9:.3f} GB left; make room or name another folder, then start again"
    )
    others = other_folders(folder)
    return OSError(errno.ENOSPC, f"{message} ({others})" if others else message, str(folder))


def _make_folder(folder: Path, description: object) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / DESCRIPTION, json.dumps(description, indent=1, sort_keys=True))
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        message = "not all radiographs are prepared yet, and the folder to keep them in cannot be written to"
        raise PermissionError(error.errno, message, str(folder)) from error
