"""BRAX: 40,967 radiographs of 24,959 studies in a Brazilian hospital, CheXpert's labels from Portuguese reports.

Source: Reis et al., "BRAX, Brazilian labeled chest x-ray dataset", Scientific Data 2022;
https://physionet.org/content/brax, whose description and public readers give the form of the table. PhysioNet
Credentialed Health Data License: research only, no redistribution. Known faults: labels are what a program read in
reports, one set for all images of a study; an empty cell means not mentioned; an accession number is not said to be
unique, so that a study is a patient's accession number; ages are groups of five years, and ``85 or more`` counts as 85.

Table: ``master_spreadsheet_update.csv`` (or ``master_spreadsheet.csv``), gzipped or not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import patient_of, person
from app.datalist.stored_images import with_images
from app.datasets.arguments import EMPTY, add_empty_argument
from app.datasets.chexpert import COLUMNS, FINDINGS, meaning_of, read_labels
from app.datasets.rows import add_once, rows
from app.datasets.views import LATERAL, add_view_arguments, chosen_views
from app.files.tables import find_table, read_table
from app.findings import NOT_SAID

TABLES = ("master_spreadsheet_update.csv", "master_spreadsheet.csv")
_ABOUT = ("PngPath", "PatientID", "PatientSex", "PatientAge", "AccessionNumber", "ViewPosition")
_OLDEST = {"85 or more": "85"}
_VIEWS = {"L": LATERAL, "LL": LATERAL, "RL": LATERAL}
"""Views that are renamed; decubitus and oblique ones stay."""
_PARTS = 4
"""An image is named by patient, study, series and file, as names of files recur."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    add_empty_argument(parser)
    add_view_arguments(parser)


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = chosen_views(brax(arguments.tables, EMPTY[arguments.empty]), arguments)
    return with_images(datalist, arguments.images, arguments.out, parts=_PARTS)


def brax(tables: Path, empty: int = NOT_SAID) -> Datalist:
    """All rows in ``training``, named by the table's ``PngPath``.

    Args:
        tables: Folder of the table.
        empty: Meaning of an empty cell, ``NOT_SAID`` or ``ABSENT``.

    Raises:
        TableError: The table is missing or wrong.
    """
    table = read_table(find_table(tables, *TABLES), (*_ABOUT, *COLUMNS))
    items: list[Item] = []
    seen: set[str] = set()
    for (where, cells), label in zip(rows(table, *_ABOUT), read_labels(table, empty), strict=True):
        image, patient, sex, age, accession, view = (cell.strip() for cell in cells)
        add_once(image, seen, where)
        patient = patient_of(patient, where)
        item = Item(image, patient, label, f"{patient}-{accession}", _VIEWS.get(view, view), source="BRAX")
        item.attributes = person(sex, _OLDEST.get(age, age), where)
        items.append(item)
    meaning = meaning_of(empty)
    description = f"Labels mined from reports, uncertain ones apart; an empty one means: {meaning}."
    datalist = Datalist.unsplit("BRAX", FINDINGS, items, description, {"rows of the table": len(items)})
    datalist.provenance["empty"] = meaning
    return datalist
