"""PNG, JPEG, TIFF and BMP: displayed size, pixels, and the checks that decoders omit."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.sizes import checked_size, jpeg_frame
from transforms.tiff import Tiff, check_tiff
from transforms.turning import AS_STORED, EXIF_TURNS, Turn

Array = NDArray[Any]

PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Colours without alpha, at full depth, without EXIF rotation, which is done here; OpenCV rotates TIFF anyway.
_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_TAIL = 1 << 16
_MOST_CHUNKS = 200_000


class PictureHeader(NamedTuple):
    """Properties of a picture that are known before decoding."""

    stored: tuple[int, int]
    """(height, width) as stored."""
    turn: Turn = AS_STORED
    plain_bits: int = 0
    """Bit depth of a grey PNG or TIFF without palette or transparency; otherwise 0."""
    white_is_zero: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as shown."""
        return self.turn.size(self.stored)


def picture_header(stream: BinaryIO) -> PictureHeader:
    """Read the header of a picture.

    Args:
        stream: The file; only the required parts are read.

    Raises:
        RadiographError: It is damaged, truncated or implausibly large.
    """
    head = stream.read(8)
    if head == PNG:
        return _png_header(stream)
    if head.startswith(JPEG):
        stored, exif = jpeg_frame(stream)
        return PictureHeader(stored, _exif_turn(exif))
    if head.startswith(BMP):
        return PictureHeader(_check_bmp(stream))
    tiff = Tiff(stream)
    photometric = tiff.value(262, 1)
    is_plain = photometric in (0, 1) and tiff.value(277, 1) == 1
    return PictureHeader(
        checked_size(tiff.size),
        EXIF_TURNS[tiff.orientation],
        plain_bits=tiff.value(258, 1) if is_plain else 0,
        white_is_zero=photometric == 0,
    )


def picture_pixels(content: bytes) -> tuple[Array, PictureHeader]:
    """Pixels as displayed: (H, W), or (H, W, 3) blue, green, red; palettes are applied and alpha is ignored.

    OpenCV decodes all except plain grey PNG, for which kornia_rs is nearly three times as fast, and JPEG, for which
    kornia_rs does not hide the warnings of libjpeg. OpenCV inverts a TIFF whose zero is white only if it has 8 bits.

    Raises:
        RadiographError: It is damaged, truncated or implausibly large, or has several pages.
    """
    header = picture_header(BytesIO(content))
    if content.startswith(JPEG):
        return header.turn.apply(_decoded_jpeg(content)), header
    if content.startswith(PNG):
        _check_png(content)
        if header.plain_bits in (8, 16):
            return header.turn.apply(_decoded_plain_png(content, header)), header
        return header.turn.apply(_decoded(content)), header
    if content.startswith(BMP):
        return _decoded(content), header
    has_alpha = 338 in check_tiff(content)
    image = _decoded(content)
    if has_alpha and image.shape[2:] == (3,) and image.dtype == np.uint8:
        image = header.turn.apply(_without_alpha(content))
    return image, header


def _png_header(stream: BinaryIO) -> PictureHeader:
    """Read the chunks before the pixels, and EXIF data anywhere (PNG specification, 5.3 and 11.2.1)."""
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - _TAIL))
    has_late_exif = b"eXIf" in stream.read()  # only in the last bytes, because a file has thousands of chunks of pixels
    position, names, exif, header = 8, set(), b"", b""
    for _ in range(_MOST_CHUNKS):
        stream.seek(position)
        start = stream.read(8)
        name = start[4:]
        if len(start) < 8 or name == b"IEND" or (name == b"IDAT" and not has_late_exif):
            break
        names.add(name)
        count = int.from_bytes(start[:4], "big")
        if name == b"IHDR":
            header = stream.read(10)
        elif name == b"eXIf":
            exif = stream.read(min(count, 1 << 20))
        position += 12 + count
    if len(header) < 10:
        raise RadiographError("is truncated or damaged: its PNG has no header")
    width, height, bits, colour = struct.unpack(">IIBB", header)
    is_plain = colour == 0 and not names & {b"tRNS", b"acTL"}
    return PictureHeader(checked_size((height, width)), _exif_turn(exif), bits if is_plain else 0)


def _check_png(content: bytes) -> None:
    """Check that every chunk is complete, because OpenCV fills the rest of a truncated file with black."""
    position, view = 8, memoryview(content)
    for _ in range(_MOST_CHUNKS):
        if position + 12 > len(content):
            break
        end = position + 12 + struct.unpack_from(">I", content, position)[0]
        name = content[position + 4 : position + 8]
        if end > len(content):
            break
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise RadiographError(f"is damaged: the checksum of its PNG chunk {name!r} is wrong; copy it again")
        if name == b"IEND":
            return
        position = end
    raise RadiographError("is truncated: its PNG ends early; copy it again from its source")


def _check_bmp(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) of an uncompressed BMP, checked to be complete (BITMAPFILEHEADER, BITMAPINFOHEADER)."""
    stream.seek(0)
    head = stream.read(34)
    if len(head) < 34:
        raise RadiographError("is truncated: its BMP header is not whole")
    start, known, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", head, 10)
    if known < 40 or compression not in (0, 3):
        raise RadiographError("is a compressed or very old BMP, which nothing can check; save it as PNG")
    size = checked_size((abs(height), width))
    if stream.seek(0, os.SEEK_END) < start + -(-width * bits // 32) * 4 * abs(height):
        raise RadiographError("is truncated: its BMP ends early; copy it again from its source")
    return size


def _exif_turn(exif: bytes) -> Turn:
    """The rotation that EXIF data require; damaged EXIF data are ignored, as in viewers."""
    try:
        return EXIF_TURNS[Tiff(BytesIO(exif)).orientation] if exif[:2] in (b"II", b"MM") else AS_STORED
    except RadiographError:
        return AS_STORED


def _decoded(content: bytes) -> Array:
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), _AS_STORED)
    except cv2.error as error:
        raise RadiographError("cannot be decoded: damaged, or of an unusual kind") from error
    if image is None:
        raise RadiographError("cannot be decoded: damaged, truncated, or of an unusual kind")
    return image


def _decoded_jpeg(content: bytes) -> Array:
    """The luma of a JPEG, which is stored as in ITU-R BT.601."""
    from kornia_rs import io

    try:
        return np.asarray(io.decode_image_jpegturbo(content, "mono"))[..., 0]
    except Exception as error:  # it raises no narrower class
        raise RadiographError(
            "is damaged or truncated, or an unusual JPEG: libjpeg cannot decode it without a warning; "
            "copy it again from its source, or save it as PNG"
        ) from error


def _decoded_plain_png(content: bytes, header: PictureHeader) -> Array:
    """Pixels (H, W) of a grey PNG of 8 or 16 bits, identical to OpenCV's."""
    from kornia_rs import io

    decode = io.decode_image_png_u8 if header.plain_bits == 8 else io.decode_image_png_u16
    try:
        return np.asarray(decode(content, header.stored, "mono"))[..., 0]
    except Exception as error:  # it raises no narrower class
        raise RadiographError("cannot be decoded: damaged, or of an unusual kind") from error


def _without_alpha(content: bytes) -> Array:
    """Blue, green, red of an 8-bit TIFF with alpha, by Pillow, because OpenCV multiplies by alpha."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as picture:
            return np.asarray(picture.convert("RGB"))[..., ::-1]
    except (OSError, ValueError) as error:
        raise RadiographError("cannot be decoded: damaged, truncated, or of an unusual kind") from error
