"""The pixels of one DICOM image as the words that are stored: how they lie there, and how they are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder

from transforms.errors import RadiographError
from transforms.grey import element, numbers
from transforms.sizes import checked_size, jpeg2000_size, jpeg_size

Array = NDArray[Any]

_LOSSLESS_JPEG = (uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGExtended12Bit)
_NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How pixels lie in their words (PS3.5 8.1.1)."""

    size: tuple[int, int]
    allocated: int
    bits: int
    shift: int
    signed: bool

    def values(self, words: Array) -> Array:
        """Stored values of native words: overlay bits off, sign extended."""
        values = (words.astype(np.int64) >> self.shift) & ((1 << self.bits) - 1)
        return values - ((values >> (self.bits - 1)) << self.bits) if self.signed else values


def syntax_problems(dataset: Dataset) -> list[str]:
    """Why pixel data cannot be decoded here; fills in a transfer syntax that the file leaves out but shows."""
    syntax = element(dataset.file_meta, "TransferSyntaxUID")
    if not syntax:
        if dataset.PixelData[:4] == b"\xfe\xff\x00\xe0":
            return ["lacks its TransferSyntaxUID, and its pixel data are compressed; convert it, e.g. by DCMTK"]
        implicit, little = dataset.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
        return []
    try:
        if get_decoder(syntax).is_available:
            return []
    except NotImplementedError:
        return [f"has the transfer syntax {str(syntax)[:64]}, which nothing here decodes; convert it, e.g. by DCMTK"]
    if syntax in _LOSSLESS_JPEG:
        return [f"is compressed by {syntax.name}, which needs an extra: pip install 'frugal-cxr[jpeg-lossless]'"]
    return [f"is compressed by {syntax.name}, for which no decoder is installed; see frugal-cxr's requirements"]


def pixel_layout(dataset: Dataset) -> PixelLayout:
    """Check and collect how the pixels are stored."""
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


def pixel_words(dataset: Dataset, layout: PixelLayout) -> tuple[Array, PixelLayout]:
    """The image's words, and how values lie in them once they are decoded.

    Args:
        dataset: holds the pixel data; free of ``syntax_problems``.
        layout: as its tags say.

    Returns:
        Unsigned integers (H, W), and their layout.

    Raises:
        RadiographError: damaged, truncated, or of another size than the tags say.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _NATIVE:
        return _native_words(dataset, layout), layout
    words = _decoded_words(dataset, layout)
    if syntax in (uid.RLELossless, uid.ExplicitVRBigEndian):
        return words, layout
    # A codec's values are whole already, and their sign is settled: all bits of the word count.
    bits = 8 * words.itemsize
    return words, PixelLayout(layout.size, bits, bits, 0, layout.signed)


def _native_words(dataset: Dataset, layout: PixelLayout) -> Array:
    """Uncompressed little-endian pixels as unsigned words, without copying them."""
    data = dataset.PixelData
    height, width = layout.size
    row = width * layout.allocated // 8
    if len(data) < height * row:
        raise RadiographError(
            f"is truncated: {len(data)} bytes of pixel data where {height} rows by {width} columns of "
            f"{layout.allocated} bits need {height * row}"
        )
    if len(data) - height * row >= max(row, 2):
        raise RadiographError(
            f"has {len(data)} bytes of pixel data where {height} rows by {width} columns of {layout.allocated} bits "
            f"need only {height * row}: its size, bits or number of frames is wrong"
        )
    return np.frombuffer(data, dtype=f"<u{layout.allocated // 8}", count=height * width).reshape(layout.size)


def _decoded_words(dataset: Dataset, layout: PixelLayout) -> Array:
    """Compressed or big-endian pixels as unsigned words, decoded by pydicom's plugins."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        _check_stream(dataset, layout.size)
    if syntax in (uid.RLELossless, uid.ExplicitVRBigEndian):
        # pydicom takes the high bit for granted; given whole words, it leaves them alone.
        dataset.BitsStored, dataset.HighBit = layout.allocated, layout.allocated - 1
    try:
        words = get_decoder(syntax).as_array(dataset, raw=True, index=0)[0]
    except Exception as error:
        hint = "; if it is 12-bit JPEG: pip install 'frugal-cxr[jpeg-lossless]'" if syntax in _LOSSLESS_JPEG else ""
        raise RadiographError(f"is damaged or truncated: its {syntax.name} pixels cannot be decoded{hint}") from error
    if words.shape != layout.size:
        raise RadiographError(f"decodes to {words.shape} pixels where its tags say {layout.size}")
    native = np.ascontiguousarray(words, dtype=words.dtype.newbyteorder("="))
    return native.view(f"u{words.itemsize}")


def _check_stream(dataset: Dataset, size: tuple[int, int]) -> None:
    """Check that a compressed image is as large as the tags say and does not end early, before anything decodes it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except Exception as error:
        raise RadiographError("is damaged or truncated: its compressed pixel data cannot be unpacked") from error
    if syntax == uid.RLELossless:
        return
    claimed = jpeg2000_size(stream) if syntax in uid.JPEG2000TransferSyntaxes else jpeg_size(stream)
    if claimed != size:
        raise RadiographError(f"holds a compressed image of {claimed} rows and columns where its tags say {size}")
    # A decoder fills the rest of a cut image with grey, silently; the end marker (FFD9 in each standard) tells.
    if b"\xff\xd9" not in stream[-16:]:
        raise RadiographError("is truncated: its compressed image has no end marker; copy it again from its source")
