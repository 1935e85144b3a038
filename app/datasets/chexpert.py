"""CheXpert: 223,414 radiographs of 64,540 patients in its training table, labels by a rule-based reader of reports.

Source: Irvin et al., "CheXpert: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert Comparison", AAAI
2019; https://stanfordmlgroup.github.io/competitions/chexpert. Stanford University Dataset Research Use Agreement: non-
commercial research, no redistribution. Known faults: labels are what a program read in reports, one set for all images
of a study; an empty cell means not mentioned, which is not the same as absent; "No Finding" ignores support devices;
the heart's shadow, the mediastinum and opacities are labelled in a hierarchy; 17 images are frontal but have a lateral
projection (LL or RL), and one has no sex and three have age 0 (left out as unknown).

Tables: ``train.csv`` (or ``chexpert_train.csv``) and, optionally, ``valid.csv`` (``chexpert_valid.csv``), labelled by
three radiologists, which becomes the test section. Each may be gzipped.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from app.annotations.subset import first_of_studies, with_views
from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person
from app.datalist.stored_images import with_images
from app.datasets.arguments import EMPTY, add_empty_argument
from app.datasets.rows import add_once, rows
from app.files.tables import Table, TableError, find_table, one_of, optional_table, read_table
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN, canonical
from app.garbage import without_garbage_collection

TRAINING_TABLES = ("train.csv", "chexpert_train.csv")
TEST_TABLES = ("valid.csv", "chexpert_valid.csv")
COLUMNS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
FINDINGS = tuple(canonical(name) or name for name in COLUMNS)
"""Of CheXpert's 14 columns, in their order; ``Pleural Effusion`` is the vocabulary's ``Effusion``."""

_ABOUT = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
_PROJECTIONS = ("AP", "PA", "LL", "RL", "")
"""Allowed values of ``AP/PA``."""
_STATES = {"1.0": PRESENT, "0.0": ABSENT, "-1.0": UNCERTAIN, "1": PRESENT, "0": ABSENT, "-1": UNCERTAIN}
# Every study's folder has a view1_frontal.jpg: only patient, study and name together are unique.
_PARTS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    add_empty_argument(parser)
    parser.add_argument("--view", choices=("frontal", "lateral"), help="only these images (default: both)")
    parser.add_argument(
        "--first-of-study", action="store_true", help="only the first image of each study, which shares its labels"
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = chexpert(arguments.tables, EMPTY[arguments.empty])
    if arguments.view:
        datalist = with_views(datalist, ("LATERAL",), keep=arguments.view == "lateral")
    if arguments.first_of_study:
        datalist = first_of_studies(datalist)
    return with_images(datalist, arguments.images, arguments.out, parts=_PARTS)


@without_garbage_collection()
def chexpert(tables: Path, empty: int = NOT_SAID) -> Datalist:
    """All rows of the training table in ``training``, those of the radiologists' in ``test``.

    Items are named by the table's ``Path``; their view is AP, PA or LATERAL.

    Args:
        tables: Folder of the tables.
        empty: Meaning of an empty cell, ``NOT_SAID`` or ``ABSENT``.

    Raises:
        TableError: A table is missing or wrong.
    """
    notes: Counter[str] = Counter()
    training = _items(find_table(tables, *TRAINING_TABLES), "CheXpert", empty, notes)
    test_table = optional_table(tables, *TEST_TABLES)
    test = [] if test_table is None else _items(test_table, "radiologists", empty, notes)
    counts = {"rows of the training table": len(training), "rows of the radiologists' table": len(test), **notes}
    meaning = meaning_of(empty)
    return Datalist(
        name="CheXpert",
        description=f"Labels mined from reports, uncertain ones apart; an empty one means: {meaning}.",
        findings=FINDINGS,
        sections={"training": training, "validation": [], "test": test},
        provenance={"counts": counts, "empty": meaning},
    )


def _items(path: Path, source: str, empty: int, notes: Counter[str]) -> list[Item]:
    table = read_table(path, (*_ABOUT, *COLUMNS))
    labels = iter(read_labels(table, empty))
    # Few texts recur in many rows: each is checked once, and its value is shared.
    people: dict[tuple[str, str], Attributes] = {}
    texts: dict[str, str] = {}
    seen: set[str] = set()
    items = []
    for where, (image, sex, age, side, projection) in rows(table, *_ABOUT):
        if (sex, age) not in people:
            people[sex, age] = person(sex, "" if age == "0" else age, where)
        parts = image.split("/")
        if len(parts) < _PARTS:
            raise TableError(f"{where}: image {image!r} must end with patient/study/file.")
        add_once(image, seen, where)
        if side != "Lateral":
            one_of(side, ("Frontal", "Lateral"), "Frontal/Lateral", where)
            one_of(projection, _PROJECTIONS, "AP/PA", where)
            notes["frontal images with a lateral projection"] += projection in ("LL", "RL")
        patient = texts.setdefault(parts[-3], parts[-3])
        study = f"{patient}-{parts[-2]}"
        item = Item(image, patient, next(labels), texts.setdefault(study, study))
        item.view = "LATERAL" if side == "Lateral" else texts.setdefault(projection, projection)
        item.source, item.attributes = source, people[sex, age]
        items.append(item)
    return items


def read_labels(table: Table, empty: int) -> list[tuple[float, ...]]:
    """The label of each row of a table with CheXpert's 14 columns, in the order of ``FINDINGS``.

    Args:
        table: With ``COLUMNS``, in any order.
        empty: Meaning of an empty cell, ``NOT_SAID`` or ``ABSENT``.

    Raises:
        TableError: A column is missing, or a cell is not 1, 0, -1 (also with ``.0``) or empty.
    """
    known: dict[tuple[str, ...], tuple[float, ...]] = {}
    labels = []
    for index, cells in enumerate(table.select(*COLUMNS)):
        if cells not in known:
            known[cells] = _label(cells, empty, table.where(index))
        labels.append(known[cells])
    return labels


def meaning_of(empty: int) -> str:
    """What an empty label means, in words."""
    return "absent" if empty == ABSENT else "nobody said anything"


def _label(cells: tuple[str, ...], empty: int, where: str) -> tuple[float, ...]:
    for column, cell in zip(COLUMNS, cells, strict=True):
        if cell and cell not in _STATES:
            one_of(cell, ("1.0", "0.0", "-1.0", ""), column, where)
    return tuple(_STATES[cell] if cell else empty for cell in cells)
