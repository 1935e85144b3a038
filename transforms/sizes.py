"""Image sizes read from headers and checked before decoding, and decompression within bounds."""

from __future__ import annotations

import bz2
import gzip
import os
import struct
import zlib
from io import BytesIO
from typing import BinaryIO

from transforms.errors import RadiographError

LARGEST = 200_000_000
"""Largest accepted number of pixels; the largest detectors have about 20 million."""

# Start-of-frame markers of ITU-T T.81 table B.1 (C4, C8 and CC are no frames), and of JPEG-LS (ITU-T T.87 C.1.1).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS = 10_000


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Check and return a claimed (height, width).

    Raises:
        RadiographError: It is empty, or has more than ``LARGEST`` pixels.
    """
    height, width = size
    if height < 1 or width < 1:
        raise RadiographError(f"claims to be {height} rows by {width} columns: damaged, or not an image")
    if height * width > LARGEST:
        raise RadiographError(
            f"claims to be {height} rows by {width} columns, more than the {LARGEST // 10**6} megapixels allowed"
        )
    return size


def inflated(content: bytes, window_bits: int, most: int = 8 * LARGEST) -> bytes:
    """Decompress a zlib stream up to a limit, and compare its checksum.

    Args:
        content: The compressed bytes; anything after the stream is ignored.
        window_bits: As for ``zlib.decompressobj``: 15 for zlib, 47 for zlib or gzip, -15 for a bare deflate stream.
        most: Largest number of bytes, by default eight for each of ``LARGEST`` pixels.

    Raises:
        RadiographError: It is damaged, truncated or larger.
    """
    stream = zlib.decompressobj(window_bits)
    try:
        result = stream.decompress(content, most + 1)
    except zlib.error as error:
        raise RadiographError(f"is damaged: its compressed part cannot be decompressed ({error})") from error
    _check_length(result, most)
    if not stream.eof:
        raise RadiographError("is truncated: its compressed part ends early; copy it again from its source")
    return result


def unpacked(file: gzip.GzipFile | bz2.BZ2File, most: int = 8 * LARGEST) -> bytes:
    """Read an open gzip or bzip2 file, both of which compare checksums; limit and errors are those of `inflated`."""
    try:
        result = file.read(most + 1)
    except EOFError as error:
        raise RadiographError("is truncated: its compressed part ends early; copy it again from its source") from error
    except (OSError, zlib.error) as error:
        raise RadiographError(f"is damaged: its compressed part cannot be decompressed ({error})") from error
    _check_length(result, most)
    return result


def _check_length(result: bytes, most: int) -> None:
    if len(result) > most:
        raise RadiographError(f"decompresses to more than the {most} bytes that its size allows")


def jpeg_frame(stream: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """(height, width) as stored, and EXIF data, if any, of a JPEG, lossless JPEG or JPEG-LS stream.

    They are found by walking the segments up to the frame header (ITU-T T.81, B.2.2).
    """
    stream.seek(2)
    exif = b""
    for _ in range(_MOST_SEGMENTS):
        mark, marker = stream.read(1), stream.read(1)
        while marker == b"\xff" and len(mark) < _MOST_SEGMENTS:
            mark, marker = mark + marker, stream.read(1)
        if mark[:1] != b"\xff" or marker in (b"", b"\xff"):
            break
        if marker[0] in _STANDALONE_MARKERS:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if marker[0] in _FRAME_MARKERS:
            frame = stream.read(5)
            if len(frame) < 5:
                break
            return checked_size((int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"))), exif
        if length < 0 or marker == b"\xda":
            break
        if marker == b"\xe1" and not exif:
            segment = stream.read(length)
            exif = segment[6:] if segment.startswith(b"Exif\0\0") else b""
        else:
            stream.seek(length, os.SEEK_CUR)
    raise RadiographError("is damaged or truncated: its JPEG stream has no frame header")


def jpeg_size(stream: bytes) -> tuple[int, int]:
    """(height, width) of a JPEG, lossless JPEG or JPEG-LS stream as stored."""
    return jpeg_frame(BytesIO(stream))[0]


def jpeg2000_size(stream: bytes) -> tuple[int, int]:
    """(height, width) of a JPEG 2000 codestream, from its SIZ segment (ITU-T T.800 A.5.1)."""
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(stream) < start + 24:
        raise RadiographError("is damaged or truncated: its JPEG 2000 stream has no size segment")
    right, bottom, left, top = struct.unpack_from(">IIII", stream, start + 8)
    return checked_size((bottom - top, right - left))
