"""The stored pixels of one DICOM image: their layout within words, and decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from transforms.dicom_streams import Stream, compressed_stream, is_compressed
from transforms.elements import element, numbers, photometric, warn_of
from transforms.errors import RadiographError
from transforms.sizes import checked_size

Array = NDArray[Any]

_JPEG_EXTRA = (uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGExtended12Bit)
_LOSSLESS = (
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000MCLossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.RLELossless,
)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How pixels are placed within their words (PS3.5 8.1.1)."""

    size: tuple[int, int]
    allocated: int
    bits: int
    shift: int
    signed: bool

    def values(self, words: Array) -> Array:
        """Stored values of words: bits above and below (such as overlays) are removed, and the sign is extended."""
        values = (words.astype(np.int64) >> self.shift) & ((1 << self.bits) - 1)
        return values - ((values >> (self.bits - 1)) << self.bits) if self.signed else values


def pixel_layout(dataset: Dataset) -> PixelLayout:
    """Collect and check how the pixels are stored."""
    rows, columns, allocated, sign = (
        int(numbers(dataset, keyword)[0]) for keyword in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation")
    )
    bits = int((numbers(dataset, "BitsStored") or [allocated])[0])
    high = int((numbers(dataset, "HighBit") or [bits - 1])[0])
    if allocated not in (8, 16, 32) or not 1 <= bits <= allocated or not bits - 1 <= high < allocated:
        raise RadiographError(
            f"has {bits} bits stored of {allocated} allocated, with high bit {high}; allowed are 8, 16 and 32 bits "
            "allocated, with the stored ones inside"
        )
    return PixelLayout(checked_size((rows, columns)), allocated, bits, high + 1 - bits, sign == 1)


def pixel_stream(dataset: Dataset) -> Stream | None:
    """The compressed stream of a data set's pixels, or ``None`` if they are not compressed.

    The pixel data are trusted more than the transfer syntax, which some converters forget to set.

    Raises:
        RadiographError: No decoder for them is installed, or they are cut short or have several frames.
    """
    data, stated = dataset.PixelData, _stated_syntax(dataset)
    says_compressed = stated is not None and stated.is_encapsulated
    if not is_compressed(data) or (not says_compressed and _has_native_length(dataset)):
        if stated is not None and says_compressed and not _has_native_length(dataset):
            raise RadiographError(f"is damaged: its pixel data are not compressed by {stated.name}, as it says")
        return None
    try:
        stream = compressed_stream(data, stated)
    except RadiographError:
        if stated is not None:
            _check_decoder(stated)
        raise
    if stream.syntax != stated:
        warn_of("TransferSyntaxUID", "is absent or not that of the pixel data, which are read as what they are")
    _check_decoder(stream.syntax)
    return stream


def pixel_words(dataset: Dataset, stream: Stream | None, layout: PixelLayout) -> tuple[Array, PixelLayout]:
    """The image's words and the layout of values within them after decoding.

    Args:
        dataset: Has the pixel data.
        stream: The result of ``pixel_stream``.
        layout: The layout according to the tags.

    Returns:
        Unsigned integers (H, W), and their layout.

    Raises:
        RadiographError: They are damaged, truncated, or of another size than the tags say.
    """
    if stream is None:
        return _native_words(dataset, layout), layout
    words = _decoded_words(stream, layout, photometric(dataset))
    decoded = 8 * words.itemsize
    # If words were coded with all their bits, the stored bits keep their place. A codec with fewer bits was given
    # values that had been shifted down.
    is_shifted = min(stream.precision or decoded, decoded) >= layout.shift + layout.bits
    bits = min(layout.bits, decoded)
    layout = PixelLayout(layout.size, decoded, bits, layout.shift if is_shifted else 0, layout.signed)
    if stream.syntax not in _LOSSLESS and (stream.precision or 0) > bits and not layout.shift:
        words = _without_overshoot(words, layout)
    return words, layout


def _stated_syntax(dataset: Dataset) -> UID | None:
    """The transfer syntax that a file states; ``None`` where it states none.

    Raises:
        RadiographError: one that nothing here decodes.
    """
    syntax = element(dataset.file_meta, "TransferSyntaxUID")
    if not isinstance(syntax, UID) or not syntax.is_valid:
        return None
    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        raise RadiographError(
            f"has the transfer syntax {str(syntax)[:64]}, which nothing here decodes; convert it, e.g. by DCMTK"
        ) from error
    return syntax


