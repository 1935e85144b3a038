"""Reading of radiographs in any known format, recognised by content and not by name, or of their size alone."""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError, shown
from transforms.files import HeaderStream, open_beside, open_regular
from transforms.formats import GZIP, format_of, grey, read_picture, unit_range
from transforms.meta_image import meta_image
from transforms.nrrd import nrrd
from transforms.pictures import picture_header
from transforms.raw_volumes import HEADER, RawVolume
from transforms.simpleitk import KINDS, simpleitk_pixels, simpleitk_slice
from transforms.sizes import unpacked
from transforms.volumes import Slice, nifti_pixels, nifti_slice

Array = NDArray[Any]

logger = logging.getLogger(__name__)

_DICOM_NAMES = (".dcm", ".dicom", ".dic")
_NIFTI_HEADER = 540
_SPARE = 1 << 20
"""Bytes allowed for extensions of a NIfTI header."""


def read_radiograph(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read one radiograph.

    An image with a single grey level, or with an unusable window, is read with a logged warning.

    Args:
        path: A DICOM, PNG, JPEG, TIFF, BMP, NIfTI, MetaImage or NRRD file; or GIPL, JPEG 2000, MRC or VTK.

    Returns:
        The image, contiguous float32 (H, W), rows first, in [0, 1], dense structures bright, oriented by EXIF or by
        `transforms.volumes`; and metadata: ``spacing`` (row mm, column mm; ``None`` if unknown), ``original_size`` (H,
        W), ``filename_or_obj``, ``modality``, ``view`` (``PA``, ``AP``, ``LATERAL``, ...; both empty if unknown),
        ``photometric``, ``bits`` (depth of the stored values, 0 for floating ones), ``voi`` (what determined the
        grey levels; empty for formats without windows) and ``window`` (see `transforms.grey.GreyLevels`; ``None`` for
        such formats). None of it identifies a person, but a path may.

    Raises:
        RadiographError: The file is missing or damaged, is not one grey two-dimensional image, or has no known format.
            The message begins with the path.
    """
    file = Path(path)
    with naming_file(file):
        image, known = _read(file)
    meta = {
        "filename_or_obj": str(file),
        "original_size": (image.shape[0], image.shape[1]),
        "spacing": None,
        "modality": "",
        "view": "",
        "photometric": "MONOCHROME2",
        "bits": 0,
        "voi": "",
        "window": None,
    }
    meta |= known
    if image.min() == image.max():
        logger.warning("%s: shows nothing but one grey level (%g)", file, image[0, 0])
    elif str(meta["voi"]).endswith("UNUSABLE"):
        logger.warning("%s: its window has no usable width; the image's own range is shown instead", file)
    return np.ascontiguousarray(image), meta


def radiograph_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) of the result of `read_radiograph`, from the header alone.

    Raises:
        RadiographError: The file is missing, or its header cannot be read. The message begins with the path.
    """
    file = Path(path)
    with _header(file) as (kind, head, stream):
        if kind == "dicom":
            from transforms.dicom import dicom_size

            return dicom_size(stream)
        if kind == "picture":
            return picture_header(stream).size
        return _slice(file, kind, head, stream).size


def radiograph_spacing(path: str | os.PathLike[str]) -> tuple[float, float] | None:
    """``spacing`` of the result of `read_radiograph`, from the header alone: (row, column) in mm, None if unknown.

    Raises:
        RadiographError: The file is missing, or its header cannot be read. The message begins with the path.
    """
    file = Path(path)
    with _header(file) as (kind, head, stream):
        if kind == "dicom":
            from transforms.dicom import dicom_spacing

            return dicom_spacing(stream)
        return None if kind == "picture" else _slice(file, kind, head, stream).spacing


@contextmanager
def _header(file: Path) -> Iterator[tuple[str, bytes, BinaryIO]]:
    """The format of a file, its first bytes, and a stream of its header from the start; errors name the file."""
    with naming_file(file), open_regular(file) as opened, HeaderStream(opened) as stream:
        head = stream.read(HEADER)
        kind = _format(file, head)
        stream.seek(0)
        yield kind, head, stream


def _slice(file: Path, kind: str, head: bytes, stream: BinaryIO) -> Slice:
    """The slice that the header of a volume describes."""
    if kind in KINDS:
        return simpleitk_slice(file, kind)
    return nifti_slice(_nifti_head(stream)) if kind == "nifti" else raw_volume(kind, head).plane


def stored_pixels(file: Path, kind: str, content: bytes) -> tuple[Array, tuple[float, float] | None]:
    """Pixel values of a volume as displayed, (H, W) or (H, W, 3) blue, green, red, and their spacing.

    Args:
        file: Where the content comes from.
        kind: ``nifti``, ``nrrd``, ``meta image``, or one of `transforms.simpleitk.KINDS`.
        content: Bytes of the file.

    Raises:
        RadiographError: It is damaged, or not one slice.
    """
    if kind == "nifti":
        if content.startswith(GZIP):
            plane = nifti_slice(_nifti_head(BytesIO(content)))
            with gzip.GzipFile(fileobj=BytesIO(content)) as packed:
                content = unpacked(packed, 16 * plane.numbers + _SPARE)
        values, plane = nifti_pixels(content)
        return values, plane.spacing
    if kind in KINDS:
        values, plane = simpleitk_pixels(file, kind, content)
    else:
        volume = raw_volume(kind, content)
        if volume.file:
            with open_beside(file, volume.file) as stream:
                content = stream.read()
        values, plane = volume.pixels(content), volume.plane
    # These files have red, green, blue; OpenCV has the reverse order.
    return (values[..., 2::-1] if values.ndim == 3 else values), plane.spacing


def content_of(file: Path) -> tuple[str, bytes]:
    """Format (see `format_of`) and bytes of a file; errors are those of `read_radiograph`, without the path."""
    with open_regular(file) as stream:
        content = stream.read()
    return _format(file, content), content


def _read(file: Path) -> tuple[Array, dict[str, Any]]:
    kind, content = content_of(file)
    if kind == "dicom":
        from transforms.dicom import read_dicom

        return read_dicom(content, str(file))
    if kind == "picture":
        image, bits = read_picture(content)
        return image, {"bits": bits}
    values, spacing = stored_pixels(file, kind, content)
    image, bits = unit_range(grey(values))
    return image, {"bits": bits, "spacing": spacing}


def _format(file: Path, head: bytes) -> str:
    try:
        return format_of(head)
    except RadiographError as error:
        if file.suffix.lower() in _DICOM_NAMES:
            raise RadiographError("is not a DICOM file, whatever its name says, nor another image") from error
        raise


def raw_volume(kind: str, content: bytes, most_channels: int = 4) -> RawVolume:
    """The header of a MetaImage or NRRD file.

    Args:
        kind: ``nrrd`` or ``meta image``.
        content: Bytes of the file, or at least of its header.
        most_channels: How many numbers a pixel of an NRRD may have.

    Raises:
        RadiographError: It is damaged, or not one slice.
    """
    head = content[:HEADER]
    try:
        return nrrd(head, most_channels) if kind == "nrrd" else meta_image(head)
    except KeyError as error:
        raise RadiographError(f"is damaged: its header lacks {error.args[0]!r}") from error
    except RadiographError:
        raise
    except ValueError as error:
        raise RadiographError(f"is damaged: its header cannot be read ({error})") from error


def _nifti_head(stream: BinaryIO) -> bytes:
    """The first bytes of a NIfTI file, decompressed."""
    start = stream.read(2)
    stream.seek(0)
    if start != GZIP:
        return stream.read(_NIFTI_HEADER)
    try:
        with gzip.GzipFile(fileobj=stream) as packed:
            head = packed.read(_NIFTI_HEADER)
    except (OSError, EOFError, zlib.error) as error:
        raise RadiographError("is damaged or truncated: it cannot be decompressed") from error
    return head


@contextmanager
def naming_file(file: Path) -> Iterator[None]:
    """Turn errors into a `RadiographError` that begins with the file's path."""
    try:
        yield
    except RadiographError as error:
        raise RadiographError(f"{shown(file)}: {error}") from error.__cause__
    except OSError as error:
        raise RadiographError(f"{shown(file)}: cannot be opened ({error.strerror or type(error).__name__})") from error
    except MemoryError as error:
        raise RadiographError(f"{shown(file)}: does not fit into memory") from error
