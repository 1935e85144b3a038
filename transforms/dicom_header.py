"""DICOM headers: view, sex and age, and the numbers of its patient and study."""

from __future__ import annotations

import datetime
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from transforms.dicom_signature import is_dicom
from transforms.elements import log_once, side_code, side_element, side_sequence, warn_of
from transforms.files import of_each

VIEW_KEYWORDS = ("ViewPosition", "ViewCodeSequence", "PatientOrientation")
_SUITABILITY_KEYWORDS = ("PresentationIntentType", "BodyPartExamined")
_CHEST = re.compile("CHEST|THORA|TORA|TORSO|LUNG|POUMON|PULM|PECHO|BRUST|RIB|STERN")
"""In names of body parts that a chest radiograph may have; hospitals write them in their own languages."""
_PERSON_KEYWORDS = ("PatientSex", "PatientAge", "PatientBirthDate")
_DATE_KEYWORDS = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate")
"""When a patient with a birth date was examined."""

_IDENTIFIER_KEYWORDS = ("PatientID", "StudyInstanceUID", "AccessionNumber", "PatientName")

_VIEWS = dict.fromkeys(("LL", "RL", "LAT", "LLAT", "RLAT"), "LATERAL")
_VIEW_CODES = {
    # SNOMED CT, and the SNOMED-RT codes that older files have (PS3.16 CID 4010).
    **dict.fromkeys(("272479007", "R-10214", "R-40888"), "PA"),
    **dict.fromkeys(("399348003", "R-10206"), "AP"),
    **dict.fromkeys(("399067008", "R-102CD", "399173006", "R-10236", "399198007", "R-10232"), "LATERAL"),
}


class HeaderCodes(NamedTuple):
    """View, sex and age as DICOM codes; empty if missing or malformed."""

    view: str = ""
    """PA, AP, LATERAL, or another ViewPosition."""
    sex: str = ""
    """F, M or O."""
    age: str = ""
    """Such as 045Y, 006M, 003W, 010D or, in many files, 45."""


class HeaderIdentifiers(NamedTuple):
    """Numbers of patient and study, and the patient's name, empty if missing; they identify a person."""

    patient: str = ""
    study: str = ""
    """The study's unique identifier."""
    accession: str = ""
    name: str = ""
    """The patient's."""


def header_codes(paths: Iterable[str | os.PathLike[str]]) -> list[HeaderCodes]:
    """View, sex and age from the headers of files; no other element is read except the character set.

    Malformed values and files that are not DICOM give empty codes, and each kind of problem is logged once.

    Raises:
        OSError: A file cannot be read.
    """
    with warnings.catch_warnings(record=True) as caught:
        # pydicom's warnings may quote an element's value.
        warnings.simplefilter("always")
        codes = of_each(_codes, paths)
    log_once(caught, "")
    return codes


def header_identifiers(paths: Iterable[str | os.PathLike[str]]) -> list[HeaderIdentifiers]:
    """Numbers of patient and study, and the name, from the headers of files; none of a file that is not DICOM.

    No value is logged.

    Raises:
        OSError: A file cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings may quote a value
        return of_each(_identifiers, paths)


def view_of(dataset: Dataset) -> str:
    """The view of a data set by ViewPosition, else by its code sequence, else by the patient's orientation.

    The orientation only identifies lateral views: rows run to the left or right in PA and AP alike.
    """
    position = side_code(dataset, "ViewPosition")
    if position:
        return _VIEWS.get(position, position)
    for item in side_sequence(dataset, "ViewCodeSequence"):
        view = _VIEW_CODES.get(str(side_element(item, "CodeValue")).strip())
        if view:
            return view
    orientation = side_element(dataset, "PatientOrientation")
    row = str(orientation[0]).strip().upper() if orientation and isinstance(orientation, (MultiValue, list)) else ""
    return "LATERAL" if row in ("A", "P") else ""


def unsuited_files(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Of each file what `unsuited` says of its header; empty if it is no DICOM file, or cannot be read."""
    with warnings.catch_warnings():
        # pydicom's warnings may quote an element's value.
        warnings.simplefilter("ignore")
        return of_each(_unsuited_file, paths)


def _unsuited_file(path: Path) -> str:
    try:
        if not is_dicom(path):
            return ""
        tags = list(map(Tag, VIEW_KEYWORDS + _SUITABILITY_KEYWORDS))
        return unsuited(pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags))
    except Exception:  # whoever reads the pixels says what is wrong
        return ""


def unsuited(dataset: Dataset) -> str:
    """Why a radiograph is not a frontal one of the chest for presentation, by its header; empty if nothing says so.

    Example:
        >>> dataset = Dataset()
        >>> dataset.ViewPosition, dataset.BodyPartExamined = "LL", "CHEST"
        >>> unsuited(dataset), unsuited(Dataset())
        ('is a lateral view', '')
    """
    if view_of(dataset) == "LATERAL":
        return "is a lateral view"
    if side_code(dataset, "PresentationIntentType") == "FOR PROCESSING":
        return "is an image for processing, not for presentation"
    part = side_code(dataset, "BodyPartExamined")
    return f"shows the body part {part}" if part and not _CHEST.search(part) else ""


def _codes(path: Path) -> HeaderCodes:
    if not is_dicom(path):
        return HeaderCodes()
    try:
        tags = list(map(Tag, VIEW_KEYWORDS + _PERSON_KEYWORDS + _DATE_KEYWORDS))
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags)
        return HeaderCodes(
            view_of(dataset),
            _code_like(dataset, "PatientSex", "[FMO]"),
            _code_like(dataset, "PatientAge", r"\d{1,3}[YMWD]?") or _age_at_study(dataset),
        )
    except Exception:  # pydicom has OSError among its own
        warn_of("A header", "cannot be parsed; view, sex and age are taken for unknown")
        return HeaderCodes()


def _identifiers(path: Path) -> HeaderIdentifiers:
    if not is_dicom(path):
        return HeaderIdentifiers()
    try:
        tags = list(map(Tag, _IDENTIFIER_KEYWORDS))
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags)
        return HeaderIdentifiers(
            *(str(side_element(dataset, keyword) or "").strip() for keyword in _IDENTIFIER_KEYWORDS)
        )
    except Exception:  # pydicom has OSError among its own
        return HeaderIdentifiers()


def _age_at_study(dataset: Dataset) -> str:
    """Whole years from the birth date to the first date of the examination; empty if either is missing or malformed."""
    born = _date(dataset, "PatientBirthDate")
    examined = next((day for keyword in _DATE_KEYWORDS if (day := _date(dataset, keyword))), None)
    if born is None or examined is None or born > examined:
        return ""
    return str(examined[0] - born[0] - (examined[1:] < born[1:]))


def _date(dataset: Dataset, keyword: str) -> tuple[int, int, int] | None:
    """Year, month and day of an element; None if it is missing or no date."""
    text = str(side_element(dataset, keyword) or "").strip()
    match = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", text)  # with dots before version 3 of DICOM
    try:
        day = datetime.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
    return (day.year, day.month, day.day) if day else None


def _code_like(dataset: Dataset, keyword: str, pattern: str) -> str:
    """A coded string that matches a pattern, or an empty one."""
    code = side_code(dataset, keyword)
    if re.fullmatch(pattern, code):
        return code
    if side_element(dataset, keyword):
        warn_of(keyword)
    return ""