def _check_decoder(syntax: UID) -> None:
    if get_decoder(syntax).is_available:
        return
    if syntax in _JPEG_EXTRA:
        raise RadiographError(
            f"is compressed by {syntax.name}, which needs an extra: pip install 'frugal-cxr[jpeg-lossless]'"
        )
    raise RadiographError(
        f"is compressed by {syntax.name}, for which no decoder is installed; see frugal-cxr's requirements"
    )


def _needed_bytes(layout: PixelLayout) -> int:
    return layout.size[0] * layout.size[1] * layout.allocated // 8


def _has_native_length(dataset: Dataset) -> bool:
    """Whether pixel data are as long as uncompressed ones, with a byte that makes their number even."""
    needed = _needed_bytes(pixel_layout(dataset))
    return needed <= len(dataset.PixelData) <= needed + needed % 2


def _native_words(dataset: Dataset, layout: PixelLayout) -> Array:
    """Uncompressed pixels as unsigned words; without copying them where they are little-endian."""
    data = dataset.PixelData
    (height, width), needed = layout.size, _needed_bytes(layout)
    need = f"{height} rows by {width} columns of {layout.allocated} bits need"
    if len(data) < needed:
        raise RadiographError(f"is truncated: {len(data)} bytes of pixel data where {need} {needed}")
    rest = data[needed:]
    if len(rest) > needed % 2:
        # Some writers fill up to a whole block with one value; pixels of a wrong size would be of several.
        if rest.count(rest[:1]) != len(rest):
            raise RadiographError(
                f"has {len(data)} bytes of pixel data where {need} only {needed}, and no mere padding behind: "
                "its size, bits or number of frames is wrong"
            )
        warn_of("PixelData", "goes on behind the last row, with padding, which is left out")
    is_little = dataset.original_encoding[1] is not False
    if not is_little and layout.allocated == 8 and dataset["PixelData"].VR == "OW":
        # Bytes count as words, and are swapped pair by pair (PS3.5 annex A.3).
        data = np.frombuffer(data, dtype=np.uint16, count=len(data) // 2).byteswap().tobytes()
    words = np.frombuffer(data, dtype=f"{'<' if is_little else '>'}u{layout.allocated // 8}", count=height * width)
    return words.astype(words.dtype.newbyteorder("="), copy=False).reshape(layout.size)


def _decoded_words(stream: Stream, layout: PixelLayout, interpretation: str) -> Array:
    """Compressed pixels as unsigned words, decoded by pydicom's plugins."""
    if stream.size not in (None, layout.size):
        raise RadiographError(
            f"holds a compressed image of {stream.size} rows and columns where its tags say {layout.size}"
        )
    options: dict[str, Any] = {
        "rows": layout.size[0],
        "columns": layout.size[1],
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": interpretation,
        "bits_allocated": layout.allocated,
        # pydicom takes the high bit for granted; given whole words, it leaves them alone.
        "bits_stored": layout.allocated,
        "pixel_representation": int(layout.signed),
        "pixel_keyword": "PixelData",
    }
    try:
        words = get_decoder(stream.syntax).as_array(encapsulate([stream.content]), raw=True, index=0, **options)[0]
    except Exception as error:
        hint = "; if it is 12-bit JPEG: pip install 'frugal-cxr[jpeg-lossless]'" if stream.syntax in _JPEG_EXTRA else ""
        raise RadiographError(
            f"is damaged or truncated: its {stream.syntax.name} pixels cannot be decoded{hint}"
        ) from error
    if words.shape != layout.size:
        raise RadiographError(f"decodes to {words.shape} pixels where its tags say {layout.size}")
    native = np.ascontiguousarray(words, dtype=words.dtype.newbyteorder("="))
    return native.view(f"u{words.itemsize}")


def _without_overshoot(words: Array, layout: PixelLayout) -> Array:
    """Clip words of a lossy codec with more bits than are stored, whose values may slightly exceed the stored range.

    If their upper bits were cut off instead, white would turn black. If any value exceeds the range by more than a
    quarter, the upper bits mean something else, and :meth:`PixelLayout.values` cuts them off.
    """
    bits = layout.bits
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if layout.signed else (0, (1 << bits) - 1)
    values = words.view(f"i{words.itemsize}") if layout.signed else words
    margin = 1 << max(bits - 2, 0)
    if int(values.min()) < low - margin or int(values.max()) > high + margin:
        return words
    return np.clip(values, low, high).view(words.dtype)
