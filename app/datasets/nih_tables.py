"""The tables of ChestX-ray14: labels, people and boxes of its images, which several label sets share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from app.datalist.item import Box
from app.datalist.people import Attributes, years_of
from app.datasets.rows import add_once, box_from, rows
from app.files.tables import TableError, one_of, optional_table, read_table
from app.findings import NO_FINDING, canonical, require_known

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural Thickening",
    "Hernia",
)
"""The eight with boxes first, in the order of their paper, then the others."""
BOXED = FINDINGS[:8]
VIEWS = ("PA", "AP")
FRAME = (1024, 1024)
"""Height and width of the published images, in whose pixels boxes are given."""
LABEL_TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOX_TABLE = "BBox_List_2017.csv"
_LABEL_COLUMNS = (
    "Image Index",
    "Finding Labels",
    "Follow-up #",
    "Patient ID",
    "Patient Age",
    "Patient Gender",
    "View Position",
)
_BOX_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
_IMAGE = re.compile(r"(\d+)_(\d+)\.\w+")


class LabelledImage(NamedTuple):
    """One row of the label table."""

    image: str
    findings: frozenset[str]
    patient: str
    study: str
    view: str
    attributes: Attributes


def read_labels(path: Path) -> tuple[list[LabelledImage], dict[str, int]]:
    """The label table, and how many of its ages were left out as implausible (above 120).

    Raises:
        TableError: A column is missing, a finding is unknown, a cell is a number instead of text or the reverse, or an
            image is named twice.
    """
    table = read_table(path, _LABEL_COLUMNS)
    # Few texts recur in many rows: each is checked once, and its value is shared.
    findings: dict[str, frozenset[str]] = {}
    people: dict[tuple[str, str], Attributes] = {}
    images: list[LabelledImage] = []
    seen: set[str] = set()
    implausible = 0
    for where, (image, names, follow_up, patient, age, sex, view) in rows(table, *_LABEL_COLUMNS):
        if names not in findings:
            findings[names] = _findings(names, where)
        if (sex, age) not in people:
            people[sex, age] = person(sex, age, where)
        add_once(image, seen, where)
        if not (patient.isdecimal() and follow_up.isdecimal()):
            raise TableError(
                f"{where}: 'Patient ID' and 'Follow-up #' must be whole numbers, not {patient!r} and {follow_up!r}."
            )
        one_of(view, VIEWS, "View Position", where)
        patient = patient_number(patient)
        attributes = people[sex, age]
        implausible += "age" not in attributes
        images.append(LabelledImage(image, findings[names], patient, f"{patient}-{follow_up}", view, attributes))
    return images, {"ages left out as implausible": implausible} if implausible else {}


def read_boxes(path: Path, images: Collection[str]) -> dict[str, list[Box]]:
    """The box table: boxes by image, in pixels of the 1024x1024 image.

    Raises:
        TableError: A column is missing, a finding is unknown, a cell is no number, a box has no area or is outside the
            image, a box is named twice, or its image is not in the label table.
    """
    boxes: dict[str, list[Box]] = defaultdict(list)
    for where, (image, name, *cells) in rows(read_table(path, _BOX_COLUMNS), *_BOX_COLUMNS):
        if image not in images:
            raise TableError(f"{where}: a box on image {image!r}, which the label table does not have.")
        box = box_from(_finding(name, where), cells, _BOX_COLUMNS[2:], FRAME, where)
        if box in boxes[image]:
            raise TableError(f"{where}: the box of {box.finding!r} on image {image!r} is named twice.")
        boxes[image].append(box)
    return boxes


def known_people(tables: Path) -> dict[str, tuple[str, Attributes]]:
    """View and attributes by image, from the label table; empty if that is not in the folder."""
    path = optional_table(tables, *LABEL_TABLES)
    return {} if path is None else {image.image: (image.view, image.attributes) for image in read_labels(path)[0]}


def patient_and_study(image: str, where: str) -> tuple[str, str]:
    """Patient and study in the name of an image.

    Args:
        image: File name.
        where: File and line, for messages.

    Raises:
        TableError: The name has another form.

    Example:
        >>> patient_and_study("00000013_026.png", "")
        ('13', '13-26')
    """
    match = _IMAGE.fullmatch(image)
    if match is None:
        raise TableError(f"{where}: an image of ChestX-ray14 is named such as '00000013_026.png', not {image!r}.")
    patient, follow_up = map(int, match.groups())
    return str(patient), f"{patient}-{follow_up}"


def patient_number(cell: str) -> str:
    """A patient's number without leading zeros: 7 and 0007 are one patient."""
    return cell.lstrip("0") or "0"


def person(sex: str, age: str, where: str) -> Attributes:
    """Sex and age (whole years, 90 for all above) of a row, without an implausible age.

    The first release wrote ages as ``058Y``, ``013M`` or ``001D``, and some as 400 years.
    """
    years = years_of(age, "Patient Age", where)
    attributes: Attributes = {"sex": one_of(sex, ("F", "M"), "Patient Gender", where)}
    return attributes if years is None else attributes | {"age": years}


def _findings(names: str, where: str) -> frozenset[str]:
    findings = frozenset(_finding(name, where) for name in names.split("|") if name != NO_FINDING)
    if NO_FINDING in names and findings:
        raise TableError(f"{where}: {names!r} says 'No Finding' beside findings.")
    return findings


def _finding(name: str, where: str) -> str:
    finding = canonical(name) or name
    require_known([finding], FINDINGS, where)
    return finding
