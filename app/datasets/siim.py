"""SIIM-ACR Pneumothorax Segmentation: 12,047 radiographs, outlines of pneumothorax on 2,669 of them.

Source: the 2019 challenge of the Society for Imaging Informatics in Medicine with the American College of Radiology;
images are of ChestX-ray14, outlines by radiologists. Terms of the challenge: non-commercial research. Known faults: the
table tells no patient, so each image counts as its own, although several are of one person; which ChestX-ray14 image
each is was not published, so never test one on models trained on the other; outlines follow the pleural line roughly.

Table: ``train-rle.csv`` or ``siim-pneumothorax-train-rle.csv``, gzipped or not: ``ImageId`` and, with a blank before
its name, ``EncodedPixels``: relative run lengths down the columns of a 1024x1024 image, ``-1`` for none; a row an
outline.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from app.datalist.garbage import without_garbage_collection
from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import from_relative, union
from app.datalist.stored_images import with_images
from app.files.tables import TableError, find_table, read_table
from app.findings import ABSENT, PRESENT

FINDING = "Pneumothorax"
FRAME = (1024, 1024)
TABLES = ("train-rle.csv", "siim-pneumothorax-train-rle.csv", "stage_2_train.csv")
_COLUMNS = ("ImageId", "EncodedPixels")
_NOTHING = "-1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This data set has no arguments of its own."""


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``<ImageId>.dcm``, or of another suffix, of any size."""
    return with_images(siim(arguments.tables), arguments.images, arguments.out, FRAME)


@without_garbage_collection()
def siim(tables: Path) -> Datalist:
    """All images, named ``<ImageId>.dcm``, with the union of each one's outlines, all in ``training``.

    All are annotated: without a mask there is nothing anywhere.

    Raises:
        TableError: the table is missing or wrong.
    """
    masks = read_masks(find_table(tables, *TABLES))
    items = []
    for image, outlines in masks.items():
        item = Item(f"{image}.dcm", image, (PRESENT if outlines else ABSENT,), image)
        item.mask = {FINDING: union(outlines)} if outlines else {}
        item.annotated, item.source = (FINDING,), "SIIM-ACR"
        items.append(item)
    counts = {
        "images of the table": len(items),
        "images with outlines": sum(map(bool, masks.values())),
        "outlines": sum(map(len, masks.values())),
        "images whose patient the data set does not tell (each counts as its own)": len(items),
    }
    return Datalist(
        name="SIIM-ACR Pneumothorax",
        description="Outlines of pneumothorax by radiologists.",
        findings=(FINDING,),
        sections={"training": items, "validation": [], "test": []},
        provenance={"counts": counts},
    )


def read_masks(path: Path) -> dict[str, list[RunLengths]]:
    """Every outline by image; an empty list where there is none.

    Raises:
        TableError: a column is missing, run lengths that are none, an image said to have none beside an outline, or a
            row twice.
    """
    table = read_table(path, _COLUMNS)
    masks: dict[str, list[RunLengths]] = defaultdict(list)
    rows: set[tuple[str, ...]] = set()
    for index, row in enumerate(table.select(*_COLUMNS)):
        image, pixels = row[0].strip(), row[1].strip()
        if (image, pixels) in rows:
            raise TableError(f"{table.where(index)}: image {image!r} is named twice with the same outline.")
        rows.add((image, pixels))
        if pixels == _NOTHING:
            if masks[image]:
                raise TableError(f"{table.where(index)}: image {image!r} has -1, for no outline, beside an outline.")
            continue
        if image in masks and (image, _NOTHING) in rows:
            raise TableError(f"{table.where(index)}: image {image!r} has an outline beside -1, for none.")
        try:
            masks[image].append(from_relative(pixels, FRAME))
        except ValueError as error:
            raise TableError(f"{table.where(index)}: 'EncodedPixels' of image {image!r}: {error}") from error
    return dict(masks)
