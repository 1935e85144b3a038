"""Chest drains on ChestX-ray14's images: 3,543 labelled by two people without medical training, 1,592 by a radiologist.

Sources: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations" (NEATX),
https://zenodo.org/records/14944064; the expert's are those of Oakden-Rayner et al., "Hidden Stratification Causes
Clinically Meaningful Failures in Machine Learning for Medical Imaging", CHIL 2020, which their author gives on request.
Known faults: all images are labelled Pneumothorax in ChestX-ray14, so prevalences mean nothing.

Tables: ``NIH-CX14_TubeAnnotations_NonExperts_aggregated.csv``, whose ``Drain`` is 1 or 0 if both annotators were
certain, beside each annotator's certainty, ``Drain_a1`` and ``Drain_a2`` (0, 0.25, 0.5, 0.75, 1 or INVALID); and
``expert_drains.csv`` (a name of ours), with ``Image Index`` and ``drain``, 1 or 0. These are the forms that public code
reads; the tables themselves were not available. Sex, age and view come from ChestX-ray14's own label table, if it is in
the same folder; the image's name gives the patient.
"""

from __future__ import annotations

from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datasets.neatx_tables import certainty
from app.datasets.nih_tables import known_people, patient_and_study
from app.datasets.rows import add_once, rows
from app.files.tables import find_table, one_of, read_table
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

FINDING = "Chest Drain"
READERS = {"combined": "Drain", "1": "Drain_a1", "2": "Drain_a2", "expert": "drain"}
"""Whose labels, and their column."""
SOURCES = {
    "combined": "NEATX",
    "1": "NEATX annotator 1",
    "2": "NEATX annotator 2",
    "expert": "a radiologist",
}
NON_EXPERTS = ("NIH-CX14_TubeAnnotations_NonExperts_aggregated.csv", "neatx_nih_aggregated.csv")
EXPERT = ("expert_drains.csv",)
_STATES = {"1": PRESENT, "2": PRESENT, "0": ABSENT, "-1": UNCERTAIN, "": NOT_SAID}
"""A 2, which public code takes for present, is two drains or two annotators; -1 and empty are in no code."""


def drains(tables: Path, reader: str) -> Datalist:
    """Chest drains by one reader, all images in ``training``.

    Args:
        tables: Folder of the tables.
        reader: ``combined`` for the two annotators together, ``1`` or ``2`` for one's certainties, or ``expert``.

    Raises:
        TableError: The table is missing or wrong.
    """
    table = read_table(find_table(tables, *(EXPERT if reader == "expert" else NON_EXPERTS)))
    name = READERS[reader]
    column = next((each for each in table.columns if each.casefold() == name.casefold()), name)
    people = known_people(tables)
    items = []
    images: set[str] = set()
    for where, (image, cell) in rows(table, "Image Index", column):
        add_once(image, images, where)
        patient, study = patient_and_study(image, where)
        view, attributes = people.get(image, ("", {}))
        value = certainty(cell, column, where) if reader in ("1", "2") else _state(cell, column, where)
        items.append(Item(image, patient, (value,), study, view, source=SOURCES[reader], attributes=attributes))
    description = f"Chest drains by {SOURCES[reader]}, on images labelled Pneumothorax."
    counts = {"rows of the drain table": len(items)}
    return Datalist.unsplit("ChestX-ray14 chest drains", (FINDING,), items, description, counts)


def _state(cell: str, column: str, where: str) -> float:
    return _STATES[one_of(cell.strip().removesuffix(".0"), tuple(_STATES), column, where)]
