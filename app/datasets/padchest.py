"""PadChest: 160,868 radiographs of about 67,000 patients, 174 findings, 19 diagnoses and tubes, from Spanish reports.

Source: Bustos et al., "PadChest: A large chest x-ray image dataset with multi-label annotated reports", Medical Image
Analysis 2020; https://bimcv.cipf.es/bimcv-projects/padchest. CC BY-NC-SA 4.0 with a data use agreement: research only.
Known faults: 27% of the reports were labelled by physicians, the others by a recurrent network (``MethodLabel``, here
the item's source, ``physician`` or ``RNN``); a label says what a report says, so absent means not mentioned; some image
files are truncated or empty; some rows have no label at all, or the label ``exclude``, ``suboptimal study`` or
``unchanged``, which tells nothing of what the image shows; study ids and file names hold dates.

Table: ``PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv``, gzipped or not.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.datalist.garbage import without_garbage_collection
from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person
from app.datalist.stored_images import with_counts, with_images
from app.files.tables import TableError, find_table, one_of, read_table
from app.findings import ABSENT, NO_FINDING, NOT_SAID, PRESENT, TUBES, VOCABULARY, canonical

TABLES = (
    "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
    "PADCHEST_chest_x_ray_images_labels_160K.csv",
    "padchest.csv",
)
METHODS = {"Physician": "physician", "RNN_model": "RNN"}
VIEWS = {"L": "LATERAL", "AP_horizontal": "AP_SUPINE"}
"""What differs from PadChest's own names: PA, AP, COSTAL, EXCLUDE stay."""

# Kinds of a finding in PadChest's tree of labels, beside the spellings that every data set may use.
_KINDS = {
    "apical pleural thickening": "Pleural Thickening",
    "atelectasis basal": "Atelectasis",
    "callus rib fracture": "Fracture",
    "calcified granuloma": "Granuloma",
    "clavicle fracture": "Fracture",
    "humeral fracture": "Fracture",
    "hydropneumothorax": "Pneumothorax",
    "laminar atelectasis": "Atelectasis",
    "lobar atelectasis": "Atelectasis",
    "loculated pleural effusion": "Effusion",
    "multiple nodules": "Nodule",
    "rib fracture": "Fracture",
    "round atelectasis": "Atelectasis",
    "superior mediastinal enlargement": "Mediastinal Widening",
    "total atelectasis": "Atelectasis",
    "vertebral fracture": "Fracture",
}
_UNUSABLE = frozenset({"exclude", "suboptimal study", "unchanged"})
"""Labels that say nothing of what the image shows: where no other stands, nobody said anything."""
_COLUMNS = ("ImageID", "StudyID", "PatientID", "Projection", "MethodLabel", "Labels")
_PERSON = ("PatientSex_DICOM", "PatientBirth", "StudyDate_DICOM")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this data set to its command."""
    methods = parser.add_mutually_exclusive_group()
    methods.add_argument("--physician", action="store_true", help="only images whose report a physician labelled")
    methods.add_argument("--rnn", action="store_true", help="only images whose report a network labelled")
    parser.add_argument("--neatx", action="store_true", help="tubes by NEATX's annotators on the images that they read")


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = padchest(arguments.tables)
    if arguments.physician or arguments.rnn:
        wanted = METHODS["Physician" if arguments.physician else "RNN_model"]
        items = datalist.sections["training"]
        datalist.sections["training"] = [item for item in items if item.source == wanted]
        left_out = len(items) - len(datalist.sections["training"])
        other = "without a physician" if arguments.physician else "by a physician"
        datalist = with_counts(datalist, {f"left out: reports labelled {other}": left_out})
    if arguments.neatx:
        datalist = with_tubes(datalist, arguments.tables)
    return with_images(datalist, arguments.images, arguments.out)


@without_garbage_collection()
def padchest(tables: Path) -> Datalist:
    """All rows that name a patient, all in ``training``, with every finding that is in the vocabulary and in the table.

    Labels outside the vocabulary are listed in the provenance as ``unmapped``, with the number of their images.

    Raises:
        TableError: the table is missing or wrong.
    """
    table = read_table(find_table(tables, *TABLES), _COLUMNS)
    has_people = all(column in table.columns for column in _PERSON)
    people_of = table.select(*_PERSON) if has_people else None
    labels: dict[str, frozenset[str] | None] = {}
    unmapped: Counter[str] = Counter()
    rows: list[tuple[Item, frozenset[str] | None]] = []
    seen: set[str] = set()
    for index, (image, study, patient, projection, method, cell) in enumerate(table.select(*_COLUMNS)):
        if image in seen or not image:
            what = "is named twice" if image else "has no name"
            raise TableError(f"{table.where(index)}: image {image!r} {what}.")
        seen.add(image)
        if cell not in labels:
            labels[cell] = _names(cell, table.where(index))
        names = labels[cell]
        unmapped.update(name for name in names or () if finding_of(name) is None and name not in _UNUSABLE)
        item = Item(image, patient, (), study, VIEWS.get(projection, projection))
        item.source = METHODS[one_of(method, tuple(METHODS), "MethodLabel", table.where(index))]
        if people_of is not None:
            item.attributes = _attributes(next(people_of), table.where(index))
        rows.append((item, names))
    findings = _findings(labels.values())
    made: dict[frozenset[str] | None, tuple[float, ...]] = {}
    for item, names in rows:
        if names not in made:
            made[names] = _label(names, findings)
        item.label = made[names]
    counts = {"rows of the table": len(rows), "rows that say nothing of findings": sum(n is None for _, n in rows)}
    return Datalist(
        name="PadChest",
        description="Labels from reports, by physicians (source physician) and by a network (source RNN).",
        findings=findings,
        sections={"training": [item for item, _ in rows], "validation": [], "test": []},
        provenance={"counts": counts, "unmapped": dict(unmapped.most_common())},
    )


def finding_of(label: str) -> str | None:
    """The vocabulary's finding that a label of PadChest is or is a kind of; None where there is none."""
    return _KINDS.get(label) or canonical(label)


