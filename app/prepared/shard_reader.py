"""Find and read the entries of a folder's shards, and notice damage."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from app.prepared.shards import RECORD_SIZE, StoredEntry, read_records

MOST_OPEN = 256
"""Files held open at a time; a process may often open 1,024, and needs others too."""


class DamagedError(RuntimeError):
    """What is kept is not what was written."""


class ShardReader:
    """The entries of all shards in a folder, those that other processes add included.

    Data are compared with their checksum when they are first read, and again after their file has changed. They are
    read, not mapped into memory: reading is as fast, and a file that is cut short, or on a failing disk, is an error of
    one entry. Under a map it would end the process (SIGBUS).

    It can be sent to other processes, forked or spawned.

    Args:
        folder: Of the shards.
        wanted: Keys of the entries to keep in memory.

    Attributes:
        entries: by key.
    """

    def __init__(self, folder: Path, wanted: Iterable[bytes]) -> None:
        self.folder = folder
        self._wanted = np.unique(np.frombuffer(b"".join(key[:8] for key in wanted), np.uint64))
        self.entries: dict[bytes, StoredEntry] = {}
        self._bytes_read: dict[Path, int] = {}
        self._files: dict[str, int] = {}
        self._states: dict[str, tuple[int, int]] = {}
        self._checked: dict[str, set[int]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the records that were added since the last call; a later entry of a key replaces an earlier one."""
        for path in sorted(self.folder.glob("*.records")):
            start = self._bytes_read.get(path, 0)
            if path.stat().st_size - start >= RECORD_SIZE:
                added, self._bytes_read[path] = read_records(path, start, self._wanted)
                self.entries |= added

    def read(self, key: bytes) -> memoryview:
        """Read the data of one entry; errors as those of `read_into`."""
        buffer = memoryview(bytearray(self.entries[key].length))
        self.read_into(key, buffer)
        return buffer

    def read_into(self, key: bytes, buffer: memoryview) -> None:
        """Copy the data of one entry into as many bytes.

        Raises:
            DamagedError: The data differ from what was written, or cannot be read.
        """
        entry = self.entries[key]
        try:
            count = os.preadv(self._file(entry.path), (buffer,), entry.start)
        except OSError as error:
            self._close(entry.path)
            raise DamagedError(f"{entry.path}: {error.strerror or type(error).__name__}") from error
        checked = self._checked.setdefault(entry.path, set())
        if count != entry.length or (entry.start not in checked and zlib.crc32(buffer) != entry.checksum):
            raise DamagedError(f"{entry.path}: {entry.length} bytes from {entry.start} on are damaged")
        checked.add(entry.start)

    def notice_changes(self, keys: Iterable[bytes]) -> None:
        """Have entries checked again if their shard has changed since the last call.

        A shard may be written to by another program, cut short, or put back from a backup. One that was deleted is
        read on while it is open.
        """
        for path in {self.entries[key].path for key in keys}:
            try:
                status = os.stat(path)  # noqa: PTH116  several times as fast
            except OSError:
                continue
            state = (status.st_mtime_ns, status.st_ino)
            if self._states.setdefault(path, state) != state:
                self._states[path] = state
                self._checked.pop(path, None)
                self._close(path)  # the name may stand for another file now

    def close(self) -> None:
        """Close all files; they are opened again when they are needed."""
        for path in list(self._files):
            self._close(path)

    def _file(self, path: str) -> int:
        file = self._files.get(path)
        if file is None:
            if len(self._files) >= MOST_OPEN:
                self.close()
            file = self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return file

    def _close(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open files."""
        return {**self.__dict__, "_files": {}}
