"""Which images are for a service, by their headers; everything else is counted with its reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation

from app.dicom.identity import MANUFACTURER
from app.service.settings import Images
from transforms.dicom_header import unsuited, view_of
from transforms.dicom_signature import is_dicom
from transforms.elements import side_code, side_element
from transforms.errors import RadiographError

RADIOGRAPHS = (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation)
FRONTAL = ("PA", "AP")
OWN = "is a result of ours"


class LeftOutError(Exception):
    """An image that is not for us; the message says why, and quotes no value that identifies a patient."""


def why_left_out(path: Path, images: Images, any_view: bool = False) -> str:
    """Why an image is not for us; empty if it is.

    Args:
        path: Of a DICOM file.
        images: The rules.
        any_view: Whether to look at the kind of object alone, and neither at the view nor at the part of the body.

    Raises:
        RadiographError: It is no DICOM file, or its header cannot be parsed.
    """
    if not is_dicom(path):
        raise RadiographError("is not a DICOM file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's may quote a value
        try:
            header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            return _other_object(header) or ("" if any_view else _other_view(header, images))
        except Exception as error:  # pydicom raises many kinds, some of which quote a value
            raise RadiographError(f"its header cannot be parsed ({type(error).__name__})") from None


def _other_object(header: Dataset) -> str:
    if str(side_element(header, "Manufacturer") or "").strip() == MANUFACTURER:
        return OWN
    kind = side_element(header, "SOPClassUID")
    if kind in RADIOGRAPHS:
        return ""
    name = getattr(kind, "name", "")
    return f"is no CR or DX image for presentation but {name}" if name and name != kind else "is no CR or DX image"


def _other_view(header: Dataset, images: Images) -> str:
    reason = unsuited(header)
    if reason:
        return reason
    view = view_of(header)
    if view and view not in FRONTAL:
        return "is neither a PA nor an AP view"
    if not view and not images.unknown_view:
        return "its header does not say the view"
    if not side_code(header, "BodyPartExamined") and not images.unknown_part:
        return "its header does not say the part of the body"
    return ""
