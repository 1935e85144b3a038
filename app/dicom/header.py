"""A radiograph's header as results need it: complete, in Unicode, and without pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pydicom.valuerep import PersonName, validate_value

from transforms.dicom_signature import is_dicom
from transforms.elements import side_numbers

REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Rows", "Columns")
EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Attributes of type 2: a result must have them, but may have them empty."""
RESCALING = {"RescaleSlope": 1, "RescaleIntercept": 0}
"""What the reader of pixels takes for each if only the other is stated."""
KEPT = ("TimezoneOffsetFromUTC", "InstitutionName", "BodyPartExamined")
"""Copied into every result, beside what belongs to patient and study."""
UNICODE = "ISO_IR 192"


class HeaderError(ValueError):
    """A header that no result can refer to."""


def complete_header(path: Path) -> Dataset:
    """Read the header of a radiograph, and add what is absent although results must have it.

    Text is decoded by the file's own character sets and is Unicode then. Private elements and what cannot be decoded
    are left out.

    Raises:
        HeaderError: The file is not DICOM, or lacks what identifies it; the message quotes no value.
        OSError: It cannot be read.
    """
    if not is_dicom(path):
        raise HeaderError("not a DICOM file")
    with without_warnings():
        # As the reader of pixels does: without preamble, too.
        return completed(pydicom.dcmread(path, force=True, stop_before_pixels=True))


def completed(header: Dataset) -> Dataset:
    """As `complete_header`, for a header that was read; it is changed.

    Raises:
        HeaderError: It lacks what identifies the radiograph.
    """
    with without_warnings():
        header.remove_private_tags()
        _decode(header)
        absent = [keyword for keyword in REQUIRED if not header.get(keyword)]
        if absent:
            raise HeaderError(f"the header lacks {', '.join(absent)}, which a result must name")
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            if not UID(str(header[keyword].value)).is_valid:
                raise HeaderError(f"{keyword} is no unique identifier: digits and dots, at most 64 characters")
        _drop_invalid(header)
        _lut_bytes(header)
        _rescaling(header)
        for keyword in EMPTY:
            if keyword not in header:
                setattr(header, keyword, "")
        if not header.get("SamplesPerPixel"):
            header.SamplesPerPixel = 1
    return header


def _drop_invalid(header: Dataset) -> None:
    """Leave out values that their type forbids, such as an age of 62, or one number as the spacing of pixels.

    Results copy them, and would be refused.
    """
    for element in list(header):
        values = element.value if isinstance(element.value, MultiValue) else [element.value]
        try:
            for value in values:
                if isinstance(value, str):
                    validate_value(element.VR, value, RAISE)
        except Exception:
            del header[element.tag]
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if len(side_numbers(header, keyword)) != 2:
            header.pop(keyword, None)


def _lut_bytes(header: Dataset) -> None:
    """Write look-up tables as bytes, as highdicom reads them, if a header has them as numbers."""
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        for table in header.get(keyword) or []:
            data = table.get("LUTData")
            if data is not None and not isinstance(data, bytes):
                del table.LUTData
                table.add_new("LUTData", "OW", np.atleast_1d(np.asarray(data, dtype="<u2")).tobytes())


def _rescaling(header: Dataset) -> None:
    """State one slope and one intercept, by which the pixels were read, or neither if both are empty."""
    given = {keyword: side_numbers(header, keyword) for keyword in RESCALING}
    for keyword, values in given.items():
        if not any(given.values()):
            header.pop(keyword, None)
        elif len(values) != 1:
            setattr(header, keyword, (values or [RESCALING[keyword]])[0])


def copy_context(header: Dataset, result: Dataset) -> None:
    """Copy into a result what belongs to the examination, and not to patient or study."""
    for keyword in KEPT:
        if header.get(keyword):
            setattr(result, keyword, header.get(keyword))


def set_laterality(header: Dataset, result: Dataset) -> None:
    """State the side of the body part, unknown unless the radiograph says it; a chest has none (PS3.3, C.7.3.1)."""
    if header.get("Laterality") or header.get("BodyPartExamined") != "CHEST":
        result.Laterality = header.get("Laterality") or ""


def requests(header: Dataset) -> Sequence | None:
    """The requests that the examination answers, None if the header names none."""
    return header.get("RequestAttributesSequence") or None


def _decode(header: Dataset) -> None:
    """Decode all text, and leave out elements whose value cannot be read."""
    for element in list(header.keys()):
        try:
            header[element]
        except Exception:
            del header[element]
    try:
        header.decode()
    except Exception as error:
        raise HeaderError(f"its text cannot be decoded ({type(error).__name__})") from error
    header.walk(_plain_name)
    header.SpecificCharacterSet = UNICODE


def _plain_name(_: Dataset, element: DataElement) -> None:
    """Keep the decoded name alone; pydicom would decode its first bytes once more, by another character set."""
    if element.VR == "PN" and element.value:
        names = element.value if isinstance(element.value, MultiValue) else [element.value]
        decoded = [PersonName(str(name), encodings=["utf8"]) for name in names]
        element.value = decoded if len(decoded) > 1 else decoded[0]


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without warnings of pydicom and highdicom, which may quote a value that identifies a patient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
