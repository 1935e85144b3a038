"""Expert labels of four findings on 4,376 images of ChestX-ray14, adjudicated by three radiologists.

Source: Majkowska et al., "Chest Radiograph Interpretation with Deep Learning Models", Radiology 2020 (GCS4L);
https://cloud.google.com/healthcare-api/docs/resources/public-datasets/nih-chest. Known faults: only images
that those authors chose, enriched with findings, so prevalences say nothing; "airspace opacity" is wider than any label
of ChestX-ray14. No patient is in both of its sets, "val" and "test".

Table: ``google2019_nih-chest-xray-labels.csv`` (or ``all_findings_expert_labels.csv``), gzipped or not.
"""

from __future__ import annotations

from pathlib import Path

from app.data.item import Datalist, Item
from app.data.nih import person
from app.data.tables import TableError, find_table, one_of, read_table
from app.findings import ABSENT, PRESENT

FINDINGS = ("Fracture", "Pneumothorax", "Lung Opacity", "Nodule or Mass")
_ANSWERS = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
_COLUMNS = ("Image Index", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position", "Set Id")
_SECTIONS = {"val": "validation", "test": "test"}


def expert_labels(tables: Path) -> Datalist:
    """The experts' labels, alone: ``val`` as validation, ``test`` as test, nothing to train on.

    Items are named by their file name. ``--split`` on the command line shares them out anew.

    Raises:
        TableError: the table is missing or wrong.
    """
    path = find_table(tables, "google2019_nih-chest-xray-labels.csv", "all_findings_expert_labels.csv")
    table = read_table(path, (*_COLUMNS, *_ANSWERS))
    sections: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    images = set()
    answers = table.select(*_ANSWERS)
    for index, (image, follow_up, patient, age, sex, view, section) in enumerate(table.select(*_COLUMNS)):
        where = table.where(index)
        if image in images:
            raise TableError(f"{where}: image {image!r} is named twice.")
        images.add(image)
        said = zip(_ANSWERS, next(answers), strict=True)
        label = [PRESENT if one_of(cell, ("YES", "NO"), column, where) == "YES" else ABSENT for column, cell in said]
        patient = patient.lstrip("0") or "0"
        item = Item(image, patient, tuple(label), f"{patient}-{follow_up}", view, source="expert")
        item.attributes = person(sex, age, where)[0]
        sections[_SECTIONS[one_of(section, tuple(_SECTIONS), "Set Id", where)]].append(item)
    return Datalist(
        name="ChestX-ray14 expert labels",
        description="Four findings adjudicated by three radiologists (GCS4L).",
        findings=FINDINGS,
        sections=sections,
        provenance={"counts": {"rows of the label table": len(images)}},
    )
