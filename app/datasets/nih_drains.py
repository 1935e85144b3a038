"""Chest drains on ChestX-ray14's images: 3,543 labelled by two people without medical training, 1,592 by a radiologist.

Sources: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations" (NEATX),
https://zenodo.org/records/14944064; the expert's are those of Oakden-Rayner et al., "Hidden Stratification Causes
Clinically Meaningful Failures in Machine Learning for Medical Imaging", CHIL 2020, which their author gives on request.
Known faults: all images are labelled Pneumothorax in ChestX-ray14, so that prevalences say nothing.

Tables: ``NIH-CX14_TubeAnnotations_NonExperts_aggregated.csv``, whose ``Drain`` is 1 or 0 where both annotators were
certain, beside each annotator's certainty, ``Drain_a1`` and ``Drain_a2`` (0, 0.25, 0.5, 0.75, 1 or INVALID); and
``expert_drains.csv`` (a name of ours), with ``Image Index`` and ``drain``, 1 or 0. These forms are those that public
code reads; the tables themselves were not at hand. Sex, age and view come from ChestX-ray14's own label table, where it
lies in the same folder; the patient stands in the image's name.
"""

from __future__ import annotations

from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datasets.neatx import certainty
from app.datasets.nih import known_people, patient_and_study
from app.files.tables import Table, TableError, find_table, one_of, read_table
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

FINDING = "Chest Drain"
READERS = {"combined": "Drain", "1": "Drain_a1", "2": "Drain_a2", "expert": "drain"}
"""Whose labels, and their column."""
NON_EXPERTS = ("NIH-CX14_TubeAnnotations_NonExperts_aggregated.csv", "neatx_nih_aggregated.csv")
EXPERT = ("expert_drains.csv",)
_STATES = {"1": PRESENT, "2": PRESENT, "0": ABSENT, "-1": UNCERTAIN, "": NOT_SAID}
"""A 2, which public code takes for present, is two drains or two annotators; -1 and empty are in no code."""


def drains(tables: Path, reader: str) -> Datalist:
    """Chest drains by one reader, all images in ``training``.

    Args:
        tables: folder of the tables.
        reader: ``combined`` for the two annotators as one, ``1`` or ``2`` for the certainties of one, or ``expert``.

    Raises:
        TableError: the table is missing or wrong.
    """
    table = read_table(find_table(tables, *(EXPERT if reader == "expert" else NON_EXPERTS)))
    column = _column(table, READERS[reader])
    people = known_people(tables)
    items = []
    images: set[str] = set()
    for index, (image, cell) in enumerate(table.select("Image Index", column)):
        where = table.where(index)
        if image in images:
            raise TableError(f"{where}: image {image!r} is named twice.")
        images.add(image)
        patient, study = patient_and_study(image, where)
        view, attributes = people.get(image, ("", {}))
        value = certainty(cell, column, where) if reader in ("1", "2") else _state(cell, column, where)
        item = Item(image, patient, (value,), study, view, source=_source(reader))
        item.attributes = attributes
        items.append(item)
    return Datalist(
        name="ChestX-ray14 chest drains",
        description=f"Chest drains by {_source(reader)}, on images labelled Pneumothorax.",
        findings=(FINDING,),
        sections={"training": items, "validation": [], "test": []},
        provenance={"counts": {"rows of the drain table": len(items)}},
    )


def _column(table: Table, name: str) -> str:
    """The column of a name in capitals or small letters, else the name."""
    return next((column for column in table.columns if column.casefold() == name.casefold()), name)


def _state(cell: str, column: str, where: str) -> float:
    text = cell.strip().removesuffix(".0")
    return _STATES[one_of(text, tuple(_STATES), column, where)]


def _source(reader: str) -> str:
    return {"combined": "NEATX", "expert": "a radiologist"}.get(reader, f"NEATX annotator {reader}")
