"""TBX11K: 8,400 radiographs with published labels, boxes of tuberculosis on 799 of them.

Source: Liu et al., "Rethinking Computer-Aided Tuberculosis Diagnosis", CVPR 2020; https://mmcheng.net/tb, whose own
code that writes the JSON files gives their form. Their licence field says CC BY-NC-SA 2.0. Known faults: patients are
not given; the labels of the 3,302 test images are kept back; one image of tuberculosis has no box; the XML files beside
the JSON are in pixels of originals that were not published, and are not read.

Tables, in ``--tables`` or in its ``annotations/json``: ``TBX11K_train.json`` and ``TBX11K_val.json``, in COCO's form,
with ``bbox`` in pixels of the 512x512 image, and images named by folder: ``health/``, ``sick/`` (not tuberculosis),
``tb/``.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.rows import UNKNOWN_PATIENTS, add_once, part_inside, read_json
from app.files.tables import TableError, find_table, number, one_of, optional_table
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

FINDINGS = ("Active Tuberculosis", "Obsolete Pulmonary Tuberculosis")
CATEGORIES = {"ActiveTuberculosis": FINDINGS[0], "ObsoletePulmonaryTuberculosis": FINDINGS[1]}
UNKNOWN_KIND = "PulmonaryTuberculosis"
GROUPS = ("health", "sick", "tb")
FRAME = (512, 512)
TABLES = {"training": "TBX11K_train.json", "validation": "TBX11K_val.json"}
_CUT = "boxes cut at the image's edge"


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``tb/tb0003.png`` and so on, of any size and image suffix."""
    return with_images(tbx11k(arguments.tables), arguments.images, arguments.out, FRAME, parts=2)


def tbx11k(tables: Path) -> Datalist:
    """All images in the published sections, with the attribute ``group``, one of ``GROUPS``.

    Both findings are absent, and nowhere, on images of the first two groups. On an image of tuberculosis a finding
    without a box is absent and nowhere, unless there is no box at all (not said) or one of tuberculosis of unknown kind
    (uncertain).

    Raises:
        TableError: A table is missing or wrong.
    """
    counts: Counter[str] = Counter()
    sections: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    seen: set[str] = set()
    for section, name in TABLES.items():
        path = optional_table(tables / "annotations" / "json", name) or find_table(tables, name)
        names, boxes = _read(path, counts)
        for index, image in names.items():
            add_once(image, seen, str(path))
            sections[section].append(_item(image, boxes[index], counts, f"{path}, image {image!r}"))
    counts[UNKNOWN_PATIENTS] = len(seen)
    description = "Active and obsolete (latent) tuberculosis, boxes by radiologists."
    return Datalist("TBX11K", FINDINGS, sections, description, {"counts": dict(counts)})


def _read(path: Path, counts: Counter[str]) -> tuple[dict[Any, str], dict[Any, list[Box]]]:
    """Names of images by their id, and boxes by the id of their image; a box's finding is still a category's name."""
    content = read_json(path)
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        categories = {category["id"]: category["name"] for category in content["categories"]}
        boxes: dict[Any, list[Box]] = defaultdict(list)
        for index, annotation in enumerate(content["annotations"]):
            where = f"{path}, annotations[{index}]"
            name = one_of(categories[annotation["category_id"]], (*CATEGORIES, UNKNOWN_KIND), "category", where)
            corners = [number(str(value), "bbox", where) for value in annotation["bbox"]]
            if len(corners) != 4:
                raise TableError(f"{where}: 'bbox' must be [x, y, width, height], not {corners}.")
            box = Box(name, corners[0], corners[1], corners[2], corners[3])
            inside = part_inside(box, FRAME, where)
            counts["boxes"] += 1
            counts[_CUT] += inside != box
            boxes[annotation["image_id"]].append(inside)
    except (KeyError, TypeError) as error:
        raise TableError(f"{path}: not in COCO's form ({type(error).__name__} {error}).") from error
    if unknown := boxes.keys() - names.keys():
        raise TableError(f"{path}: boxes on images without an entry, id {next(iter(unknown))!r} for one.")
    return names, boxes


def _item(image: str, boxes: list[Box], counts: Counter[str], where: str) -> Item:
    group = one_of(image.rpartition("/")[0].rpartition("/")[2], GROUPS, "folder of the image", where)
    if boxes and group != "tb":
        raise TableError(f"{where}: has a box of tuberculosis, but is among those without.")
    kinds = {CATEGORIES.get(box.finding) for box in boxes}
    otherwise = ABSENT
    if group == "tb" and not boxes:
        counts["images of tuberculosis without a box (labels not said)"] += 1
        otherwise = NOT_SAID
    elif None in kinds:
        counts["images of tuberculosis of unknown kind (uncertain)"] += 1
        otherwise = UNCERTAIN
    label = tuple(PRESENT if name in kinds else otherwise for name in FINDINGS)
    item = Item(image, image, label, source="TBX11K", attributes={"group": group})
    item.boxes = tuple(box._replace(finding=CATEGORIES[box.finding]) for box in boxes if box.finding in CATEGORIES)
    item.annotated = tuple(name for name, value in zip(FINDINGS, label, strict=True) if value in (PRESENT, ABSENT))
    return item
