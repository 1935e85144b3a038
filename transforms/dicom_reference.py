"""What other objects refer to in a DICOM radiograph: its unique identifier, and how it lies in the patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.tag import Tag

from transforms.dicom_signature import is_dicom
from transforms.files import of_each
from transforms.turning import AS_STORED, Turn, anatomical_turn

_TAGS = [Tag("SOPInstanceUID"), Tag("ImageOrientationPatient")]


class Reference(NamedTuple):
    """The identifier and the position of a radiograph.

    Attributes:
        instance: SOP Instance UID; empty if the file is not DICOM or has none.
        turn: What would show it head up, by its Image Orientation (Patient); most radiographs have none, and it is then
            as stored. A radiograph is shown as it is stored all the same.
    """

    instance: str = ""
    turn: Turn = AS_STORED


def references(paths: Iterable[Path]) -> list[Reference]:
    """The references of files, from their headers; malformed elements count as missing.

    Raises:
        OSError: A file cannot be read.
    """
    return of_each(_reference, paths)


def by_instance(paths: Sequence[Path]) -> dict[str, Path]:
    """The files that have a SOP Instance UID, by it; errors are those of `references`."""
    known = zip(references(paths), paths, strict=True)
    return {reference.instance: path for reference, path in known if reference.instance}


def _reference(path: Path) -> Reference:
    if not is_dicom(path):
        return Reference()
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_TAGS))
        axes = [float(each) for each in dataset.get("ImageOrientationPatient") or ()]
        is_whole = len(axes) == 6 and bool(np.isfinite(axes).all())
        turn = anatomical_turn(axes[:3], axes[3:]) if is_whole else AS_STORED
        return Reference(str(dataset.get("SOPInstanceUID") or ""), turn)
    except Exception:  # pydicom has OSError among its own
        return Reference()
