"""Radiographs in formats for pictures (PNG, JPEG, TIFF) and volumes (NIfTI, MHA, NRRD) to grey levels in [0, 1]."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.sizes import PngHeader, checked_size, inflated, jpeg_size, png_header, tiff_header

Array = NDArray[Any]
Spacing = tuple[float, float] | None

DEPTHS = (8, 10, 12, 14, 15, 16)
"""Bits that detectors and films are stored with."""

# Colours without alpha, all bits, and turned as EXIF says.
_AS_SHOWN = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH


def unit_range(image: Array) -> tuple[Array, int]:
    """Bring pixels to [0, 1] without stretching what has a known range.

    Integers are divided by the largest value of the smallest depth of ``DEPTHS`` that holds their maximum: a 12-bit
    radiograph in a 16-bit file comes out as bright as it was. 8-bit types are always divided by 255. Booleans, and
    floating values within [0, 1], are taken as they are. All others (negative or wider integers, other floating
    ranges) are stretched from their minimum to their maximum.

    Args:
        image: any shape, integer or floating.

    Returns:
        float32, and the depth in bits, 0 where there is none (floating or stretched).

    Raises:
        RadiographError: a value that is not finite.
    """
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RadiographError("holds values that are not finite (NaN or infinity)")
    if image.dtype.kind == "u" or (image.dtype.kind == "i" and low >= 0):
        bits = next((depth for depth in DEPTHS if int(high) < 1 << depth), 0)
        if bits:
            return np.divide(image, np.float32((1 << bits) - 1), dtype=np.float32), bits
    if image.dtype.kind in "bf" and low >= 0 and high <= 1:
        return image.astype(np.float32), 0
    span = float(high) - float(low)
    return np.clip((image.astype(np.float64) - float(low)) / (span or 1.0), 0.0, 1.0).astype(np.float32), 0


def read_picture(content: bytes) -> tuple[Array, int]:
    """Grey levels of a PNG, JPEG or TIFF picture, by OpenCV; of a plain grey PNG by kornia_rs, nearly 3 times as fast.

    Colours become grey by their luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), alpha does not count, an EXIF
    orientation is applied, and a TIFF whose zero is white is inverted.

    Args:
        content: the file's bytes.

    Returns:
        float32 (H, W) in [0, 1], and the depth in bits (see ``unit_range``).

    Raises:
        RadiographError: damaged, truncated, of several pages, or absurdly large.
    """
    is_inverted = has_alpha = False
    if content[:2] == b"\xff\xd8":
        jpeg_size(content)
        if b"\xff\xd9" not in content[-65536:]:
            raise RadiographError("is truncated: its JPEG has no end marker; copy it again from its source")
    elif content[:4] == b"\x89PNG":
        header = png_header(content)
        if header.is_plain and header.bits in (8, 16):
            return unit_range(_plain_png(content, header))
    else:
        tiff = tiff_header(content)
        is_inverted, has_alpha = tiff.white_is_zero, tiff.has_alpha
        if tiff.pages > 1:
            raise RadiographError("holds several pages, not one image; export the wanted page by itself")
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), _AS_SHOWN)
    except cv2.error as error:
        raise RadiographError("cannot be decoded: damaged, or of an unusual kind") from error
    if image is None:
        raise RadiographError("cannot be decoded: damaged, truncated, or of an unusual kind")
    if has_alpha and image.shape[2:] == (3,) and image.dtype == np.uint8:
        image = _without_alpha(content)
    grey, bits = unit_range(_grey(image))
    # OpenCV inverts such files of 8 bits itself, and those of more bits not.
    return (1 - grey if is_inverted and image.dtype != np.uint8 else grey), bits


def _plain_png(content: bytes, header: PngHeader) -> Array:
    """Pixels (H, W) of a grey PNG of 8 or 16 bits, bit for bit those of OpenCV."""
    from kornia_rs import io

    decode = io.decode_image_png_u8 if header.bits == 8 else io.decode_image_png_u16
    try:
        return np.asarray(decode(content, header.size, "mono"))[..., 0]
    except Exception as error:  # it raises no narrower class
        raise RadiographError("cannot be decoded: damaged, or of an unusual kind") from error


def _without_alpha(content: bytes) -> Array:
    """Blue, green, red of an 8-bit TIFF with alpha: OpenCV multiplies it in, Pillow leaves it out."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as picture:
            return np.asarray(picture.convert("RGB"))[..., ::-1]
    except (OSError, ValueError) as error:
        raise RadiographError("cannot be decoded: damaged, truncated, or of an unusual kind") from error


