"""Entries in files that only grow, the records that say what each entry is, and their checksums."""

from __future__ import annotations

import os
import secrets
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

ENTRIES = 4096
"""Most entries in one shard."""
ALIGNMENT = 64
"""Entries start at multiples of this many bytes."""

RECORD = np.dtype(
    [
        ("key", "V16"),
        ("start", "<u8"),
        ("length", "<u8"),
        ("checksum", "<u4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("lungs_found", "<u4"),
        ("original_size", "<i8", 2),
        ("region", "<f4", 4),
        ("self_checksum", "<u4"),  # of all before it
    ]
)


@dataclass(slots=True)
class Entry:
    """What is kept under one key.

    Attributes:
        key: 16 bytes.
        data: pixels (H, W) of an unsigned kind, or bytes (N,) of what was drawn.
        shape: (height, width) of the prepared image.
        original_size: (height, width) of the stored image.
        region: x, y, width, height in pixels of the stored image.
        lungs_found: whether the crop to the lungs found any.
    """

    key: bytes
    data: np.ndarray
    shape: tuple[int, int] = (0, 0)
    original_size: tuple[int, int] = (0, 0)
    region: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lungs_found: bool = True

    def record(self, start: int) -> np.ndarray:
        """(1,) of `RECORD`, for data that begin at byte ``start``."""
        record = np.zeros(1, RECORD)
        record["key"] = np.void(self.key)
        record["start"], record["length"] = start, self.data.nbytes
        record["checksum"] = checksum(self.data)
        record["height"], record["width"] = self.shape
        record["lungs_found"] = self.lungs_found
        record["original_size"], record["region"] = self.original_size, self.region
        record["self_checksum"] = _self_checksums(record)
        return record


def checksum(data: np.ndarray) -> int:
    """CRC-32 of an array's bytes."""
    return zlib.crc32(memoryview(np.ascontiguousarray(data)))  # type: ignore[arg-type]  # arrays are buffers


class ShardWriter:
    """Appends entries to a shard of its own, that no other process writes to; starts another one when it is full.

    An entry's record is written after its data, so what was being written when the process died is never read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = 0
        self.files: tuple[BinaryIO, ...] = ()

    def append(self, entry: Entry) -> None:
        """Keep one entry.

        Raises:
            OSError: where it cannot be written; what was written of it is then taken back, or its shard given up.
        """
        if not self.files or self.entries >= ENTRIES:
            self._start()
        ends = [file.seek(0, 2) for file in self.files]
        data = np.ascontiguousarray(entry.data).reshape(-1).view(np.uint8)
        padding = bytes(-len(data) % ALIGNMENT)
        parts: tuple[Sequence[bytes | np.ndarray], ...] = ((data, padding), (entry.record(ends[0]).tobytes(),))
        try:
            for file, pieces in zip(self.files, parts, strict=True):
                for piece in pieces:
                    _write_all(file, piece)
        except BaseException:
            try:
                for file, end in zip(self.files, ends, strict=True):
                    file.truncate(end)
            except OSError:
                self.close()  # records behind a piece of one could not be found
            raise
        self.entries += 1

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()
        self.files, self.entries = (), 0

    def _start(self) -> None:
        self.close()
        # Names sort by time: of two entries of one key the later one counts.
        stem = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self.files = tuple(open(f"{stem}.{kind}", "xb", buffering=0) for kind in ("data", "records"))  # noqa: SIM115


def _write_all(file: BinaryIO, piece: bytes | np.ndarray) -> None:
    rest = memoryview(piece)  # type: ignore[arg-type]  # arrays are buffers
    while len(rest):  # an unbuffered write may stop halfway
        rest = rest[file.write(rest) :]


def _self_checksums(records: np.ndarray) -> np.ndarray:
    size, raw = RECORD.itemsize, records.tobytes()
    return np.array([zlib.crc32(raw[at : at + size - 4]) for at in range(0, len(raw), size)], dtype=np.uint32)


class Index:
    """Where each entry is, over all shards of a folder; follows what this and other processes add.

    Attributes:
        stems: path of each shard, without its ending.
        found: by key, the number of a shard and the record there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stems: list[Path] = []
        self.found: dict[bytes, tuple[int, np.void]] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def refresh(self) -> None:
        """Take in records that were added since the last call; those whose data are missing do not count."""
        names = os.listdir(self.folder) if self.folder.is_dir() else []  # noqa: PTH208  asked for once an image
        for name in sorted(name for name in names if name.endswith(".records")):
            if name not in self._seen:
                self._seen[name] = (len(self.stems), 0)
                self.stems.append((self.folder / name).with_suffix(""))
            shard, done = self._seen[name]
            if done >= ENTRIES * RECORD.itemsize:  # it is full
                continue
            path = self.folder / name
            if path.stat().st_size - done >= RECORD.itemsize:
                self._seen[name] = (shard, done + self._read(path, shard, done))

    def _read(self, path: Path, shard: int, start: int) -> int:
        with open(path, "rb") as file:
            file.seek(start)
            raw = file.read()
        whole = len(raw) - len(raw) % RECORD.itemsize  # the rest is being written, or was when its process died
        records = np.frombuffer(raw[:whole], RECORD)
        data = path.with_suffix(".data")
        size = data.stat().st_size if data.exists() else 0
        good = (records["self_checksum"] == _self_checksums(records)) & (records["start"] < size)
        good &= records["length"] <= size - np.minimum(records["start"], size)
        for record in records[good]:
            self.found[record["key"].tobytes()] = (shard, record)
        return whole


def records_of(found: Sequence[tuple[int, np.void]]) -> np.ndarray:
    """Records of several entries, (N,) of `RECORD`."""
    return np.array([record for _, record in found], dtype=RECORD) if found else np.zeros(0, RECORD)
