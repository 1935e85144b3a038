"""ChestX-ray14: 112,120 frontal radiographs of 30,805 patients, labels mined from reports, 984 boxes by a radiologist.

Source: Wang et al., "ChestX-ray8", CVPR 2017; https://nihcc.app.box.com/v/ChestXray-NIHCC. No restriction on use, with
the source named. Known faults: the labels were mined by an NLP tool from reports that are not public, which is wrong in
about one label of ten; "absent" means not mentioned; many pneumothoraces already have a drain; the boxes cover eight of
the fourteen findings, on images labelled with them; the view (AP or PA) gives away much about how ill the patient is.

Tables: ``Data_Entry_2017_v2020.csv`` or ``Data_Entry_2017.csv``; ``BBox_List_2017.csv``, whose boxes are in pixels of
the published 1024x1024 image, whose header is malformed and which writes ``Infiltrate``; for the official split
``train_val_list.txt`` and ``test_list.txt``. Each CSV may be gzipped.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.datalist.boxes import checked_box
from app.datalist.garbage import without_garbage_collection
from app.datalist.item import Box, Datalist, Item
from app.datalist.people import Attributes, years_of
from app.datalist.stored_images import keep_stored, place_images, with_images
from app.datasets.rsna import read_rsna, with_readings
from app.files.tables import TableError, find_table, number, one_of, optional_table, read_table
from app.findings import ABSENT, NO_FINDING, PRESENT, canonical, require_known

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
_ENTRY = (
    "Image Index",
    "Finding Labels",
    "Follow-up #",
    "Patient ID",
    "Patient Age",
    "Patient Gender",
    "View Position",
)
_IMAGE = re.compile(r"(\d+)_(\d+)\.\w+")
_BOX = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")


class Entry(NamedTuple):
    """One row of the label table."""

    image: str
    findings: frozenset[str]
    patient: str
    study: str
    view: str
    attributes: Attributes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this data set to its command."""
    parser.add_argument("--rsna", action="store_true", help="add the boxes and the 'nowhere' of the RSNA challenge")
    parser.add_argument(
        "--keep-labels",
        action="store_true",
        help="with --rsna: where RSNA drew boxes on an image labelled absent, keep the label and leave the boxes out "
        "(default: the image is then labelled present)",
    )
    parser.add_argument("--official-split", action="store_true", help="test section as in test_list.txt")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--experts",
        nargs="?",
        const="any",
        choices=("4", "16", "any"),
        help="experts' labels alone: of 4 findings on 4,376 images, or of 16 on 810 (default: whose table is there)",
    )
    others.add_argument(
        "--boxes", action="store_true", help="the radiologist's boxes alone, as labels of eight findings on 880 images"
    )
    others.add_argument(
        "--drains",
        choices=("combined", "1", "2", "expert"),
        help="chest drains alone: by NEATX's two annotators as one, by one of them, or by a radiologist",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    if arguments.experts or arguments.boxes or arguments.drains:
        if arguments.rsna or arguments.official_split:
            raise ValueError(
                "--experts, --boxes and --drains are label sets of their own: leave out --rsna and --official-split."
            )
        return with_images(_label_set(arguments), arguments.images, arguments.out, FRAME)
    datalist, stored = chestxray14(arguments.tables), None
    if arguments.images is not None:
        datalist, stored = keep_stored(datalist, arguments.images)
    if arguments.rsna:
        datalist = with_readings(datalist, read_rsna(arguments.tables), arguments.keep_labels)
    if arguments.official_split:
        datalist = officially_split(datalist, arguments.tables)
    return datalist if stored is None else place_images(datalist, stored, arguments.out, FRAME)


def _label_set(arguments: argparse.Namespace) -> Datalist:
    if arguments.boxes:
        return boxes_as_labels(chestxray14(arguments.tables))
    if arguments.drains:
        from app.datasets.nih_drains import drains

        return drains(arguments.tables, arguments.drains)
    from app.datasets.nih_experts import expert_labels

    return expert_labels(arguments.tables, None if arguments.experts == "any" else arguments.experts)


@without_garbage_collection()
def chestxray14(tables: Path) -> Datalist:
    """ChestX-ray14 with its own labels and boxes, all in ``training``, every row of the label table.

    Returns:
        A datalist whose items are named by their file name, with boxes in the published 1024x1024 pixels.

    Raises:
        TableError: a table is missing or wrong.
    """
    entries, notes = read_entries(find_table(tables, *LABEL_TABLES))
    boxes = read_boxes(find_table(tables, "BBox_List_2017.csv"), {entry.image for entry in entries})
    labels: dict[frozenset[str], tuple[float, ...]] = {}
    items = []
    for entry in entries:
        if entry.findings not in labels:
            labels[entry.findings] = tuple(PRESENT if finding in entry.findings else ABSENT for finding in FINDINGS)
        item = Item(entry.image, entry.patient, labels[entry.findings], entry.study, entry.view)
        if entry.image in boxes:
            item.boxes = tuple(boxes[entry.image])
            item.annotated = tuple(dict.fromkeys(box.finding for box in item.boxes))
        item.source, item.attributes = "ChestX-ray14", entry.attributes
        items.append(item)
    counts = {"rows of the label table": len(entries), "boxes of the box table": sum(map(len, boxes.values())), **notes}
    return Datalist(
        name="ChestX-ray14",
        description="Labels mined from reports (Data_Entry_2017), boxes by a radiologist (BBox_List_2017).",
        findings=FINDINGS,
        sections={"training": items, "validation": [], "test": []},
        provenance={"counts": counts},
    )


def read_entries(path: Path) -> tuple[list[Entry], dict[str, int]]:
    """The label table, and how many of its ages were implausible (above 120) and so left out.

    Raises:
        TableError: a column is missing, an unknown finding, a number where text should be or the reverse, an image
            named twice.
    """
    table = read_table(path, _ENTRY)
    # Few texts recur in many rows: each is checked once, and what is made of it is kept once.
    findings: dict[str, frozenset[str]] = {}
    people: dict[tuple[str, str], tuple[Attributes, bool]] = {}
    entries: list[Entry] = []
    images: set[str] = set()
    implausible = 0
    for index, (image, names, follow_up, patient, age, sex, view) in enumerate(table.select(*_ENTRY)):
        if names not in findings:
            findings[names] = _findings(names, table.where(index))
        if (sex, age) not in people:
            people[sex, age] = person(sex, age, table.where(index))
        if image in images:
            raise TableError(f"{table.where(index)}: image {image!r} is named twice.")
        if not (patient.isdecimal() and follow_up.isdecimal()):
            raise TableError(
                f"{table.where(index)}: 'Patient ID' and 'Follow-up #' must be whole numbers, "
                f"not {patient!r} and {follow_up!r}."
            )
        if view not in VIEWS:
            one_of(view, VIEWS, "View Position", table.where(index))
        images.add(image)
        # 7 and 0007 are one patient.
        patient = patient.lstrip("0") or "0"
        attributes, is_plausible = people[sex, age]
        implausible += not is_plausible
        entries.append(Entry(image, findings[names], patient, f"{patient}-{follow_up}", view, attributes))
    return entries, {"ages left out as implausible": implausible} if implausible else {}


def person(sex: str, age: str, where: str) -> tuple[Attributes, bool]:
    """Sex and age (whole years, 90 for all above) of a row as attributes, and whether the age was plausible.

    The first release wrote ages as ``058Y``, ``013M`` or ``001D``, and some as 400 years.
    """
    years = years_of(age, "Patient Age", where)
    attributes: Attributes = {"sex": one_of(sex, ("F", "M"), "Patient Gender", where)}
    return attributes | ({} if years is None else {"age": years}), years is not None


def read_boxes(path: Path, images: Collection[str]) -> dict[str, list[Box]]:
    """The box table: boxes by image, in pixels of the 1024x1024 image.

    Raises:
        TableError: a column is missing, an unknown finding, text for a number, a box of no area or outside the image,
            a box twice, or one on an image that the label table does not know.
    """
    table = read_table(path, _BOX)
    boxes: dict[str, list[Box]] = defaultdict(list)
    for index, (image, name, *cells) in enumerate(table.select(*_BOX)):
        where = table.where(index)
        if image not in images:
            raise TableError(f"{where}: a box on image {image!r}, which the label table does not have.")
        x, y, width, height = (number(cell, column, where) for cell, column in zip(cells, _BOX[2:], strict=True))
        box = checked_box(Box(_finding(name, where), x, y, width, height), FRAME, where)
        if box in boxes[image]:
            raise TableError(f"{where}: the box of {box.finding!r} on image {image!r} is named twice.")
        boxes[image].append(box)
    return boxes


def boxes_as_labels(datalist: Datalist) -> Datalist:
    """The boxes of ChestX-ray14 as a label set of their own, on the 880 images that have any.

    Source: the set "BBox" of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". A
    finding is present where it has a box, else absent: no box was drawn, which does not say that it was looked for.

    Args:
        datalist: as :func:`chestxray14` gives it.
    """
    sections: dict[str, list[Item]] = {}
    for section, items in datalist.sections.items():
        sections[section] = [
            replace(
                item,
                label=tuple(PRESENT if finding in item.annotated else ABSENT for finding in BOXED),
                source="radiologist",
            )
            for item in items
            if item.boxes
        ]
    return replace(
        datalist,
        name="ChestX-ray14 boxes",
        description="Eight findings, present where a radiologist drew a box (BBox_List_2017).",
        findings=BOXED,
        sections=sections,
    )


def patient_and_study(image: str, where: str) -> tuple[str, str]:
    """Patient and study that the name of an image tells: ``00000013_026.png`` is follow-up 26 of patient 13.

    Args:
        image: file name.
        where: file and line, for the message.

    Raises:
        TableError: another form of name.
    """
    match = _IMAGE.fullmatch(image)
    if match is None:
        raise TableError(f"{where}: an image of ChestX-ray14 is named such as '00000013_026.png', not {image!r}.")
    patient, follow_up = map(int, match.groups())
    return str(patient), f"{patient}-{follow_up}"


def known_people(tables: Path) -> dict[str, tuple[str, Attributes]]:
    """View and attributes by image, from the label table; empty where that is not in the folder."""
    path = optional_table(tables, *LABEL_TABLES)
    return {} if path is None else {entry.image: (entry.view, entry.attributes) for entry in read_entries(path)[0]}


def officially_split(datalist: Datalist, tables: Path) -> Datalist:
    """The images of ``test_list.txt`` as test, those of ``train_val_list.txt`` as training.

    Raises:
        TableError: a list is missing, or an image is in both or in neither.
    """
    named = {}
    for list_name in ("train_val_list.txt", "test_list.txt"):
        path = tables / list_name
        if not path.is_file():
            raise TableError(f"{tables}: the official split needs {list_name}, which is not there.")
        named[list_name] = set(path.read_text(encoding="utf-8").split())
    training, test = named.values()
    items = datalist.sections["training"]
    for item in items:
        if (item.image in training) == (item.image in test):
            raise TableError(
                f"{tables}: image {item.image!r} must be in one of {' and '.join(named)}, not in both or none."
            )
    sections = {
        "training": [item for item in items if item.image in training],
        "validation": [],
        "test": [item for item in items if item.image in test],
    }
    return replace(datalist, sections=sections)


def _findings(names: str, where: str) -> frozenset[str]:
    found = frozenset(_finding(name, where) for name in names.split("|") if name != NO_FINDING)
    if NO_FINDING in names and found:
        raise TableError(f"{where}: {names!r} says 'No Finding' beside findings.")
    return found


def _finding(name: str, where: str) -> str:
    finding = canonical(name) or name
    require_known([finding], FINDINGS, where)
    return finding
