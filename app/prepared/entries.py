"""Read entries of shards, checking each the first time and whenever its file has changed."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

OPEN = 256
"""Most files that are held open; where a process may open 1,024, others need some too."""


class DamagedError(RuntimeError):
    """What is kept is not what was written."""


class Entries:
    """A list of entries, each somewhere in some shard.

    They are read and not mapped into memory: that is as fast, and a file that is cut short or on a disk that fails
    ends the reading of one entry; under a map it ends the process (SIGBUS).

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
        # Of those replaced here, whether each is checked; not shared, since other processes still read the damaged
        # place, and have to find that out.
        self._replaced: dict[int, bool] = {}
        self._files: dict[int, int] = {}
        self._states: dict[int, tuple[int, int]] = {}

    def read_into(self, at: int, room: memoryview) -> None:
        """Copy one entry into as many bytes as it has.

        Raises:
            DamagedError: where the checksum is another, the file has become shorter or cannot be read.
        """
        self._read(at, room)
        if not self._checked[at] and not self._replaced.get(at):
            self._check(at, room)
            if at in self._replaced:
                self._replaced[at] = True
            else:
                self._checked[at] = True

    def read(self, at: int) -> memoryview:
        """Bytes of one entry; errors as those of ``read_into``."""
        room = memoryview(bytearray(self.lengths[at]))
        self.read_into(at, room)
        return room

    def look(self, places: Iterable[int]) -> None:
        """See whether the shards of some entries have changed since they were last looked at.

        What is in one that has (written to by something else, cut short, put back from a backup) is checked again.
        One that was deleted is read on while it is open.
        """
        for shard in {self.shards[at] for at in places}:
            state = self._state(shard)
            if state is not None and self._states.setdefault(shard, state) != state:
                self._states[shard] = state
                self._close(shard)  # its name may stand for another file now
                for at in np.flatnonzero(np.array(self.shards) == shard).tolist():
                    self._checked[at] = False
                    if at in self._replaced:
                        self._replaced[at] = False

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
        try:
            room = memoryview(bytearray(self.lengths[at]))
            self._read(at, room)
            self._check(at, room)
        except DamagedError:
            self.shards[at], self.starts[at], self.lengths[at], self.checksums[at] = before
            raise
        self._replaced[at] = True
        self._checked[at] = False  # that is about the place before

    def is_at(self, at: int, stem: Path, record: np.void) -> bool:
        """Whether an entry is what a record of a shard says."""
        return self.stems[self.shards[at]] == stem and self.starts[at] == int(record["start"])

    def _read(self, at: int, room: memoryview) -> None:
        try:
            read = os.preadv(self._file(self.shards[at]), (room,), self.starts[at])
        except OSError as error:
            self._close(self.shards[at])
            raise DamagedError(f"{self.path(at)}: {error.strerror or type(error).__name__}") from error
        if read != self.lengths[at]:
            raise self._damage(at)

    def _check(self, at: int, data: memoryview) -> None:
        if zlib.crc32(data) != self.checksums[at]:
            raise self._damage(at)

    def _damage(self, at: int) -> DamagedError:
        return DamagedError(f"{self.path(at)}: {self.lengths[at]} bytes from {self.starts[at]} on are damaged")

    def path(self, at: int) -> str:
        """The file that an entry is in."""
        return f"{self.stems[self.shards[at]]}.data"

    def _file(self, shard: int) -> int:
        file = self._files.get(shard)
        if file is None:
            if len(self._files) >= OPEN:
                self.close()
            file = self._files[shard] = os.open(f"{self.stems[shard]}.data", os.O_RDONLY | os.O_CLOEXEC)
        return file

    def _state(self, shard: int) -> tuple[int, int] | None:
        try:
            found = os.stat(f"{self.stems[shard]}.data")  # noqa: PTH116  several times as fast
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino)

    def _close(self, shard: int) -> None:
        file = self._files.pop(shard, None)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Close all files; they are opened again when they are needed."""
        for shard in list(self._files):
            self._close(shard)

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open in this process."""
        return {**self.__dict__, "_files": {}, "_checked": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._checked = self._flags.numpy()
