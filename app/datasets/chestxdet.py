"""ChestX-Det: outlines of 13 findings by three radiologists on 3,578 radiographs of ChestX-ray14.

Source: Lian et al., "A Structure-Aware Relation Network for Thoracic Diseases Detection and Segmentation", IEEE TMI
2021; https://github.com/Deepwise-AILab/ChestX-Det-Dataset, whose README and files give the form. No licence is stated;
the images are ChestX-ray14's. Known faults: images have numbers of their own, so that neither the patient nor the
ChestX-ray14 image is known: do not test a model trained on one with the other; which of the three drew is not given.

Tables: ``ChestX_Det_train.json`` and ``ChestX_Det_test.json``: lists of ``file_name``, ``syms`` (findings), ``boxes``
(x1, y1, x2, y2) and ``polygons`` (lists of x, y), in pixels of the 1024x1024 image.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import polygon, rectangles, runs_of, union
from app.datalist.stored_images import with_images
from app.datasets.rows import UNKNOWN_PATIENTS, add_once, box_between, read_json
from app.files.tables import TableError, find_table, one_of
from app.findings import ABSENT, PRESENT

FINDINGS = (
    *("Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "Diffuse Nodule", "Effusion", "Emphysema"),
    *("Fibrosis", "Fracture", "Mass", "Nodule", "Pleural Thickening", "Pneumothorax"),
)
FRAME = (1024, 1024)
TABLES = {"training": "ChestX_Det_train.json", "test": "ChestX_Det_test.json"}
_KEYS = ("syms", "boxes", "polygons")


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``36199.png`` and so on, of any size and image suffix."""
    return with_images(chestxdet(arguments.tables), arguments.images, arguments.out, FRAME)


def chestxdet(tables: Path) -> Datalist:
    """All images in the published sections, with one mask a finding; a finding without one is absent, and nowhere.

    An instance without a polygon counts as its box.

    Raises:
        TableError: A file is missing or wrong.
    """
    seen: set[str] = set()
    sections: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    for section, name in TABLES.items():
        path = find_table(tables, name)
        content = read_json(path)
        if not isinstance(content, list):
            raise TableError(f"{path}: must be a list of images, not {type(content).__name__}.")
        for index, entry in enumerate(content):
            item = _item(entry, f"{path}, [{index}]")
            add_once(item.image, seen, f"{path}, [{index}]")
            sections[section].append(item)
    counts = {"images": len(seen), UNKNOWN_PATIENTS: len(seen)}
    description = "Outlines of 13 findings by radiologists."
    return Datalist("ChestX-Det", FINDINGS, sections, description, {"counts": counts})


def _item(entry: Any, where: str) -> Item:  # noqa: ANN401 - JSON
    lists = [entry[key] for key in _KEYS if isinstance(entry.get(key), list)] if isinstance(entry, dict) else []
    if len(lists) < len(_KEYS) or not isinstance(entry.get("file_name"), str):
        raise TableError(f"{where}: must have 'file_name' and lists {', '.join(map(repr, _KEYS))}.")
    if len(set(map(len, lists))) > 1:
        raise TableError(f"{where}: {', '.join(_KEYS)} have {', '.join(str(len(each)) for each in lists)} entries.")
    masks: dict[str, list[RunLengths]] = defaultdict(list)
    for name, box, points in zip(*lists, strict=True):
        masks[one_of(name, FINDINGS, "syms", where)].append(_mask(name, box, points, where))
    image = entry["file_name"]
    label = tuple(PRESENT if name in masks else ABSENT for name in FINDINGS)
    item = Item(image, image.rpartition(".")[0], label, annotated=FINDINGS, source="ChestX-Det")
    item.mask = {name: union(parts) for name, parts in masks.items()}
    return item


def _mask(finding: str, corners: object, points: object, where: str) -> RunLengths:
    if not isinstance(corners, list) or len(corners) != 4:
        raise TableError(f"{where}: a box must be [x1, y1, x2, y2], not {corners!r}.")
    box = box_between(finding, [str(value) for value in corners], ("x1", "y1", "x2", "y2"), where)
    if not isinstance(points, list) or not all(isinstance(point, list) for point in points):
        raise TableError(f"{where}: a polygon must be a list of [x, y].")
    try:
        mask = polygon(list(chain.from_iterable(points)), FRAME) if points else None
    except ValueError as error:
        raise TableError(f"{where}: {error}.") from error
    return mask if mask is not None and runs_of(mask) else rectangles([box], FRAME)
