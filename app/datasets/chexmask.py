"""CheXmask: masks of both lungs and the heart, by a network, for 657,566 radiographs of other data sets.

Source: Gaggion et al., "CheXmask: a large-scale dataset of anatomical segmentation masks for multi-center chest x-ray
images", Scientific Data 2024; https://physionet.org/content/chexmask-cxr-segmentation-data, whose data dictionary and
published code give the form. CC BY 4.0. Known faults: masks are a network's, with the quality that it is expected to
have (Dice RCA; its authors take 0.7 and above); lateral images have masks, which are wrong; lungs end at the heart.

Table: one of ``TABLES``, gzipped or not, from ``OriginalResolution``: an image's name in its data set, ``Dice RCA
(Mean)``, ``Left Lung``, ``Right Lung``, ``Heart`` (run lengths along the rows: start, counted from 1, and length),
``Height``, ``Width``. The tables hold gigabytes, so rows are read one by one.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.datalist.file import moved, read_datalist
from app.datalist.item import FLOW, Datalist, Item
from app.datalist.run_lengths import Size, from_row_starts, resized
from app.datalist.stored_images import stem
from app.datalist.validate import absolute_path
from app.files.folders import composed
from app.files.image_names import image_size, last_parts
from app.files.tables import TableError, number, optional_tables, require_columns
from app.findings import ORGANS, PRESENT

TABLES = ("ChestX-Ray8.csv", "CheXpert.csv", "MIMIC-CXR-JPG.csv", "Padchest.csv", "VinDr-CXR.csv", "CANDID-PTX.csv")
NAMES = {"Path": 3, "dicom_id": 1, "Image Index": 1, "ImageID": 1, "image_id": 1, "Image ID": 1}
"""The column that names an image, in each table, and how many last parts of its path are needed."""
QUALITY = "Dice RCA (Mean)"
_COLUMNS = (QUALITY, "Height", "Width", *ORGANS)
_SHAPE_TOLERANCE = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument(
        "--datalist",
        type=Path,
        required=True,
        metavar="FILE",
        help="the images, as another data set's command lists them",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="CheXmask's table (default: the only one in --tables)")
    parser.add_argument(
        "--least-dice",
        type=float,
        default=0.7,
        metavar="D",
        help=f"leave out masks whose {QUALITY} is less (%(default)s)",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    if arguments.images is not None:
        raise ValueError("the images are those of --datalist: leave out --images.")
    there = [arguments.csv] if arguments.csv else optional_tables(arguments.tables, *TABLES)
    if len(there) != 1:
        names = ", ".join(path.name for path in there) or "none"
        raise TableError(
            f"{arguments.tables}: --csv must name CheXmask's table unless there is only one; there: {names}."
        )
    images = read_datalist(arguments.datalist)
    masked = with_organs(images, arguments.datalist.parent, there[0], arguments.least_dice)
    return moved(masked, arguments.datalist, arguments.out)


def with_organs(datalist: Datalist, root: Path, table: Path, least_dice: float) -> Datalist:
    """The images of a datalist that have masks in a table, in the same sections, with the masks of the three organs.

    Masks are scaled to the stored image. Patients, studies, views and attributes stay, ``dice_rca`` is added, labels
    and locations are left out. An organ without a mask is present, but not annotated.

    Args:
        datalist: Of images that are there.
        root: Its folder.
        table: CheXmask's.
        least_dice: Masks of a lower quality are left out, and counted.

    Raises:
        TableError: The table cannot be read, lacks a column, or a cell is wrong; or no mask is of an image.
        ValueError: Two images have one name, or an image cannot be read.
    """
    counts: Counter[str] = Counter()
    masked: dict[str, Item] = {}
    by_name: dict[str, Item] = {}
    for where, parts, name, cells in _rows(table):
        by_name = by_name or _by_name(datalist, parts)
        item = by_name.get(composed(stem(last_parts(name, parts))))
        if item is None:
            counts["left out: masks of images that are not in the datalist"] += 1
        elif number(cells[QUALITY], QUALITY, where) < least_dice:
            counts[f"left out: masks of a {QUALITY} below {least_dice:g}"] += 1
        elif item.image in masked:
            raise TableError(f"{where}: image {name!r} is named twice.")
        elif (organs := _with_masks(item, cells, image_size(absolute_path(root.resolve(), item.image)), where)) is None:
            counts["left out: masks of another shape than the image (take OriginalResolution)"] += 1
        else:
            masked[item.image] = organs
    if not masked:
        raise TableError(f"{table}: none of its masks is of the images of {datalist.name} ({dict(counts)}).")
    reason = "images without a mask"
    kept = datalist.leaving_out(lambda item: "" if item.image in masked else reason, [reason])
    counts[f"left out: {reason}"] = len(datalist.items()) - len(masked)
    description = f"Masks of lungs and heart by a network (CheXmask) on images of {datalist.name}."
    provenance: dict[str, object] = {"images": datalist.provenance, FLOW: kept.provenance[FLOW]}
    result = kept.mapped(lambda item: masked[item.image])
    return replace(
        result, name=f"CheXmask on {datalist.name}", findings=ORGANS, description=description, provenance=provenance
    ).with_counts({"masks": len(masked), **counts})


def _rows(path: Path) -> Iterator[tuple[str, int, str, dict[str, str]]]:
    """Place, parts of a name that count, name, and the cells of the other columns, row by row."""
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzipped else path.open("rb") as file:
            reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
            columns = [name.strip() for name in next(reader, [])]
            if not columns:
                raise TableError(f"{path}: the table is empty.")
            column = next((name for name in NAMES if name in columns), "Image ID")
            require_columns(path, columns, (column, *_COLUMNS))
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if len(row) != len(columns):
                    raise TableError(f"{where}: {len(row)} cells, but the header names {len(columns)} columns.")
                cells = dict(zip(columns, row, strict=True))
                yield where, NAMES[column], cells[column], cells
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: not a readable CSV table ({error}).") from error


def _by_name(datalist: Datalist, parts: int) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for item in datalist.items():
        other = items.setdefault(composed(stem(last_parts(item.image, parts))), item)
        if other is not item:
            raise ValueError(f"{datalist.name}: {other.image!r} and {item.image!r} have one name, so one mask.")
    return items


def _with_masks(item: Item, cells: dict[str, str], size: Size, where: str) -> Item | None:
    """An item with the three masks in its image's size; None if they are of another shape."""
    height, width = (int(number(cells[name], name, where)) for name in ("Height", "Width"))
    if min(height, width) < 1 or abs(height * size[1] / (width * size[0]) - 1) > _SHAPE_TOLERANCE:
        return None
    mask = {}
    for organ in filter(lambda organ: cells[organ].strip(), ORGANS):
        try:
            mask[organ] = resized(from_row_starts(cells[organ], (height, width)), size)
        except ValueError as error:
            raise TableError(f"{where}: {organ!r}: {error}") from error
    masked = Item(item.image, item.patient, (PRESENT,) * len(ORGANS), item.study, item.view, source="CheXmask")
    masked.mask, masked.annotated = mask, tuple(mask)
    masked.attributes = {**item.attributes, "dice_rca": round(float(cells[QUALITY]), 3)}
    return masked
