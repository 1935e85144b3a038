"""VinDr-PCXR: 9,125 radiographs of children, boxes of local findings and labels of diseases by one radiologist each.

Source: Pham et al., "PediCXR: An open, large-scale chest radiograph dataset for interpretation of common thoracic
diseases in children", Scientific Data 2023; https://physionet.org/content/vindr-pcxr, whose description and public
readers give the form of the tables. PhysioNet, restricted access with an agreement: no redistribution. Known faults:
one reader an image; patients are not given; ages, in the DICOM files alone, are often missing; most diseases occur on
fewer than 20 images; names are misspelt (mended here); boxes are in pixels of the original DICOM.

Tables: ``annotations_train.csv``, ``annotations_test.csv`` (``image_id``, ``class_name``, ``x_min``, ``y_min``,
``x_max``, ``y_max``), ``image_labels_train.csv``, ``image_labels_test.csv`` (``image_id`` and a column of 0 or 1 for
each disease).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.rows import UNKNOWN_PATIENTS, add_once, box_between, rows
from app.files.tables import TableError, find_table, one_of, read_table
from app.findings import ABSENT, NO_FINDING, PRESENT, canonical

SECTIONS = {"training": "train", "test": "test"}
_ABOUT = ("image_id", "rad_ID", "rad_id")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_STATES = {"1": PRESENT, "0": ABSENT, "1.0": PRESENT, "0.0": ABSENT}
_MISSPELT = {
    "Bronchectasis": "Bronchiectasis",
    "Brocho-pneumonia": "Bronchopneumonia",
    "Diagphramatic hernia": "Diaphragmatic hernia",
    "Diffuse aveolar opacity": "Diffuse alveolar opacity",
    "Interstitial lung disease - ILD": "Interstitial Lung Disease",
    "Paraveterbral mass": "Paravertebral mass",
}


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``<image_id>.dicom``, or of another suffix, of the original size."""
    return with_images(pcxr(arguments.tables), arguments.images, arguments.out)


def pcxr(tables: Path) -> Datalist:
    """All images in the published sections: diseases first, then local findings, which alone are annotated.

    A local finding is present if it has a box, else absent, and nowhere. Names that the vocabulary does not have stay.

    Raises:
        TableError: A table is missing or wrong, or the two sections have other diseases.
    """
    boxes: dict[str, list[Box]] = defaultdict(list)
    labels: dict[str, dict[str, dict[str, int]]] = {}
    for section, name in SECTIONS.items():
        labels[section] = _read_labels(find_table(tables, f"image_labels_{name}.csv"))
        _read_boxes(find_table(tables, f"annotations_{name}.csv"), labels[section], boxes)
    diseases = {tuple(label) for by_image in labels.values() for label in by_image.values()}
    if len(diseases) != 1:
        raise TableError(f"{tables}: the tables of labels have no rows, or columns of other diseases in each.")
    (named,) = diseases
    drawn = {box.finding for each in boxes.values() for box in each}
    if both := drawn & set(named):
        raise TableError(f"{tables}: {min(both)!r} is a disease and has boxes.")
    local = tuple(sorted(drawn))
    sections: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    for section, by_image in labels.items():
        sections[section] = [_item(image, label, boxes[image], local) for image, label in by_image.items()]
    count = sum(map(len, sections.values()))
    counts = {"images": count, "boxes": sum(map(len, boxes.values())), UNKNOWN_PATIENTS: count}
    description = "Children: labels of diseases and boxes of local findings, by one radiologist an image."
    return Datalist("VinDr-PCXR", (*named, *local), sections, description, {"counts": counts})


def _finding(name: str) -> str:
    return _MISSPELT.get(name) or canonical(name) or name


def _read_labels(path: Path) -> dict[str, dict[str, int]]:
    table = read_table(path, ("image_id",))
    columns = [name for name in table.columns if name not in _ABOUT]
    names = [_finding(name) for name in columns]
    labels: dict[str, dict[str, int]] = {}
    seen: set[str] = set()
    for where, (image, *cells) in rows(table, "image_id", *columns):
        add_once(image, seen, where)
        states = [one_of(cell, tuple(_STATES), name, where) for cell, name in zip(cells, columns, strict=True)]
        labels[image] = {name: _STATES[state] for name, state in zip(names, states, strict=True)}
    return labels


def _read_boxes(path: Path, images: dict[str, dict[str, int]], boxes: dict[str, list[Box]]) -> None:
    """Add the boxes of a section's table to those by image."""
    for where, (image, name, *cells) in rows(read_table(path), "image_id", "class_name", *_CORNERS):
        if image not in images:
            raise TableError(f"{where}: image {image!r} is not in the table of labels.")
        finding = _finding(name)
        if finding != NO_FINDING:
            boxes[image].append(box_between(finding, cells, _CORNERS, where))
        elif any(cells):
            raise TableError(f"{where}: {name!r} with a box, {','.join(cells)}.")


def _item(image: str, label: dict[str, int], boxes: list[Box], local: tuple[str, ...]) -> Item:
    drawn = {box.finding for box in boxes}
    states = (*label.values(), *(PRESENT if name in drawn else ABSENT for name in local))
    return Item(f"{image}.dicom", image, states, boxes=tuple(boxes), annotated=local, source="VinDr-PCXR")
