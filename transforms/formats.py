"""File formats, recognised by content, and conversion of pixels to grey levels in [0, 1]."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.dicom_signature import HEAD, looks_like_dicom
from transforms.errors import RadiographError
from transforms.meta_image import looks_like_meta_image
from transforms.nrrd import MAGIC as NRRD
from transforms.pictures import BMP, JPEG, PNG, TIFFS, picture_pixels
from transforms.simpleitk import KINDS

Array = NDArray[Any]

DEPTHS = (8, 10, 12, 14, 15, 16)
"""Bit depths in which radiographs are stored."""

GZIP = b"\x1f\x8b"

# Position and bytes of each signature, and the format's name, so that errors can name what is not read.
_OTHERS = (
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "HEIF, AVIF or a video"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"# vtk DataFile", "VTK"),
    (0, b"\x89HDF\r\n", "HDF5 or MINC"),
    (0, b"CDF", "NetCDF or MINC"),
    (208, b"MAP ", "MRC"),
    (252, b"\xef\xff\xe9\xb0", "GIPL"),
    (252, b"\x2a\xe3\x89\xb8", "GIPL"),
    (344, b"ni1\0", "NIfTI in two files"),
    (344, b"ni2\0", "NIfTI in two files"),
    (0, b"\x5c\x01\0\0", "Analyze"),
    (0, b"\0\0\x01\x5c", "Analyze"),
    *((0, b"P%d" % number, "PNM") for number in range(1, 8)),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x93NUMPY", "NumPy"),
)


def format_of(head: bytes) -> str:
    """The format of a file.

    Args:
        head: Its first bytes, at least 8,192 if there are as many; ``.nii.gz`` may be compressed or not.

    Returns:
        ``dicom``, ``picture``, ``nifti``, ``nrrd``, ``meta image``, or one of `transforms.simpleitk.KINDS`.

    Raises:
        RadiographError: The format is not supported; the message names it if it is known.

    Example:
        >>> format_of(PNG)
        'picture'
    """
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith((PNG, JPEG, *TIFFS)) or (head.startswith(BMP) and head[6:10] == bytes(4)):
        return "picture"
    if head.startswith(GZIP) or head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        return "nifti"
    if head.startswith(NRRD):
        return "nrrd"
    if looks_like_meta_image(head):
        return "meta image"
    for start, mark, name in _OTHERS:
        if head[start : start + len(mark)] == mark:
            if name in KINDS:
                return name
            raise RadiographError(
                f"is of the format {name}, which is not read, as nothing could tell a damaged file; "
                f"convert it, a picture to PNG, a volume to NIfTI (.nii.gz) or MetaImage (.mha)"
            )
    if looks_like_dicom(head[:HEAD]):
        return "dicom"
    raise RadiographError(
        "cannot be read: damaged or truncated, or none of DICOM, PNG, JPEG, TIFF, BMP, NIfTI, MHA, NRRD, "
        "GIPL, JPEG 2000, MRC and VTK"
    )


def unit_range(image: Array) -> tuple[Array, int]:
    """Scale pixels to [0, 1] without stretching a known range.

    Integers are divided by the largest value of the smallest depth of ``DEPTHS`` that can represent their maximum, so a
    12-bit radiograph in a 16-bit file keeps its brightness. 8-bit types are always divided by 255. Booleans and
    floating values within [0, 1] are unchanged. All others (negative or wider integers, other floating ranges) are
    stretched from their minimum to their maximum.

    Args:
        image: Any shape, integer or floating.

    Returns:
        float32, and the depth in bits, or 0 if there is none (floating or stretched).

    Raises:
        RadiographError: A value is not finite.

    Example:
        >>> unit_range(np.array([0, 4095], np.uint16))
        (array([0., 1.], dtype=float32), 12)
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
    """Grey levels of a PNG, JPEG, TIFF or BMP picture.

    Colours become grey by their luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), alpha is ignored, an EXIF orientation
    is applied, and a TIFF whose zero is white is inverted.

    Args:
        content: The file's bytes.

    Returns:
        float32 (H, W) in [0, 1], and the depth in bits (see ``unit_range``).

    Raises:
        RadiographError: It is damaged, truncated or implausibly large, or has several pages.
    """
    image, header = picture_pixels(content)
    levels, bits = unit_range(grey(image))
    # OpenCV inverts such files itself only if they have 8 bits.
    return (1 - levels if header.white_is_zero and image.dtype != np.uint8 else levels), bits


def grey(image: Array) -> Array:
    """Convert one channel, or blue, green and red, to grey; equal channels are preserved."""
    if image.ndim == 2:
        return image
    if image.shape[2] not in (3, 4) or image.dtype not in (np.uint8, np.uint16, np.float32):
        raise RadiographError(f"has {image.shape[2]} channels of {image.dtype}; allowed are grey, RGB and RGBA")
    return cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_BGR2GRAY)
