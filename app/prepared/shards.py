"""Shards of prepared radiographs: a file of data that only grows, and beside it a record for each of its entries.

A record is written after its data, so an entry that was being written when its process died is never read.
"""

from __future__ import annotations

import os
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

ALIGNMENT = 64
"""Entries start at multiples of this many bytes."""
_FIELDS = struct.Struct("<16s Q Q I 2I 2q 4f I")
"""Of a record: key, start, length and checksum of the data, and the geometry."""
_CHECKSUM = struct.Struct("<I")
"""Of the fields before it."""
_LUNGS_FOUND, _DOUBTFUL = 1, 2
"""Bits of the last field."""
_APPENDING = threading.Lock()
"""While one thread prepares, another may repair an entry that is damaged."""
RECORD_SIZE = _FIELDS.size + _CHECKSUM.size


class Geometry(NamedTuple):
    """Where a prepared image lies.

    Attributes:
        shape: (height, width) of the prepared image.
        original_size: (height, width) of the stored image.
        region: x, y, width, height of what the prepared image covers, in pixels of the stored image.
        lungs_found: False if the image was to be cropped to the lungs, and none were found.
        is_doubtful: Whether the image hardly looks like a frontal radiograph of the chest, or its lungs are in doubt,
            as far as that was checked.
    """

    shape: tuple[int, int] = (0, 0)
    original_size: tuple[int, int] = (0, 0)
    region: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lungs_found: bool = True
    is_doubtful: bool = False


NO_GEOMETRY = Geometry()


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be kept under a key.

    Attributes:
        key: 16 bytes.
        data: uint8, contiguous: pixels (H, W) of an image, or bytes (N,) of its masks.
        geometry: of an image.
    """

    key: bytes
    data: np.ndarray
    geometry: Geometry = NO_GEOMETRY


class StoredEntry(NamedTuple):
    """Where an entry is kept, and the CRC-32 of its data."""

    path: str
    start: int
    length: int
    checksum: int
    geometry: Geometry


class ShardWriter:
    """Appends entries to a shard that no other process writes to; a forked process starts its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: tuple[BinaryIO, ...] = ()
        self.process = 0

    def append(self, entry: NewEntry) -> None:
        """Write one entry.

        Raises:
            OSError: It cannot be written. The shard is given up, and the next entry starts another.
        """
        with _APPENDING:
            self._append(entry)

    def _append(self, entry: NewEntry) -> None:
        if not self.files or self.process != os.getpid():
            self._start()
        data, records = self.files
        start = data.tell()
        try:
            data.write(entry.data.data)
            data.write(bytes(-entry.data.nbytes % ALIGNMENT))
            data.flush()
            records.write(_record(entry, start))
            records.flush()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            with suppress(OSError):  # what could not be written before
                file.close()
        self.files = ()

    def _start(self) -> None:
        # Names sort by time: of two entries of one key, the later one counts.
        stem = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self.files = tuple(open(f"{stem}.{kind}", "xb") for kind in ("data", "records"))  # noqa: SIM115
        self.process = os.getpid()


def read_records(path: Path, start: int, wanted: np.ndarray) -> tuple[dict[bytes, StoredEntry], int]:
    """Read the records of a shard from a byte on.

    Args:
        path: Of the records.
        start: First byte to read.
        wanted: The first 8 bytes of the keys of the entries to return, as uint64 in ascending order.

    Returns:
        Entries by key, without those whose record is damaged or whose data are missing; and the byte to go on from.
    """
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    end = len(content) - len(content) % RECORD_SIZE  # the rest is being written, or was when its process died
    data = path.with_suffix(".data")
    size = data.stat().st_size if data.exists() else 0
    entries, known = {}, dict[Geometry, Geometry]()
    for at in _candidates(content[:end], wanted):
        fields = content[at : at + _FIELDS.size]
        if _CHECKSUM.unpack_from(content, at + _FIELDS.size) != (zlib.crc32(fields),):
            continue
        key, first, length, checksum, *rest = _FIELDS.unpack(fields)
        if first + length <= size:
            flags = bool(rest[8] & _LUNGS_FOUND), bool(rest[8] & _DOUBTFUL)
            geometry = Geometry((rest[0], rest[1]), (rest[2], rest[3]), tuple(rest[4:8]), *flags)
            # One object for all images that lie alike, as memory holds those of all.
            entries[key] = StoredEntry(str(data), first, length, checksum, known.setdefault(geometry, geometry))
    return entries, start + end


def _candidates(content: bytes, wanted: np.ndarray) -> Sequence[int]:
    """Where records begin whose keys begin as a wanted one: no Python object for all the others."""
    if not len(wanted):
        return []
    kept = np.ndarray(len(content) // RECORD_SIZE, np.uint64, content, strides=(RECORD_SIZE,))
    nearest = np.minimum(np.searchsorted(wanted, kept), len(wanted) - 1)
    positions: list[int] = (np.flatnonzero(wanted[nearest] == kept) * RECORD_SIZE).tolist()
    return positions


def _record(entry: NewEntry, start: int) -> bytes:
    shape, original_size, region, lungs_found, is_doubtful = entry.geometry
    placed = (start, entry.data.nbytes, zlib.crc32(entry.data.data))
    flags = lungs_found * _LUNGS_FOUND | is_doubtful * _DOUBTFUL
    fields = _FIELDS.pack(entry.key, *placed, *shape, *original_size, *region, flags)
    return fields + _CHECKSUM.pack(zlib.crc32(fields))
