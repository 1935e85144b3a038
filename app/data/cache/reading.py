"""Read entries of shards as memory-mapped bytes, checking each the first time."""

from __future__ import annotations

import mmap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch


class DamagedError(RuntimeError):
    """What is kept is not what was written."""


class Entries:
    """A list of entries, each somewhere in some shard.

    Args:
        stems: path of each shard, without its ending.
        shards: (N,) which shard each entry is in.
        records: (N,) of ``RECORD``.

    May be sent to other processes, forked or spawned: files are opened when they are first read from.
    """

    def __init__(self, stems: list[Path], shards: np.ndarray, records: np.ndarray) -> None:
        self.stems = list(stems)
        # Lists, because reading one number of an array costs as much as copying a row of pixels.
        self.shards: list[int] = shards.tolist()
        self.starts: list[int] = records["start"].tolist()
        self.lengths: list[int] = records["length"].tolist()
        self.checksums: list[int] = records["checksum"].tolist()
        # Shared, so that what one worker process has checked no other one checks, nor in later epochs.
        self._flags = torch.zeros(len(records), dtype=torch.bool).share_memory_()
        self._checked = self._flags.numpy()
        # Not shared: other processes may still read the damaged place, and have to find that out.
        self._replaced: set[int] = set()
        self._maps: dict[int, memoryview] = {}

    def read(self, at: int) -> memoryview:
        """Bytes of one entry, of which nothing is copied.

        Raises:
            DamagedError: where the checksum is another, or the file has become shorter.
        """
        start, stop = self.starts[at], self.starts[at] + self.lengths[at]
        data = self._map(self.shards[at], stop)[start:stop]
        if not self._checked[at] and at not in self._replaced:
            self._check(at, data)
            self._checked[at] = True
        return data

    def replace(self, at: int, stem: Path, record: np.void) -> None:
        """Read an entry from another place from now on.

        Raises:
            DamagedError: where that is damaged too; nothing is changed then.
        """
        before = (self.shards[at], self.starts[at], self.lengths[at], self.checksums[at])
        if stem not in self.stems:
            self.stems.append(stem)
        self.shards[at] = self.stems.index(stem)
        self.starts[at], self.lengths[at] = int(record["start"]), int(record["length"])
        self.checksums[at] = int(record["checksum"])
        stop = self.starts[at] + self.lengths[at]
        try:
            self._check(at, self._map(self.shards[at], stop)[self.starts[at] : stop])
        except DamagedError:
            self.shards[at], self.starts[at], self.lengths[at], self.checksums[at] = before
            raise
        self._replaced.add(at)

    def _check(self, at: int, data: memoryview) -> None:
        if len(data) < self.lengths[at] or zlib.crc32(data) != self.checksums[at]:
            place = f"{self.lengths[at]} bytes from {self.starts[at]} on"
            raise DamagedError(f"{self.stems[self.shards[at]]}.data: {place} are damaged")

    def is_at(self, at: int, stem: Path, record: np.void) -> bool:
        """Whether an entry is what a record of a shard says."""
        return self.stems[self.shards[at]] == stem and self.starts[at] == int(record["start"])

    def _map(self, shard: int, stop: int) -> memoryview:
        mapped = self._maps.get(shard)
        if mapped is None or len(mapped) < stop:  # not opened yet, or it has grown since
            mapped = self._maps[shard] = _mapped(Path(f"{self.stems[shard]}.data"))
        return mapped

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open in this process."""
        return {**self.__dict__, "_maps": {}, "_checked": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._checked = self._flags.numpy()


def _mapped(path: Path) -> memoryview:
    if not path.exists() or path.stat().st_size == 0:
        return memoryview(b"")
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
