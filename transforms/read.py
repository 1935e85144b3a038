"""Read a radiograph of any known format: the format is told by a file's content, not by its name."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.dicom import looks_like_dicom, read_dicom
from transforms.errors import RadiographError
from transforms.formats import read_by_itk, read_nifti, read_picture

LARGEST_FILE = 2**31
"""Bytes; a radiograph of the most pixels that are believed, in 32 bits, is smaller."""

logger = logging.getLogger(__name__)

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DICOM_NAMES = (".dcm", ".dicom", ".dic")


def read_radiograph(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read one radiograph.

    Args:
        path: a DICOM, PNG, JPEG, TIFF, NIfTI, MHA or NRRD file, or another that SimpleITK reads.

    Returns:
        The image, float32 (H, W), rows first, in [0, 1], bright is dense, contiguous; and what is known of it:
        ``spacing`` (row mm, column mm; ``None`` where unknown), ``original_size`` (H, W), ``filename_or_obj``,
        ``modality``, ``view`` (``PA``, ``AP``, ``LATERAL``, ...; both ``""`` where unsaid), ``photometric``, ``bits``
        (depth of the stored values, 0 for floating ones) and ``voi`` (what chose the grey levels; ``""`` where the
        format knows no windows). None of it identifies a person, but a path may.

    Raises:
        RadiographError: missing, not one grey two-dimensional image, damaged, or of no known format. The message
            begins with the path.

    An image of a single grey level, and one whose window is unusable, are read and logged as a warning.
    """
    file = Path(path)
    try:
        image, known = _read(file)
    except RadiographError as error:
        raise RadiographError(f"{file}: {error}") from error.__cause__
    except OSError as error:
        raise RadiographError(f"{file}: cannot be opened ({error.strerror or type(error).__name__})") from error
    except MemoryError as error:
        raise RadiographError(f"{file}: does not fit into memory") from error
    meta = {
        "filename_or_obj": str(file),
        "original_size": (image.shape[0], image.shape[1]),
        "spacing": None,
        "modality": "",
        "view": "",
        "photometric": "MONOCHROME2",
        "bits": 0,
        "voi": "",
    }
    meta |= known
    if image.min() == image.max():
        logger.warning("%s: shows nothing but one grey level (%g)", file, image[0, 0])
    elif str(meta["voi"]).endswith("UNUSABLE"):
        logger.warning("%s: its window has no usable width; the image's own range is shown instead", file)
    return np.ascontiguousarray(image), meta


def _read(file: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    """Read by what the content is."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            raise RadiographError("is empty (0 bytes); copy it again from its source")
        if size > LARGEST_FILE:
            raise RadiographError(f"has {size} bytes, more than the {LARGEST_FILE} of any one radiograph")
        content = stream.read()
    if content[128:132] == b"DICM":
        return read_dicom(content, str(file))
    if content.startswith(_PICTURES):
        image, bits = read_picture(content)
        return image, {"bits": bits}
    if content[:2] == b"\x1f\x8b" or content[344:348] == b"n+1\0" or content[4:8] == b"n+2\0":
        image, bits, spacing = read_nifti(content)
        return image, {"bits": bits, "spacing": spacing}
    if looks_like_dicom(content[:512]):
        return read_dicom(content, str(file))
    if file.suffix.lower() in _DICOM_NAMES:
        raise RadiographError("is not a DICOM file, whatever its name says, nor another image")
    image, bits, spacing = read_by_itk(file)
    return image, {"bits": bits, "spacing": spacing}
