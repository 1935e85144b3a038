"""The compressed stream of a DICOM image: joined from its fragments, identified by its content, and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pydicom import uid
from pydicom.encaps import generate_fragments
from pydicom.uid import UID

from transforms.errors import RadiographError
from transforms.sizes import jpeg2000_size, jpeg_size

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _CODESTREAM, _JP2 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
_RLE = re.compile(rb"[\x01-\x0f]\0\0\0\x40\0\0\0")
"""The number of segments, and the offset of the first, right after the header's 64 bytes (PS3.5 annex G.5)."""

# Within compressed data FF is followed by 00 or a restart (ITU-T T.81 B.1.1.5), by less than 80 (T.87 A.1), or by at
# most 8F (T.800 B.10.1 and D.4.1); anything else is a marker.
_MARKER = re.compile(rb"\xff[\x90-\xcf\xd8-\xfe]")
_END, _START_OF_SCAN, _START_OF_DATA = 0xD9, 0xDA, 0x93
_PACKET_START, _PACKET_HEADER_END = 0x91, 0x92
_BARE = frozenset({0x4F, 0xD8, _END, _START_OF_DATA, _PACKET_HEADER_END})
"""Markers without a length."""
_DATA_FOLLOW = frozenset({_START_OF_SCAN, _START_OF_DATA, _PACKET_START, _PACKET_HEADER_END})
_FRAMES = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2), (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)),
    0xC3: (uid.JPEGLossless, uid.JPEGLosslessSV1),
    0xF7: tuple(uid.JPEGLSTransferSyntaxes),
}
"""The transfer syntaxes of each start-of-frame marker (T.81 table B.1, T.87 C.1.1)."""


_MOST_MARKERS = 1_000_000
"""About a second of work; a stream has at most one per packet, tile or restart interval."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A compressed image.

    Attributes:
        content: The stream up to its end marker.
        syntax: The transfer syntax for decoding it.
        size: (height, width); ``None`` for RLE, whose streams do not contain it.
        precision: Bits per sample; ``None`` for RLE, which only has bytes.
    """

    content: bytes
    syntax: UID
    size: tuple[int, int] | None = None
    precision: int | None = None


def is_compressed(data: bytes) -> bool:
    """Whether pixel data are fragments or a bare stream, regardless of the transfer syntax."""
    return data.startswith((_ITEM, _JPEG, _CODESTREAM, _JP2))


def compressed_stream(data: bytes, stated: UID | None) -> Stream:
    """The stream of the single frame in compressed pixel data.

    All fragments together are the frame; offset tables are ignored. Anything after the end marker (usually zeros) is
    left out.

    Args:
        data: Pixel data for which ``is_compressed`` is true.
        stated: The file's transfer syntax, or ``None``. If the stream is of another codec, the stream is believed.

    Raises:
        RadiographError: There are several frames, or the stream ends early or is of no known codec.
    """
    content = _joined(data)
    if content.startswith(_JPEG):
        size, (syntaxes, precision) = jpeg_size(content), _jpeg_frame(content)
        start = 0
    elif content.startswith((_CODESTREAM, _JP2)) and (start := content.find(_CODESTREAM, 0, 4096)) >= 0:
        # Ssiz of the first component (T.800 A.5.1); its highest bit is the sign.
        size, syntaxes = jpeg2000_size(content), tuple(uid.JPEG2000TransferSyntaxes)
        precision = (content[start + 42] & 0x7F) + 1 if len(content) > start + 42 else 0
    elif _RLE.match(content) or stated == uid.RLELossless:
        return Stream(content, uid.RLELossless)
    else:
        raise RadiographError("is damaged, or compressed by a codec that is not known here; convert it, e.g. by DCMTK")
    end = stream_end(content, start)
    if end is None:
        # Decoders silently fill the rest of a truncated image with grey.
        raise RadiographError("is truncated: its compressed image has no end marker; copy it again from its source")
    return Stream(content[:end], stated if stated in syntaxes else syntaxes[0], size, precision)


def stream_end(content: bytes, start: int = 0) -> int | None:
    """The end of a JPEG, JPEG-LS or JPEG 2000 stream, after its end marker; ``None`` without one.

    Markers within segments, such as those of a thumbnail, do not count.
    """
    markers = islice(_markers(content, start), _MOST_MARKERS)
    return next((position + 2 for marker, position in markers if marker == _END), None)


def _joined(data: bytes) -> bytes:
    """Join all fragments to one stream."""
    if not data.startswith(_ITEM):
        return data
    try:
        fragments = list(generate_fragments(data))
    except ValueError as error:
        raise RadiographError("is damaged or truncated: its compressed pixel data cannot be unpacked") from error
    # The first item is an offset table, which some writers leave out.
    if not _starts_a_stream(fragments[0]):
        del fragments[0]
    streams = sum(map(_starts_a_stream, fragments))
    if streams > 1:
        raise RadiographError(f"holds {streams} compressed images, not one; export the wanted frame by itself")
    return b"".join(fragments)


def _starts_a_stream(fragment: bytes) -> bool:
    return fragment.startswith((_JPEG, _CODESTREAM, _JP2)) or bool(_RLE.match(fragment) and len(fragment) > 64)


def _jpeg_frame(content: bytes) -> tuple[tuple[UID, ...], int]:
    """Transfer syntaxes and precision of a JPEG stream, from its frame header (T.81 B.2.2)."""
    for marker, position in _markers(content, 0):
        if marker in _FRAMES:
            return _FRAMES[marker], content[position + 4]
    raise RadiographError("is compressed by a kind of JPEG that DICOM does not have; convert it, e.g. by DCMTK")


def _markers(content: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG, JPEG-LS or JPEG 2000 stream with their positions, from ``start`` to the end marker."""
    position = start
    while position + 2 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        yield marker, position
        position += 2
        if marker == _END:
            return
        if marker not in _BARE:
            position += int.from_bytes(content[position : position + 2], "big")
        if marker in _DATA_FOLLOW:
            found = _MARKER.search(content, position)
            position = found.start() if found else len(content)
