"""The first directory of a TIFF file, and the checks that libtiff omits: checksums and ends of strips and tiles."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from transforms.errors import RadiographError
from transforms.sizes import inflated

_FORMS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
"""Integer types in directories (TIFF 6.0, section 2, and BigTIFF)."""
_DEFLATE = (8, 32946)
_COMPRESSIONS = {1: "none", 5: "LZW", 8: "Deflate", 32773: "PackBits", 32946: "Deflate"}
_MOST_PIECES = 2_000_000


class Tiff:
    """The first directory of a TIFF or BigTIFF file, or of EXIF data, which have the same form.

    Args:
        stream: The file.

    Attributes:
        pages: 1, or 2 if there are more.

    Raises:
        RadiographError: It is damaged or truncated.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._order = "<" if self._bytes(0, 2) == b"II" else ">"
        big = self._number("H", 2) == 43
        self._offset, count, length = ("Q", "Q", 20) if big else ("I", "H", 12)
        start = self._number(self._offset, 8 if big else 4)
        entries = min(self._number(count, start), 4096)
        first = start + struct.calcsize(count)
        directory = self._bytes(first, entries * length)
        self._entries: dict[int, tuple[int, int, int]] = {}  # type, count, and where the values or their offset are
        for index in range(entries):
            tag, kind, values = struct.unpack_from(self._order + "HH" + self._offset, directory, index * length)
            self._entries[tag] = kind, values, first + index * length + (12 if big else 8)
        self.pages = 2 if self._number(self._offset, first + entries * length, missing=0) else 1

    def values(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag; empty if it is absent or has other values."""
        kind, count, place = self._entries.get(tag, (0, 0, 0))
        if kind not in _FORMS or not 0 < count <= _MOST_PIECES:
            return ()
        form = f"{self._order}{count}{_FORMS[kind]}"
        if struct.calcsize(form) > struct.calcsize(self._offset):
            place = self._number(self._offset, place)
        return struct.unpack(form, self._bytes(place, struct.calcsize(form)))

    def value(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        return next(iter(self.values(tag)), default)

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as stored."""
        return self.value(257), self.value(256)

    @property
    def orientation(self) -> int:
        """A key of ``EXIF_TURNS``; 1 if it is absent or invalid."""
        value = self.value(274, 1)
        return value if 1 <= value <= 8 else 1

    def _number(self, form: str, place: int, missing: int | None = None) -> int:
        data = self._read(place, struct.calcsize(form))
        if len(data) < struct.calcsize(form) and missing is not None:
            return missing
        return int(struct.unpack(self._order + form, self._bytes(place, struct.calcsize(form)))[0])

    def _bytes(self, place: int, length: int) -> bytes:
        data = self._read(place, length)
        if len(data) < length:
            raise RadiographError("is damaged or truncated: its TIFF directory cannot be read")
        return data

    def _read(self, place: int, length: int) -> bytes:
        if place >= 1 << 62:
            return b""
        self._stream.seek(place)
        return self._stream.read(length)


def check_tiff(content: bytes) -> Tiff:
    """Check what libtiff does not: that all strips or tiles are complete, and Deflate's checksums.

    Raises:
        RadiographError: It is damaged or truncated, has several pages, or a compression that cannot be checked.
    """
    tiff = Tiff(BytesIO(content))
    if tiff.pages > 1:
        raise RadiographError("holds several pages, not one image; export the wanted page by itself")
    compression = tiff.value(259, 1)
    if compression not in _COMPRESSIONS:
        allowed = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise RadiographError(f"is a TIFF with compression {compression}; allowed are {allowed}: save it so, or as PNG")
    offsets, lengths = (tiff.values(324), tiff.values(325)) if 324 in tiff else (tiff.values(273), tiff.values(279))
    if not offsets or len(offsets) != len(lengths):
        raise RadiographError("is damaged: its TIFF directory does not say where its pixels are")
    if any(offset + length > len(content) for offset, length in zip(offsets, lengths, strict=True)):
        raise RadiographError("is truncated: its pixels end early; copy it again from its source")
    height, width = tiff.size
    needed = height * -(-width * tiff.value(277, 1) * tiff.value(258, 1) // 8)
    if compression == 1 and sum(lengths) < needed:
        raise RadiographError(f"is damaged: {sum(lengths)} bytes of pixels where its size needs {needed}")
    if compression in _DEFLATE:
        room = 2 * needed + (1 << 20)  # tiles may reach over the edges
        for offset, length in zip(offsets, lengths, strict=True):
            room -= len(inflated(content[offset : offset + length], 15, room))
    return tiff
