"""MIMIC-CXR-JPG: 377,110 radiographs of 65,379 patients in 227,827 studies, labels mined from reports by two programs.

Source: Johnson et al., "MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs", 2019;
https://physionet.org/content/mimic-cxr-jpg, whose description and public readers give the form of the tables. PhysioNet
Credentialed Health Data License: training in human research, research only, no redistribution. Known faults: labels are
what a program read in reports, one set for all images of a study; an empty cell means not mentioned; the two programs
differ; a few studies have no row of labels; some images have no view; sex and age are in MIMIC-IV alone.

Tables, each gzipped or not: ``mimic-cxr-2.0.0-metadata.csv``, ``-split.csv``, and ``-chexpert.csv`` or ``-negbio.csv``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.arguments import EMPTY, add_empty_argument
from app.datasets.chexpert import COLUMNS, FINDINGS, meaning_of, read_labels
from app.datasets.rows import add_once, rows
from app.datasets.views import LATERAL, add_view_arguments, chosen_views
from app.files.tables import TableError, find_table, one_of, read_table
from app.findings import NOT_SAID
from app.garbage import without_garbage_collection

SECTIONS = {"train": "training", "validate": "validation", "test": "test"}
LABELLERS = {"chexpert": "CheXpert's labeler", "negbio": "NegBio"}
_VIEWS = {"LL": LATERAL, "RL": LATERAL}
"""Views that are renamed: DICOM's left and right lateral."""
_NOTHING: tuple[float, ...] = (NOT_SAID,) * len(FINDINGS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument(
        "--labeller", choices=tuple(LABELLERS), default="chexpert", help="program whose labels to take (%(default)s)"
    )
    add_empty_argument(parser)
    add_view_arguments(parser)


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = mimic(arguments.tables, arguments.labeller, EMPTY[arguments.empty])
    return with_images(chosen_views(datalist, arguments), arguments.images, arguments.out)


@without_garbage_collection()
def mimic(tables: Path, labeller: str = "chexpert", empty: int = NOT_SAID) -> Datalist:
    """All images in the sections of the published split.

    They are named such as ``files/p10/p10000032/s50414267/<dicom_id>.jpg``, as they are stored.

    Args:
        tables: Folder of the tables.
        labeller: A key of ``LABELLERS``.
        empty: Meaning of an empty cell, ``NOT_SAID`` or ``ABSENT``. A study without a row says nothing in any case.

    Raises:
        TableError: A table is missing or wrong, or an image is not in the split.
    """
    labels = _labels_by_study(find_table(tables, f"mimic-cxr-2.0.0-{labeller}.csv"), empty)
    section_of = _sections(find_table(tables, "mimic-cxr-2.0.0-split.csv"))
    table = read_table(find_table(tables, "mimic-cxr-2.0.0-metadata.csv"))
    sections: dict[str, list[Item]] = {section: [] for section in SECTIONS.values()}
    seen: set[str] = set()
    for where, (image, patient, study, view) in rows(table, "dicom_id", "subject_id", "study_id", "ViewPosition"):
        add_once(image, seen, where)
        if not (patient.isdecimal() and study.isdecimal()):
            raise TableError(f"{where}: 'subject_id' and 'study_id' must be numbers, not {patient!r} and {study!r}.")
        if image not in section_of:
            raise TableError(f"{where}: image {image!r} is not in the table of the split.")
        item = Item(
            f"files/p{patient[:2]}/p{patient}/s{study}/{image}.jpg", patient, labels.get(study, _NOTHING), study
        )
        item.view, item.source = _VIEWS.get(view, view), LABELLERS[labeller]
        sections[section_of[image]].append(item)
    items = [item for part in sections.values() for item in part]
    counts = {
        "rows of the metadata": len(items),
        "images of studies without a row of labels": sum(item.study not in labels for item in items),
    }
    meaning = meaning_of(empty)
    description = f"Labels mined from reports by {LABELLERS[labeller]}; an empty one means: {meaning}."
    return Datalist("MIMIC-CXR-JPG", FINDINGS, sections, description, {"counts": counts, "empty": meaning})


def _labels_by_study(path: Path, empty: int) -> dict[str, tuple[float, ...]]:
    table = read_table(path, ("study_id", *COLUMNS))
    labels: dict[str, tuple[float, ...]] = {}
    for (where, (study,)), label in zip(rows(table, "study_id"), read_labels(table, empty), strict=True):
        if study in labels:
            raise TableError(f"{where}: study {study!r} is named twice.")
        labels[study] = label
    return labels


def _sections(path: Path) -> dict[str, str]:
    table = read_table(path)
    return {
        image: SECTIONS[one_of(name, tuple(SECTIONS), "split", where)]
        for where, (image, name) in rows(table, "dicom_id", "split")
    }
