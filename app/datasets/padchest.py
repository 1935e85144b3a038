"""PadChest: 160,868 radiographs of about 67,000 patients, 174 findings, 19 diagnoses and tubes, from Spanish reports.

Source: Bustos et al., "PadChest: A large chest x-ray image dataset with multi-label annotated reports", Medical Image
Analysis 2020; https://bimcv.cipf.es/bimcv-projects/padchest. CC BY-NC-SA 4.0 with a data use agreement: research only.
Known faults: 27% of the reports were labelled by physicians, the others by a recurrent network (``MethodLabel``, here
the item's source, ``physician`` or ``RNN``); a label says what a report says, so absent means not mentioned; some image
files are truncated or empty; some rows have no label, or only ``exclude``, ``suboptimal study`` or ``unchanged``, which
say nothing about what the image shows; study ids and file names contain dates.

Table: ``PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv``, gzipped or not.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person
from app.datalist.stored_images import with_images
from app.datasets.neatx_tables import TABLES as NEATX_TABLES
from app.datasets.neatx_tables import read_neatx
from app.datasets.report_labels import Names, label_by_names
from app.datasets.rows import add_once, rows
from app.files.tables import TableError, find_table, one_of, read_table
from app.findings import ABSENT, NO_FINDING, TUBES, canonical
from app.garbage import without_garbage_collection

TABLES = (
    "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
    "PADCHEST_chest_x_ray_images_labels_160K.csv",
    "padchest.csv",
)
METHODS = {"Physician": "physician", "RNN_model": "RNN"}
VIEWS = {"L": "LATERAL", "AP_horizontal": "AP_SUPINE"}
"""Views that are renamed; PA, AP, COSTAL and EXCLUDE stay."""

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
"""Labels that say nothing about what the image shows: without another label, nobody said anything."""
_COLUMNS = ("ImageID", "StudyID", "PatientID", "Projection", "MethodLabel", "Labels")
_PERSON = ("PatientSex_DICOM", "PatientBirth", "StudyDate_DICOM")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    methods = parser.add_mutually_exclusive_group()
    methods.add_argument("--physician", action="store_true", help="only images whose report a physician labelled")
    methods.add_argument("--rnn", action="store_true", help="only images whose report a network labelled")
    parser.add_argument("--neatx", action="store_true", help="tubes by NEATX's annotators on the images that they read")


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = padchest(arguments.tables)
    if arguments.physician or arguments.rnn:
        wanted = METHODS["Physician" if arguments.physician else "RNN_model"]
        reason = f"reports labelled {'without' if arguments.physician else 'by'} a physician"
        datalist = datalist.leaving_out(lambda item: "" if item.source == wanted else reason, [reason])
    if arguments.neatx:
        datalist = with_tubes(datalist, arguments.tables)
    return with_images(datalist, arguments.images, arguments.out)


@without_garbage_collection()
def padchest(tables: Path) -> Datalist:
    """All rows in ``training``, with every finding that is in the vocabulary and in the table.

    The provenance lists labels outside the vocabulary as ``unmapped``, with the number of their images.

    Raises:
        TableError: The table is missing or wrong.
    """
    table = read_table(find_table(tables, *TABLES), _COLUMNS)
    has_people = all(column in table.columns for column in _PERSON)
    columns = (*_COLUMNS, *_PERSON) if has_people else _COLUMNS
    labels: dict[str, Names] = {}
    named: list[tuple[Item, Names]] = []
    seen: set[str] = set()
    for where, (image, study, patient, projection, method, cell, *cells) in rows(table, *columns):
        if not image:
            raise TableError(f"{where}: image {image!r} has no name.")
        add_once(image, seen, where)
        if cell not in labels:
            labels[cell] = _names(cell, where)
        item = Item(image, patient, (), study, VIEWS.get(projection, projection))
        item.source = METHODS[one_of(method, tuple(METHODS), "MethodLabel", where)]
        if cells:
            item.attributes = _attributes(cells, where)
        named.append((item, labels[cell]))
    findings, unmapped = label_by_names(named, finding_of, (NO_FINDING, *TUBES))
    counts = {"rows of the table": len(named), "rows that say nothing of findings": sum(n is None for _, n in named)}
    description = "Labels from reports, by physicians (source physician) and by a network (source RNN)."
    datalist = Datalist.unsplit("PadChest", findings, [item for item, _ in named], description, counts)
    datalist.provenance["unmapped"] = unmapped
    return datalist


def finding_of(label: str) -> str | None:
    """The finding of the vocabulary that a label of PadChest is, or is a kind of; None if there is none.

    Example:
        >>> finding_of("laminar atelectasis"), finding_of("scoliosis")
        ('Atelectasis', None)
    """
    return _KINDS.get(label) or canonical(label)


def meaningful(labels: Iterable[str]) -> Names:
    """Labels in small letters, without those that say nothing; None if no other is left.

    Example:
        >>> meaningful(["Exclude", " pleural  effusion"]), meaningful(["unchanged"])
        (frozenset({'pleural effusion'}), None)
    """
    return frozenset(" ".join(name.casefold().split()) for name in labels) - {""} - _UNUSABLE or None


def with_tubes(datalist: Datalist, tables: Path) -> Datalist:
    """PadChest with the four tubes as NEATX's annotators, combined, saw them, on the images that they read.

    Raises:
        TableError: NEATX's table is missing or wrong.
    """
    tubes = {annotation.image: annotation.combined for annotation in read_neatx(find_table(tables, *NEATX_TABLES))}
    findings = (*(name for name in datalist.findings if name not in TUBES), *TUBES)
    order = [datalist.findings.index(name) if name in datalist.findings else -1 for name in findings]
    read = 0
    for item in datalist.items():
        item.label = tuple(item.label[index] if index >= 0 else ABSENT for index in order)
        if item.image in tubes:
            item.label = (*item.label[: -len(TUBES)], *tubes[item.image])
            item.source += "+NEATX"
            read += 1
    datalist.findings = findings
    datalist.description += " Tubes by NEATX's annotators where they read them."
    return datalist.with_counts(
        {"images with tubes by NEATX": read, "left out: NEATX's images not here": len(tubes) - read}
    )


def _names(cell: str, where: str) -> Names:
    """The labels in a cell, which holds a Python list of texts, in small letters; None if they mean nothing."""
    if cell.strip().casefold() in ("", "nan"):
        return None
    try:
        labels = ast.literal_eval(cell)
    except (ValueError, SyntaxError) as error:
        raise TableError(f"{where}: 'Labels' must be a list such as ['pneumonia'], not {cell[:60]!r}.") from error
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise TableError(f"{where}: 'Labels' must be a list of texts, not {cell[:60]!r}.")
    return meaningful(labels)


def _attributes(cells: list[str], where: str) -> Attributes:
    sex, birth, date = cells
    years = [cell[:4] for cell in (birth, date)]
    age = str(int(years[1]) - int(years[0])) if all(year.isdecimal() and len(year) == 4 for year in years) else ""
    return person(sex, age, where)