def read_nifti(content: bytes) -> tuple[Array, int, Spacing]:
    """Grey levels of a NIfTI file (.nii or .nii.gz), by nibabel.

    NIfTI stores x, then y, as MONAI and ITK write it: columns first; so the array is transposed, and not flipped.

    Args:
        content: the file's bytes.

    Returns:
        float32 (H, W) in [0, 1], depth in bits (see ``unit_range``), and (row, column) spacing in mm or ``None``.

    Raises:
        RadiographError: damaged, or not one slice.
    """
    import nibabel

    if content[:2] == b"\x1f\x8b":
        content = inflated(content, 31)
    is_second = content[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
    try:
        volume = (nibabel.Nifti2Image if is_second else nibabel.Nifti1Image).from_bytes(content)
        shape = tuple(int(side) for side in volume.shape)
        _check_is_plane(shape)
        image = np.asanyarray(volume.dataobj)
        column, row = (abs(float(size)) for size in volume.header.get_zooms()[:2])
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"is damaged or truncated: not readable as NIfTI ({type(error).__name__})") from error
    if image.dtype.names or image.dtype.kind not in "buif":
        raise RadiographError(f"holds values of type {image.dtype}; allowed are real numbers")
    grey, bits = unit_range(np.ascontiguousarray(image.reshape(shape[:2]).T))
    return grey, bits, _known(row, column)


def read_by_itk(path: Path) -> tuple[Array, int, Spacing]:
    """Grey levels of an MHA, NRRD or other file that SimpleITK reads: two-dimensional, or of one slice.

    Args:
        path: the file; MHA and NRRD headers may name a second file for the pixels.

    Returns:
        float32 (H, W) in [0, 1], depth in bits (see ``unit_range``), and (row, column) spacing in mm or ``None``.

    Raises:
        RadiographError: of no known format, damaged, or not one slice.
    """
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_is_plane(reader.GetSize())
        volume = reader.Execute()
    except RuntimeError as error:
        raise RadiographError(
            "cannot be read: damaged or truncated, or none of DICOM, PNG, JPEG, TIFF, NIfTI, MHA and NRRD"
        ) from error
    column, row = volume.GetSpacing()[:2]
    image = SimpleITK.GetArrayFromImage(volume)
    channels = volume.GetNumberOfComponentsPerPixel()
    width, height = volume.GetSize()[:2]
    image = image.reshape((height, width, channels) if channels > 1 else (height, width))
    # ITK's channels are red, green, blue; OpenCV's the other way round.
    grey, bits = unit_range(_grey(image[..., 2::-1] if channels > 1 else image))
    return grey, bits, _known(row, column)


def _check_is_plane(shape: tuple[int, ...]) -> None:
    """Check that all axes after the first two have length 1, and that the plane's size is believable."""
    if len(shape) < 2 or any(side != 1 for side in shape[2:]):
        raise RadiographError(f"has {len(shape)} axes of {shape} pixels, not one slice; export it by itself")
    checked_size((shape[1], shape[0]))


def _grey(image: Array) -> Array:
    """One channel of one or of blue, green, red; equal channels come out as they are."""
    if image.ndim == 2:
        return image
    if image.shape[2] not in (3, 4) or image.dtype not in (np.uint8, np.uint16, np.float32):
        raise RadiographError(f"has {image.shape[2]} channels of {image.dtype}; allowed are grey, RGB and RGBA")
    return cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_BGR2GRAY)


def _known(row: float, column: float) -> Spacing:
    """Spacing in mm, ``None`` where a file says 0 or nonsense for "unknown"."""
    return (row, column) if np.isfinite([row, column]).all() and min(row, column) > 0 else None
