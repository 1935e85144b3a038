"""What images say of their own size, read from their first bytes, so that no decoder meets an absurd one unwarned."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from transforms.errors import RadiographError

LARGEST = 200_000_000
"""Most pixels that are believed of one radiograph; the largest detectors have about 20 million."""

# Start-of-frame markers of ITU-T T.81 table B.1 (C4, C8 and CC are no frames), and of JPEG-LS (ITU-T T.87 C.1.1).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


class PngHeader(NamedTuple):
    """What the chunks of a PNG file say."""

    size: tuple[int, int]
    """(height, width)."""
    bits: int
    """A sample."""
    is_plain: bool
    """Whether it is grey, with nothing that changes how its samples are shown: transparency, turning, animation."""


class TiffHeader(NamedTuple):
    """What the first directory of a TIFF file says."""

    size: tuple[int, int]
    """(height, width)."""
    white_is_zero: bool
    has_alpha: bool
    pages: int
    """1, or 2 for more than one."""


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Pass a claimed (height, width) on.

    Raises:
        RadiographError: it is empty, or has more than ``LARGEST`` pixels.
    """
    height, width = size
    if height < 1 or width < 1:
        raise RadiographError(f"claims to be {height} rows by {width} columns: damaged, or not an image")
    if height * width > LARGEST:
        raise RadiographError(
            f"claims to be {height} rows by {width} columns, more than the {LARGEST // 10**6} megapixels allowed"
        )
    return size


def inflated(content: bytes, window_bits: int) -> bytes:
    """Decompress a zlib stream, but never to more than eight bytes for each of ``LARGEST`` pixels.

    Args:
        content: the compressed bytes.
        window_bits: as for ``zlib.decompressobj``: 31 for gzip, -15 for a bare deflate stream.

    Raises:
        RadiographError: damaged, cut short, or absurdly large.
    """
    stream = zlib.decompressobj(window_bits)
    try:
        result = stream.decompress(content, 8 * LARGEST)
    except zlib.error as error:
        raise RadiographError(f"is damaged: its compressed part cannot be decompressed ({error})") from error
    if stream.unconsumed_tail:
        raise RadiographError(f"decompresses to more than the {8 * LARGEST // 10**6} megabytes allowed")
    if not stream.eof:
        raise RadiographError("is truncated: its compressed part ends early; copy it again from its source")
    return result


def jpeg_size(stream: bytes) -> tuple[int, int]:
    """(height, width) of a JPEG, lossless JPEG or JPEG-LS stream, from its frame header (ITU-T T.81 B.2.2)."""
    position = 2
    while position + 9 <= len(stream):
        if stream[position] != 0xFF:
            break
        marker = stream[position + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", stream, position + 5)
            return checked_size((height, width))
        if marker == 0xFF:
            position += 1
        elif marker in _STANDALONE_MARKERS:
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", stream, position + 2)[0]
    raise RadiographError("is damaged or truncated: its JPEG stream has no frame header")


def jpeg2000_size(stream: bytes) -> tuple[int, int]:
    """(height, width) of a JPEG 2000 codestream, from its SIZ segment (ITU-T T.800 A.5.1)."""
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(stream) < start + 24:
        raise RadiographError("is damaged or truncated: its JPEG 2000 stream has no size segment")
    right, bottom, left, top = struct.unpack_from(">IIII", stream, start + 8)
    return checked_size((bottom - top, right - left))


def png_header(content: bytes) -> PngHeader:
    """Header of a PNG file, after checking that every chunk is whole (PNG specification, 5.3 and 11.2.1).

    OpenCV returns what it could decode of a cut file, with the rest black; the checksums tell.
    """
    position, header, view = 8, None, memoryview(content)
    altered = False
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 12 + length
        name = content[position + 4 : position + 8]
        if end > len(content):
            break
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise RadiographError(f"is damaged: the checksum of its PNG chunk {name!r} is wrong; copy it again")
        if name == b"IHDR" and length >= 13:
            width, height, bits, colour = struct.unpack_from(">IIBB", content, position + 8)
            header = checked_size((height, width)), bits, colour == 0
        altered |= name in (b"tRNS", b"eXIf", b"acTL")
        if name == b"IEND" and header is not None:
            size, bits, is_grey = header
            return PngHeader(size, bits, is_grey and not altered)
        position = end
    raise RadiographError("is truncated: its PNG ends early; copy it again from its source")


def tiff_header(content: bytes) -> TiffHeader:
    """Size, photometric interpretation and pages of a TIFF or BigTIFF file (TIFF 6.0, sections 2 and 8)."""
    order = "<" if content[:2] == b"II" else ">"
    try:
        big = struct.unpack_from(order + "H", content, 2)[0] == 43
        offset_form, count_form, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        (start,) = struct.unpack_from(order + offset_form, content, 8 if big else 4)
        (count,) = struct.unpack_from(order + count_form, content, start)
        first = start + struct.calcsize(count_form)
        tags = {}
        for index in range(min(count, 4096)):
            tag, kind = struct.unpack_from(order + "HH", content, first + index * entry)
            form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind, "B")
            (tags[tag],) = struct.unpack_from(order + form, content, first + index * entry + (12 if big else 8))
        (following,) = struct.unpack_from(order + offset_form, content, first + count * entry)
    except struct.error as error:
        raise RadiographError("is damaged or truncated: its TIFF directory cannot be read") from error
    size = checked_size((tags.get(257, 0), tags.get(256, 0)))
    return TiffHeader(size, tags.get(262) == 0, 338 in tags, 2 if following else 1)