def with_tubes(datalist: Datalist, tables: Path) -> Datalist:
    """PadChest with the four tubes as NEATX's annotators, combined, saw them, on the images that they read.

    Raises:
        TableError: NEATX's table is missing or wrong.
    """
    from app.datasets.neatx import TABLES as NEATX_TABLES
    from app.datasets.neatx import read_neatx

    tubes = {annotation.image: annotation.combined for annotation in read_neatx(find_table(tables, *NEATX_TABLES))}
    findings = (*(name for name in datalist.findings if name not in TUBES), *TUBES)
    order = [datalist.findings.index(name) if name in datalist.findings else -1 for name in findings]
    read = 0
    for item in (item for items in datalist.sections.values() for item in items):
        item.label = tuple(item.label[place] if place >= 0 else ABSENT for place in order)
        if item.image in tubes:
            item.label = (*item.label[: -len(TUBES)], *tubes[item.image])
            item.source += "+NEATX"
            read += 1
    datalist.findings = findings
    datalist.description += " Tubes by NEATX's annotators where they read them."
    return with_counts(
        datalist, {"images with tubes by NEATX": read, "left out: NEATX's images not here": len(tubes) - read}
    )


def _names(cell: str, where: str) -> frozenset[str] | None:
    """The labels of a cell, which is a Python list of texts, in small letters; None where they say nothing."""
    if cell.strip().casefold() in ("", "nan"):
        return None
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError) as error:
        raise TableError(f"{where}: 'Labels' must be a list such as ['pneumonia'], not {cell[:60]!r}.") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise TableError(f"{where}: 'Labels' must be a list of texts, not {cell[:60]!r}.")
    names = frozenset(" ".join(name.casefold().split()) for name in found) - {""}
    return names if names - _UNUSABLE else None


def _findings(rows: Iterable[frozenset[str] | None]) -> tuple[str, ...]:
    names = {name for row in rows if row for name in row}
    there = {finding_of(name) for name in names} | {NO_FINDING, *TUBES}
    return tuple(finding for finding in VOCABULARY if finding in there)


def _label(names: frozenset[str] | None, findings: tuple[str, ...]) -> tuple[float, ...]:
    if names is None:
        return (NOT_SAID,) * len(findings)
    present = {finding_of(name) for name in names}
    return tuple(PRESENT if finding in present else ABSENT for finding in findings)


def _attributes(cells: tuple[str, ...], where: str) -> Attributes:
    sex, birth, date = cells
    years = [cell[:4] for cell in (birth, date)]
    age = str(int(years[1]) - int(years[0])) if all(year.isdecimal() and len(year) == 4 for year in years) else ""
    return person(sex, age, where)
