"""VinDr-CXR: 15,000 radiographs of its training set, boxes of 14 findings by three radiologists each.

Source: Nguyen et al., "VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations", Scientific Data
2022; https://physionet.org/content/vindr-cxr, and the VinBigData challenge on Kaggle, whose ``train.csv`` this is.
PhysioNet Credentialed Health Data License: research, no passing on. Known faults: no patient is told, so each image
counts as its own; 17 radiologists share the images unevenly and three of them read nearly all images that have boxes,
so that who read an image says much about it; readers agree on a nodule's place in fewer than half of the images where
any saw one; boxes are in pixels of the original DICOM, while most copies in use are resized.

Tables: ``train.csv`` (or ``vinbigdata-train.csv``) and, for resized images, ``train_meta.csv`` of the originals' sizes
(``image_id``, ``dim0`` height, ``dim1`` width), which the resized copies on Kaggle come with. Each may be gzipped.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from app.datalist.garbage import without_garbage_collection
from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_images
from app.files.tables import Table, TableError, find_table, number, optional_table, read_table
from app.findings import ABSENT, NO_FINDING, PRESENT, UNCERTAIN, canonical

CLASSES = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
FINDINGS = tuple(canonical(name) or name for name in CLASSES)
TABLES = ("train.csv", "vinbigdata-train.csv")
OTHERWISE = {"absent": ABSENT, "uncertain": UNCERTAIN}
_COLUMNS = ("image_id", "class_name", "rad_id", "x_min", "y_min", "x_max", "y_max")
_SIZES = ("image_id", "dim0", "dim1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this data set to its command."""
    parser.add_argument(
        "--readers",
        type=int,
        metavar="K",
        help="a finding is present where at least K of the three saw it (default: 1, and boxes stay by reader)",
    )
    parser.add_argument(
        "--iou",
        type=float,
        metavar="T",
        help="with --readers: ... and where K boxes overlap by at least T; boxes become the mean of those",
    )
    parser.add_argument(
        "--otherwise",
        choices=tuple(OTHERWISE),
        default="uncertain",
        help="what a finding is that some, but fewer than K, saw (default: %(default)s)",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    from app.annotations.several_readers import any_of, with_agreed_boxes, with_votes

    datalist = vindr(arguments.tables)
    if arguments.iou is not None and arguments.readers is None:
        raise ValueError("--iou needs --readers K: how many readers must agree.")
    if arguments.readers is not None:
        otherwise, count = OTHERWISE[arguments.otherwise], arguments.readers
        if not 1 <= count <= 3:
            raise ValueError(f"--readers {count}: each image has three readers, so 1, 2 or 3.")
        place = "" if arguments.iou is None else f" at one place (IoU {arguments.iou:g})"
        if arguments.iou is None:
            datalist = with_votes(datalist, any_of(count, otherwise))
        else:
            datalist = with_agreed_boxes(datalist, count, arguments.iou, otherwise)
        datalist.description += f" Present: seen by at least {count} of 3{place}; by fewer: {arguments.otherwise}."
    return with_images(datalist, arguments.images, arguments.out, read_sizes(arguments.tables))


@without_garbage_collection()
def vindr(tables: Path) -> Datalist:
    """All images, named ``<image_id>.dcm``, with the boxes of every reader, all in ``training``.

    A finding is present where any reader drew it. All findings are annotated; who read an image is its attribute
    ``readers``. Classes outside the vocabulary are listed in the provenance, and images that have them stay.

    Raises:
        TableError: the table is missing or wrong.
    """
    boxes, readers, unmapped = _read(read_table(find_table(tables, *TABLES), _COLUMNS))
    extra = {box.finding for drawn in boxes.values() for box in drawn} - set(FINDINGS)
    findings = (*FINDINGS, *sorted(extra))
    items = []
    for image, who in readers.items():
        present = {box.finding for box in boxes.get(image, ())}
        label = tuple(PRESENT if finding in present else ABSENT for finding in findings)
        item = Item(f"{image}.dcm", image, label, image)
        item.boxes, item.annotated, item.source = tuple(boxes.get(image, ())), findings, "VinDr-CXR"
        item.attributes = {"readers": " ".join(sorted(who))}
        items.append(item)
    counts = {
        "images of the table": len(items),
        "boxes of the table": sum(map(len, boxes.values())),
        "images whose patient the data set does not tell (each counts as its own)": len(items),
    }
    provenance: dict[str, object] = {"counts": counts}
    if unmapped:
        provenance["unmapped"] = dict(unmapped.most_common())
    return Datalist(
        name="VinDr-CXR",
        description="Boxes of 14 findings by three radiologists an image.",
        findings=findings,
        sections={"training": items, "validation": [], "test": []},
        provenance=provenance,
    )


def read_sizes(tables: Path) -> dict[str, tuple[int, int]] | None:
    """(height, width) of the originals by image, from ``train_meta.csv``; None where that is not there.

    Raises:
        TableError: a column is missing, or a size is not a number above 0.
    """
    path = optional_table(tables, "train_meta.csv")
    if path is None:
        return None
    table = read_table(path, _SIZES)
    sizes = {}
    for index, (image, *cells) in enumerate(table.select(*_SIZES)):
        height, width = (
            int(number(cell, name, table.where(index))) for cell, name in zip(cells, _SIZES[1:], strict=True)
        )
        if height <= 0 or width <= 0:
            raise TableError(f"{table.where(index)}: an image of {height} x {width} pixels.")
        sizes[f"{image}.dcm"] = (height, width)
    return sizes


def _read(table: Table) -> tuple[dict[str, list[Box]], dict[str, set[str]], Counter[str]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    readers: dict[str, set[str]] = defaultdict(set)
    unmapped: Counter[str] = Counter()
    names: dict[str, str | None] = {}
    seen: set[tuple[str, ...]] = set()
    nothing: dict[tuple[str, str], bool] = {}
    for index, row in enumerate(table.select(*_COLUMNS)):
        image, class_name, reader, *cells = row
        if class_name not in names:
            names[class_name] = canonical(class_name)
        finding = names[class_name]
        if not reader or row in seen:
            what = "is named twice" if reader else "has no reader ('rad_id')"
            raise TableError(f"{table.where(index)}: {class_name!r} on image {image!r} {what}.")
        seen.add(row)
        if nothing.setdefault((image, reader), finding == NO_FINDING) != (finding == NO_FINDING):
            raise TableError(
                f"{table.where(index)}: reader {reader!r} of image {image!r} says 'No finding' and another."
            )
        readers[image].add(reader)
        if finding == NO_FINDING:
            if any(cells):
                raise TableError(f"{table.where(index)}: 'No finding' with a box, {','.join(cells)}.")
        elif finding is None:
            unmapped[class_name] += 1
        else:
            boxes[image].append(_box(finding, cells, reader, table.where(index)))
    return boxes, readers, unmapped


def _box(finding: str, cells: list[str], reader: str, where: str) -> Box:
    left, top, right, bottom = (number(cell, name, where) for cell, name in zip(cells, _COLUMNS[3:], strict=True))
    if not (0 <= left < right and 0 <= top < bottom):
        raise TableError(
            f"{where}: the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) has no area or begins outside "
            "the image."
        )
    return Box(finding, left, top, right - left, bottom - top, reader)
