"""Object-CXR: foreign objects on 10,000 radiographs of about 300 Chinese hospitals, outlined by 12 radiologists.

Source: JF Healthcare, "object-CXR: Automatic detection of foreign objects on chest X-rays", MIDL 2020; its README, kept
at https://github.com/hlk-1135/object-CXR, gives the form of ``annotation``, its baseline the names of the columns. CC
BY-NC 4.0. Known faults: only objects within the lung fields, without support devices; shapes are rough; half of the
images of each section have an object, so that prevalences mean nothing; patients are not given.

Tables: ``train.csv`` and ``dev.csv`` (the validation section) and, if it is there, ``test.csv``: ``image_name`` and
``annotation``, shapes separated by semicolons: 0 (rectangle) or 1 (ellipse) with x1 y1 x2 y2, or 2 (polygon) with x1 y1
x2 y2 ... xn yn, in pixels of the image.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import Size, ellipses, polygon, rectangles, runs_of, union
from app.datalist.stored_images import keep_stored, place_images
from app.datasets.rows import UNKNOWN_PATIENTS, add_once, part_inside, rows
from app.files.image_names import image_sizes
from app.files.images import image_files
from app.files.tables import TableError, find_table, number, one_of, optional_table, read_table
from app.findings import ABSENT, PRESENT

FINDING = "Foreign Object"
TABLES = {"training": "train.csv", "validation": "dev.csv", "test": "test.csv"}
RECTANGLE, ELLIPSE, POLYGON = "0", "1", "2"


class Shape(NamedTuple):
    """One object: the kind of its shape, its corners as x, y, x, y, ..., and the box around it."""

    kind: str
    points: tuple[float, ...]
    box: Box


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; only images tell their size, so that without them shapes are the boxes around them."""
    datalist, shapes = objectcxr(arguments.tables)
    if arguments.images is None:
        return datalist
    datalist, stored = keep_stored(datalist, image_files(arguments.images))
    sizes = image_sizes(stored[item.image] for item in datalist.items() if item.boxes)
    by_image = {name: sizes[path] for name, path in stored.items() if path in sizes}
    return place_images(datalist.mapped(lambda item: outlined(item, shapes, by_image)), stored, arguments.out)


def objectcxr(tables: Path) -> tuple[Datalist, dict[str, list[Shape]]]:
    """All images in the published sections, with boxes around the objects; and the shapes of each image.

    All images are annotated: without a shape, the finding is absent, and nowhere.

    Raises:
        TableError: A table is missing or wrong.
    """
    shapes: dict[str, list[Shape]] = {}
    sections: dict[str, list[Item]] = {}
    seen: set[str] = set()
    for section, name in TABLES.items():
        path = optional_table(tables, name) if section == "test" else find_table(tables, name)
        sections[section] = []
        for where, (image, text) in () if path is None else rows(read_table(path), "image_name", "annotation"):
            add_once(image, seen, where)
            shapes[image] = [_shape(part, where) for part in text.split(";") if part.strip()]
            boxes = tuple(shape.box for shape in shapes[image])
            item = Item(image, image.rpartition(".")[0], (PRESENT if boxes else ABSENT,), boxes=boxes)
            item.annotated, item.source = (FINDING,), "Object-CXR"
            sections[section].append(item)
    counts = {"images": len(seen), "objects": sum(map(len, shapes.values())), UNKNOWN_PATIENTS: len(seen)}
    description = "Foreign objects within the lung fields, outlined roughly by radiologists."
    return Datalist("Object-CXR", (FINDING,), sections, description, {"counts": counts}), shapes


def outlined(item: Item, shapes: Mapping[str, list[Shape]], sizes: Mapping[str, Size | ValueError]) -> Item:
    """An item with a mask if one of its shapes is no rectangle, else with boxes, in either case within its image."""
    if not item.boxes:
        return item
    size = sizes[item.image]
    if isinstance(size, ValueError):
        raise size
    if all(shape.kind == RECTANGLE for shape in shapes[item.image]):
        return replace(item, boxes=tuple(part_inside(box, size, item.image) for box in item.boxes))
    mask = union([_mask(shape, size, item.image) for shape in shapes[item.image]])
    return replace(item, boxes=(), mask={FINDING: mask})


def _shape(text: str, where: str) -> Shape:
    kind, *words = text.split()
    one_of(kind, (RECTANGLE, ELLIPSE, POLYGON), "annotation", where)
    points = tuple(number(word, "annotation", where) for word in words)
    if len(points) % 2 or (len(points) != 4 if kind != POLYGON else len(points) < 6):
        wanted = "three corners or more" if kind == POLYGON else "two corners"
        raise TableError(f"{where}: a shape of kind {kind} has {wanted}, each of two numbers, not {text.strip()!r}.")
    left, right, top, bottom = min(points[::2]), max(points[::2]), min(points[1::2]), max(points[1::2])
    if left == right or top == bottom:
        raise TableError(f"{where}: the shape {text.strip()!r} has no area.")
    if right <= 0 or bottom <= 0:
        raise TableError(f"{where}: the shape {text.strip()!r} is outside the image.")
    left, top = max(left, 0.0), max(top, 0.0)
    return Shape(kind, points, Box(FINDING, left, top, right - left, bottom - top))


def _mask(shape: Shape, size: Size, where: str) -> RunLengths:
    box = part_inside(shape.box, size, where)
    if shape.kind == ELLIPSE:
        return ellipses([shape.box], size)
    mask = polygon(shape.points, size) if shape.kind == POLYGON else rectangles([box], size)
    return mask if runs_of(mask) else rectangles([box], size)
