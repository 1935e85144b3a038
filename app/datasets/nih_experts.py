"""Expert labels of ChestX-ray14's images: four findings on 4,376 of them, or sixteen on 810.

Sources, both of https://cloud.google.com/healthcare-api/docs/resources/public-datasets/nih-chest:

- GCS4L: Majkowska et al., "Chest Radiograph Interpretation with Deep Learning Models", Radiology 2020. Four findings,
  adjudicated by three radiologists. "Airspace opacity" is wider than any label of ChestX-ray14.
- GCS16L: Nabulsi et al., "Deep learning for distinguishing normal versus abnormal chest radiographs", Scientific
  Reports 2021. All 14 findings of ChestX-ray14, whether there is anything (``Abnormal``) and anything else (``Other``):
  the majority of three radiologists, who looked for findings only in images that they had called abnormal; PA views
  only, all of them among the test images of GCS4L.

Known faults: only images that those authors chose, enriched with findings, so prevalences mean nothing. No patient is
in both of GCS4L's sets, "val" and "test".

Tables: for GCS4L ``google2019_nih-chest-xray-labels.csv`` (or ``four_findings_expert_labels.csv``), for GCS16L
``all_findings_expert_labels_test_labels.csv`` (or ``all_findings_expert_labels.csv``, ``test_labels.csv``), gzipped or
not. The columns decide which of the two a table is, whatever its name.
"""

from __future__ import annotations

from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datasets.nih_tables import FINDINGS as NIH_FINDINGS
from app.datasets.nih_tables import known_people, patient_and_study, patient_number, person
from app.datasets.rows import add_once, rows
from app.files.tables import Table, TableError, one_of, optional_tables, read_table
from app.findings import ABSENT, PRESENT

FINDINGS = ("Fracture", "Pneumothorax", "Lung Opacity", "Nodule or Mass")
ALL_FINDINGS = (*NIH_FINDINGS, "Abnormal", "Other")
TABLES = (
    "google2019_nih-chest-xray-labels.csv",
    "four_findings_expert_labels.csv",
    "all_findings_expert_labels_test_labels.csv",
    "all_findings_expert_labels.csv",
    "test_labels.csv",
)
KINDS = {"4": "GCS4L, four findings", "16": "GCS16L, sixteen findings"}
_ANSWERS = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
_COLUMNS = ("Image Index", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position", "Set Id")
_SECTIONS = {"val": "validation", "test": "test"}
_YES_NO = {"YES": PRESENT, "NO": ABSENT, "1": PRESENT, "0": ABSENT}
"""``Abnormal`` is 1 or 0 in the table of the individual readers, YES or NO in the other."""


def expert_labels(tables: Path, kind: str | None = None) -> Datalist:
    """The experts' labels, without a training section.

    Items have bare file names. GCS4L has ``val`` as validation and ``test`` as test; GCS16L is all test. ``--split`` on
    the command line shares them out anew.

    Args:
        tables: Folder of the tables.
        kind: ``4`` or ``16`` findings; None for the table that is there.

    Raises:
        TableError: The table is missing or wrong, or both are there and ``kind`` does not say which.
    """
    found = {_kind_of(table): table for table in map(read_table, optional_tables(tables, *TABLES))}
    if not found or (kind is not None and kind not in found):
        wanted = "" if kind is None else f" with the columns of {KINDS[kind]}"
        raise TableError(f"{tables}: holds no {' or '.join(TABLES)}{wanted}.")
    if kind is None and len(found) > 1:
        named = " and ".join(table.path.name for table in found.values())
        raise TableError(f"{tables}: holds {named}: say which is meant by --experts 4 or --experts 16.")
    kind = kind or next(iter(found))
    return _four_findings(found[kind]) if kind == "4" else _all_findings(found[kind], tables)


def _kind_of(table: Table) -> str:
    if "Reader ID" in table.columns:
        raise TableError(f"{table.path}: holds each reader's labels ('Reader ID'); the table of all readers is needed.")
    for kind, columns in (("4", (*_COLUMNS, *_ANSWERS)), ("16", ("Image ID", "Patient ID", "Abnormal", "Other"))):
        if set(columns) <= set(table.columns):
            return kind
    raise TableError(
        f"{table.path}: has neither the columns of GCS4L ('Image Index', 'Airspace opacity', ...) nor those of GCS16L "
        f"('Image ID', 'Abnormal', ...). Columns found: {', '.join(map(repr, table.columns))}."
    )


def _four_findings(table: Table) -> Datalist:
    sections: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    images: set[str] = set()
    for where, (image, follow_up, patient, age, sex, view, section, *answers) in rows(table, *_COLUMNS, *_ANSWERS):
        add_once(image, images, where)
        patient = patient_number(patient)
        label = _label(answers, _ANSWERS, where)
        item = Item(image, patient, label, f"{patient}-{follow_up}", view, source="expert")
        item.attributes = person(sex, age, where)
        sections[_SECTIONS[one_of(section, tuple(_SECTIONS), "Set Id", where)]].append(item)
    return Datalist(
        name="ChestX-ray14 expert labels",
        description="Four findings adjudicated by three radiologists (GCS4L).",
        findings=FINDINGS,
        sections=sections,
        provenance={"counts": {"rows of the label table": len(images)}},
    )


def _all_findings(table: Table, tables: Path) -> Datalist:
    people = known_people(tables)
    items = []
    images: set[str] = set()
    for where, (image, patient, *answers) in rows(table, "Image ID", "Patient ID", *ALL_FINDINGS):
        add_once(image, images, where)
        named, study = patient_and_study(image, where)
        if patient_number(patient) != named:
            raise TableError(f"{where}: image {image!r} is of patient {named}, not {patient!r}.")
        # The release says that all are PA, as does ChestX-ray14's own table.
        view, attributes = people.get(image, ("PA", {}))
        label = _label(answers, ALL_FINDINGS, where)
        items.append(Item(image, named, label, study, view, source="expert", attributes=attributes))
    return Datalist(
        name="ChestX-ray14 expert labels of all findings",
        description="All 14 findings, abnormal and other: the majority of three radiologists (GCS16L).",
        findings=ALL_FINDINGS,
        sections={"training": [], "validation": [], "test": items},
        provenance={"counts": {"rows of the label table": len(items)}},
    )


def _label(cells: list[str], columns: tuple[str, ...], where: str) -> tuple[float, ...]:
    answers = zip(columns, cells, strict=True)
    return tuple(_YES_NO[one_of(cell, tuple(_YES_NO), column, where)] for column, cell in answers)
