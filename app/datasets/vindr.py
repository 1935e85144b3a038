"""VinDr-CXR: 15,000 radiographs of its training set, boxes of 14 findings by three radiologists each.

Source: Nguyen et al., "VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations", Scientific Data
2022; https://physionet.org/content/vindr-cxr, and the VinBigData challenge on Kaggle, whose ``train.csv`` this is.
PhysioNet Credentialed Health Data License: research, no redistribution. Known faults: patients are not given, so each
image counts as one; 17 radiologists share the images unevenly and three of them read nearly all images that have boxes,
so who read an image says much about it; readers agree on a nodule's place in fewer than half of the images on which any
saw one; boxes are in pixels of the original DICOM, while most copies in use are resized.

Tables: ``train.csv`` (or ``vinbigdata-train.csv``) and, for resized images, ``train_meta.csv`` with the sizes of the
originals (``image_id``, ``dim0`` height, ``dim1`` width), as the resized copies on Kaggle have it. Each may be gzipped.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from app.annotations.several_readers import with_agreed_boxes, with_votes
from app.annotations.voting import OTHERWISE, any_of
from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.rows import UNKNOWN_PATIENTS, box_between, rows
from app.files.tables import Table, TableError, find_table, number, optional_table, read_table
from app.findings import ABSENT, NO_FINDING, PRESENT, canonical
from app.garbage import without_garbage_collection

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
_COLUMNS = ("image_id", "class_name", "rad_id", "x_min", "y_min", "x_max", "y_max")
_SIZES = ("image_id", "dim0", "dim1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument(
        "--readers",
        type=int,
        metavar="K",
        help="a finding is present if at least K of the three saw it (default: 1, and boxes stay by reader)",
    )
    parser.add_argument(
        "--iou",
        type=float,
        metavar="T",
        help="with --readers: ... and if K boxes overlap by at least T; boxes become the mean of those",
    )
    parser.add_argument(
        "--otherwise",
        choices=tuple(OTHERWISE),
        default="uncertain",
        help="label of a finding that some, but fewer than K, saw (default: %(default)s)",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = vindr(arguments.tables)
    if arguments.iou is not None and arguments.readers is None:
        raise ValueError("--iou needs --readers K: how many readers must agree.")
    if arguments.readers is not None:
        datalist = _combined(datalist, arguments.readers, arguments.iou, arguments.otherwise)
    return with_images(datalist, arguments.images, arguments.out, read_sizes(arguments.tables))


def _combined(datalist: Datalist, count: int, iou: float | None, otherwise: str) -> Datalist:
    if not 1 <= count <= 3:
        raise ValueError(f"--readers {count}: each image has three readers, so 1, 2 or 3.")
    if iou is None:
        place, datalist = "", with_votes(datalist, any_of(count, OTHERWISE[otherwise]))
    else:
        place = f" at one place (IoU {iou:g})"
        datalist = with_agreed_boxes(datalist, count, iou, OTHERWISE[otherwise])
    datalist.description += f" Present: seen by at least {count} of 3{place}; by fewer: {otherwise}."
    return datalist


@without_garbage_collection()
def vindr(tables: Path) -> Datalist:
    """All images, named ``<image_id>.dcm``, with the boxes of every reader, all in ``training``.

    A finding is present if any reader drew it. All findings are annotated; the attribute ``readers`` names who read an
    image. The provenance lists classes outside the vocabulary; images that have them stay.

    Raises:
        TableError: The table is missing or wrong.
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
        UNKNOWN_PATIENTS: len(items),
    }
    description = "Boxes of 14 findings by three radiologists an image."
    datalist = Datalist.unsplit("VinDr-CXR", findings, items, description, counts)
    if unmapped:
        datalist.provenance["unmapped"] = dict(unmapped.most_common())
    return datalist


def read_sizes(tables: Path) -> dict[str, tuple[int, int]] | None:
    """(height, width) of the originals by image, from ``train_meta.csv``; None if that is not there.

    Raises:
        TableError: A column is missing, or a size is not a number above 0.
    """
    path = optional_table(tables, "train_meta.csv")
    if path is None:
        return None
    sizes = {}
    for where, (image, *cells) in rows(read_table(path, _SIZES), *_SIZES):
        height, width = (int(number(cell, name, where)) for cell, name in zip(cells, _SIZES[1:], strict=True))
        if height <= 0 or width <= 0:
            raise TableError(f"{where}: an image of {height} x {width} pixels.")
        sizes[f"{image}.dcm"] = (height, width)
    return sizes


def _read(table: Table) -> tuple[dict[str, list[Box]], dict[str, set[str]], Counter[str]]:
    """Boxes and readers by image, and how often each class outside the vocabulary occurs."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    readers: dict[str, set[str]] = defaultdict(set)
    unmapped: Counter[str] = Counter()
    names: dict[str, str | None] = {}
    seen: set[tuple[str, ...]] = set()
    says_nothing: dict[tuple[str, str], bool] = {}
    for where, row in rows(table, *_COLUMNS):
        image, class_name, reader, *cells = row
        if class_name not in names:
            names[class_name] = canonical(class_name)
        finding = names[class_name]
        if not reader or row in seen:
            what = "is named twice" if reader else "has no reader ('rad_id')"
            raise TableError(f"{where}: {class_name!r} on image {image!r} {what}.")
        seen.add(row)
        is_nothing = finding == NO_FINDING
        if says_nothing.setdefault((image, reader), is_nothing) != is_nothing:
            raise TableError(f"{where}: reader {reader!r} of image {image!r} says 'No finding' and another.")
        readers[image].add(reader)
        if is_nothing:
            if any(cells):
                raise TableError(f"{where}: 'No finding' with a box, {','.join(cells)}.")
        elif finding is None:
            unmapped[class_name] += 1
        else:
            boxes[image].append(box_between(finding, cells, _COLUMNS[3:], where, reader))
    return boxes, readers, unmapped
