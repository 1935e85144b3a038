"""Rows of pixels in files that grow, the records that say what each row is, and their checksums."""

from __future__ import annotations

import secrets
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

ROWS = 4096
"""Most rows in one shard."""

RECORD = np.dtype(
    [
        ("key", "V16"),
        ("row", "<u4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("checksum", "<u4"),  # of the row's pixels
        ("original_size", "<i8", 2),
        ("region", "<f4", 4),
        ("lungs_found", "u1"),
        ("drawn_at", "<u8"),  # where the masks and boxes are in the file beside
        ("drawn_length", "<u4"),
        ("drawn_checksum", "<u4"),
        ("self_checksum", "<u4"),  # of all before it
    ]
)


@dataclass(slots=True)
class Prepared:
    """One prepared radiograph, as it is kept.

    Attributes:
        pixels: (H, W) uint8 or uint16.
        drawn: masks and boxes, packed.
        original_size: (2,) height, width of the stored image.
        region: (4,) x, y, width, height in pixels of the stored image.
        lungs_found: whether the crop to the lungs found any.
        checksum: CRC-32 of the pixels.
    """

    pixels: np.ndarray
    drawn: bytes
    original_size: np.ndarray
    region: np.ndarray
    lungs_found: bool
    checksum: int


class ShardWriter:
    """Appends rows to a shard of its own, that no other process writes to; starts another one when it is full.

    A row's record is written after its pixels, so what was being written when the process died is never read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = ROWS
        self.files: tuple[BinaryIO, BinaryIO, BinaryIO] | None = None

    def append(self, key: bytes, prepared: Prepared) -> None:
        """Keep one radiograph.

        Raises:
            OSError: where it cannot be written; what was written of it is then taken back.
        """
        if self.rows >= ROWS:
            self._start()
        assert self.files is not None
        ends = [file.seek(0, 2) for file in self.files]
        record = _record(key, self.rows, prepared, drawn_at=ends[1])
        parts = (memoryview(np.ascontiguousarray(prepared.pixels)).cast("B"), prepared.drawn, record.tobytes())
        try:
            for file, part in zip(self.files, parts, strict=True):
                _write_all(file, part)
        except BaseException:
            for file, end in zip(self.files, ends, strict=True):
                file.truncate(end)
            raise
        self.rows += 1

    def close(self) -> None:
        """Close the files."""
        for file in self.files or ():
            file.close()
        self.files, self.rows = None, ROWS

    def _start(self) -> None:
        self.close()
        # Names sort by time: of two records of one radiograph the later one counts.
        stem = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        pixels, drawn, records = (open(f"{stem}.{kind}", "xb", buffering=0) for kind in ("pixels", "drawn", "records"))
        self.files, self.rows = (pixels, drawn, records), 0  # type: ignore[assignment]  # raw files are binary files


def _write_all(file: BinaryIO, part: bytes | memoryview) -> None:
    rest = memoryview(part)
    while len(rest):  # an unbuffered write may stop halfway
        rest = rest[file.write(rest) :]


def _record(key: bytes, row: int, prepared: Prepared, drawn_at: int) -> np.ndarray:
    record = np.zeros(1, RECORD)
    record["key"] = np.void(key)
    record["row"] = row
    record["height"], record["width"] = prepared.pixels.shape
    record["checksum"] = prepared.checksum
    record["original_size"], record["region"] = prepared.original_size, prepared.region
    record["lungs_found"] = prepared.lungs_found
    record["drawn_at"], record["drawn_length"] = drawn_at, len(prepared.drawn)
    record["drawn_checksum"] = zlib.crc32(prepared.drawn)
    record["self_checksum"] = _self_checksums(record)[0]
    return record


def _self_checksums(records: np.ndarray) -> np.ndarray:
    size = RECORD.itemsize
    raw = records.tobytes()
    return np.array([zlib.crc32(raw[at : at + size - 4]) for at in range(0, len(raw), size)], dtype=np.uint32)


class ShardIndex:
    """Where each radiograph is, over all shards of a folder; follows what other processes add.

    Attributes:
        stems: path of each shard, without its ending.
        found: by key, (shard, record).
    """

    def __init__(self, folder: Path, item_bytes: int) -> None:
        self.folder = folder
        self.item_bytes = item_bytes
        self.stems: list[Path] = []
        self.found: dict[bytes, tuple[int, np.void]] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def refresh(self) -> None:
        """Take in records that were added since the last call; those whose pixels are missing do not count."""
        for path in sorted(self.folder.glob("*.records")):
            shard, done = self._seen.get(path.name, (len(self.stems), 0))
            size = path.stat().st_size
            if path.name not in self._seen:
                self.stems.append(path.with_suffix(""))
            self._seen[path.name] = (shard, done)
            if size - done >= RECORD.itemsize:
                self._seen[path.name] = (shard, done + self._read(path, shard, done))

    def _read(self, path: Path, shard: int, start: int) -> int:
        with open(path, "rb") as file:
            file.seek(start)
            raw = file.read()
        whole = len(raw) - len(raw) % RECORD.itemsize  # the rest is being written, or was when its process died
        records = np.frombuffer(raw[:whole], RECORD)
        records = records[records["self_checksum"] == _self_checksums(records)]
        area = records["height"].astype(np.int64) * records["width"] * self.item_bytes
        fits = (records["row"].astype(np.int64) + 1) * area <= _size(path.with_suffix(".pixels"))
        fits &= records["drawn_at"] + records["drawn_length"] <= _size(path.with_suffix(".drawn"))
        for record in records[fits]:
            self.found[record["key"].tobytes()] = (shard, record)
        return whole


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
