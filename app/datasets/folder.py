"""A user's own folder of images with a CSV of labels and, optionally, locations as COCO JSON or mask files."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.datalist.headers import with_header_facts
from app.datalist.item import Datalist
from app.datalist.stored_images import keep_stored, place_images
from app.datasets.arguments import EMPTY, add_empty_argument, add_patient_argument
from app.datasets.coco import read_coco
from app.datasets.finding_names import FindingNames, add_map_argument
from app.datasets.folder_locations import with_coco, with_masks
from app.datasets.folder_table import COLUMNS, Choices, from_csv
from app.files.folders import composed
from app.files.tables import TableError

_PARTS = 64
"""Images are named by their whole path below the folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a user's own folder."""
    parser.add_argument("--csv", type=Path, metavar="FILE", help="the labels (default: the only CSV in --tables)")
    for role in ("image", "patient", "study"):
        parser.add_argument(f"--{role}-column", metavar="NAME", help=f"default: {', '.join(COLUMNS[role][:3])} ...")
    parser.add_argument(
        "--labels", metavar="A,B", help="columns of labels (default: those named like a finding of the vocabulary)"
    )
    add_map_argument(parser)
    add_empty_argument(parser)
    add_patient_argument(parser)
    parser.add_argument("--coco", type=Path, metavar="FILE", help="COCO JSON of boxes, polygons or run lengths")
    parser.add_argument(
        "--masks",
        metavar="PATTERN",
        help="mask files, such as 'masks/{stem}_{finding}.png', below --tables; {finding} as in the vocabulary, or in "
        "small letters, with underscores",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    given = {role: composed(getattr(arguments, f"{role}_column") or "") for role in ("image", "patient", "study")}
    labels = tuple(name.strip() for name in composed(arguments.labels or "").split(",") if name.strip())
    columns = {role: name for role, name in given.items() if name}
    names = FindingNames(arguments.map)
    choices = Choices(columns, labels, EMPTY[arguments.empty], arguments.each_image_a_patient)
    datalist = from_csv(arguments.csv or _only_csv(arguments.tables), choices, arguments.images, names)
    frames: dict[str, tuple[int, int]] = {}
    if arguments.coco:
        coco = read_coco(arguments.coco, lambda name: names.finding(name, datalist.findings))
        datalist, frames = with_coco(datalist, coco)
    names.require_used()
    stored = None
    if arguments.images is not None:
        datalist, stored = keep_stored(datalist, arguments.images, _PARTS)
        datalist = with_header_facts(datalist, stored)
    if arguments.masks:
        datalist = with_masks(datalist, arguments.masks, arguments.tables, arguments.out)
    if stored is None:
        return datalist
    frames = {item.image: frames[item.image] for item in datalist.items() if item.image in frames}
    return place_images(datalist, stored, arguments.out, frames or None)


def _only_csv(tables: Path) -> Path:
    files = sorted(tables.iterdir()) if tables.is_dir() else []
    there = [path for path in files if path.name.lower().endswith((".csv", ".csv.gz")) and path.name[0] != "."]
    if len(there) != 1:
        names = ", ".join(path.name for path in there) or "none"
        raise TableError(f"{tables}: --csv must name the table unless there is only one CSV; found: {names}.")
    return there[0]
