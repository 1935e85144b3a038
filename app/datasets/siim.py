"""SIIM-ACR Pneumothorax Segmentation: 12,047 radiographs, outlines of pneumothorax on 2,669 of them.

Source: the 2019 challenge of the Society for Imaging Informatics in Medicine with the American College of Radiology;
images are of ChestX-ray14, outlines by radiologists. Terms of the challenge: non-commercial research. Known faults: the
table gives no patients, so each image counts as one, although several are of one person; which ChestX-ray14 image each
one is was not published, so never test one on models trained on the other; outlines follow the pleural line roughly.

Table: ``train-rle.csv`` or ``siim-pneumothorax-train-rle.csv``, gzipped or not, with one row per outline: ``ImageId``
and, with a blank before its name, ``EncodedPixels``: relative run lengths down the columns of a 1024x1024 image, or
``-1`` for none.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import from_relative, union
from app.datalist.stored_images import with_images
from app.datasets.rows import UNKNOWN_PATIENTS, rows
from app.files.tables import TableError, find_table, read_table
from app.findings import ABSENT, PRESENT
from app.garbage import without_garbage_collection

FINDING = "Pneumothorax"
FRAME = (1024, 1024)
TABLES = ("train-rle.csv", "siim-pneumothorax-train-rle.csv", "stage_2_train.csv")
_COLUMNS = ("ImageId", "EncodedPixels")
NOTHING = "-1"
"""Of an image without an outline."""


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``<ImageId>.dcm``, or of another suffix, of any size."""
    return with_images(siim(arguments.tables), arguments.images, arguments.out, FRAME)


@without_garbage_collection()
def siim(tables: Path) -> Datalist:
    """All images, named ``<ImageId>.dcm``, with the union of each one's outlines, all in ``training``.

    All images are annotated: without a mask, Pneumothorax is nowhere.

    Raises:
        TableError: The table is missing or wrong.
    """
    outlines = read_masks(find_table(tables, *TABLES))
    items = []
    for image, masks in outlines.items():
        item = Item(f"{image}.dcm", image, (PRESENT if masks else ABSENT,), image)
        item.mask = {FINDING: union(masks)} if masks else {}
        item.annotated, item.source = (FINDING,), "SIIM-ACR"
        items.append(item)
    counts = {
        "images of the table": len(items),
        "images with outlines": sum(map(bool, outlines.values())),
        "outlines": sum(map(len, outlines.values())),
        UNKNOWN_PATIENTS: len(items),
    }
    description = "Outlines of pneumothorax by radiologists."
    return Datalist.unsplit("SIIM-ACR Pneumothorax", (FINDING,), items, description, counts)


def read_masks(path: Path) -> dict[str, list[RunLengths]]:
    """Every outline by image; an empty list if there is none.

    Raises:
        TableError: A column is missing, run lengths are wrong, an image has -1 for no outline beside an outline, or a
            row occurs twice.
    """
    masks: dict[str, list[RunLengths]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for where, cells in rows(read_table(path, _COLUMNS), *_COLUMNS):
        image, pixels = map(str.strip, cells)
        if (image, pixels) in seen:
            raise TableError(f"{where}: image {image!r} is named twice with the same outline.")
        seen.add((image, pixels))
        outlines, is_empty = masks[image], pixels == NOTHING
        if (is_empty and outlines) or (not is_empty and (image, NOTHING) in seen):
            raise TableError(f"{where}: image {image!r} has -1, for no outline, beside an outline.")
        if not is_empty:
            outlines.append(outline(pixels, image, "EncodedPixels", where))
    return dict(masks)


def outline(pixels: str, image: str, column: str, where: str) -> RunLengths:
    """The mask that a cell of relative run lengths gives; raises `TableError`, which names place, column and image."""
    try:
        return from_relative(pixels, FRAME)
    except ValueError as error:
        raise TableError(f"{where}: {column!r} of image {image!r}: {error}") from error
