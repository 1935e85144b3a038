"""JSRT: 247 radiographs, 154 with one lung nodule of known position, size and subtlety, 93 without any.

Source: Shiraishi et al., "Development of a digital image database for chest radiographs with and without a lung
nodule", AJR 2000; http://db.jsrt.or.jp/eng.php. Free for research and teaching if the source is named; no
redistribution. Known faults: film digitised in 1995; positions and sizes are of the nodule on the radiograph, confirmed
by CT, but the box made from them is a square around a circle; a few nodules are behind the heart or diaphragm; some
ages are unknown; images are raw (``JPCLN001.IMG``: 2048x2048 big-endian 16-bit numbers of 12 bits, 0 is white, no
header) and must be stored as PNG or DICOM before use; if an image has several nodules, the table does not say which one
it means.

Tables, with tabs between the cells and no header: ``CLNDAT_EN.txt`` (file, subtlety 1 to 5, size in mm, age, sex, x, y,
malignant or benign, place, diagnosis) and, for those without a nodule, ``CNNDAT_EN.txt`` (file, age, sex,
"Non-nodule"). x and y are pixels of 0.175 mm in the 2048x2048 image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.datalist.item import Box, Datalist, Item
from app.datalist.people import person
from app.datalist.stored_images import with_images
from app.datasets.rows import add_once
from app.files.table_text import table_text
from app.files.tables import TableError, looks_like, number, one_of, optional_table
from app.findings import ABSENT, PRESENT

FINDING = "Nodule"
FRAME = (2048, 2048)
PIXEL = 0.175
"""Millimetres a pixel."""
NODULE_TABLE = "CLNDAT_EN.txt"
OTHER_TABLE = "CNNDAT_EN.TXT"
_NODULE_CELLS = 8
_OTHER_CELLS = 3


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``JPCLN001.png`` and so on, of any size and image suffix."""
    return with_images(jsrt(arguments.tables), arguments.images, arguments.out, FRAME)


def jsrt(tables: Path) -> Datalist:
    """Nodules as square boxes in pixels of the 2048x2048 image, images without one as: nowhere; all in ``training``.

    Attributes: ``subtlety`` (1 extremely subtle to 5 obvious), ``size_mm``, ``malignant``, ``sex``, ``age``. Each image
    is of another patient.

    Raises:
        TableError: A table is missing or wrong.
    """
    nodules = [_nodule(cells, where) for cells, where in _rows(tables, NODULE_TABLE, _NODULE_CELLS)]
    others = [_without_nodule(cells, where) for cells, where in _rows(tables, OTHER_TABLE, _OTHER_CELLS)]
    items = [*(item for item, _ in nodules), *others]
    seen: set[str] = set()
    for item in items:
        add_once(item.image, seen, str(tables))
    counts = {"images with a nodule": len(nodules), "images without": len(others)}
    cut = sum(is_cut for _, is_cut in nodules)
    if cut:
        counts["boxes cut at the image's edge"] = cut
    description = "Lung nodules confirmed by CT: squares of the nodule's size around its position."
    return Datalist.unsplit("JSRT", (FINDING,), items, description, counts)


def _rows(tables: Path, name: str, least: int) -> list[tuple[list[str], str]]:
    """Cells of each row that is not empty, and its place for messages."""
    path = optional_table(tables, name)
    if path is None:
        there = sorted(path.name for path in tables.iterdir()) if tables.is_dir() else []
        raise TableError(f"{tables}: holds no {name}. Found: {', '.join(there) or 'nothing'}.")
    rows = []
    for number_of_line, line in enumerate(table_text(path).text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < least and any(cells):
            other = looks_like(line.split(","))
            hint = f" It looks like {other}." if other else ""
            raise TableError(
                f"{path}, line {number_of_line}: {len(cells)} cells between tabs, at least {least} are needed.{hint}"
            )
        if any(cells):
            rows.append((cells, f"{path}, line {number_of_line}"))
    return rows


def _without_nodule(cells: list[str], where: str) -> Item:
    name = _name(cells[0], where)
    attributes = person(cells[2], cells[1], where)
    return Item(f"{name}.png", name, (ABSENT,), name, "PA", annotated=(FINDING,), source="JSRT", attributes=attributes)


def _nodule(cells: list[str], where: str) -> tuple[Item, bool]:
    file, subtlety, millimetres, age, sex, x, y, malignant = cells[:_NODULE_CELLS]
    name = _name(file, where)
    size = number(millimetres, "size", where)
    centre = (number(x, "x", where), number(y, "y", where))
    if size <= 0:
        raise TableError(f"{where}: a nodule of {size:g} mm has no area.")
    if not all(0 <= value < side for value, side in zip(centre, FRAME, strict=True)):
        raise TableError(f"{where}: a nodule at x {x}, y {y} is outside the image of {FRAME[1]} x {FRAME[0]} pixels.")
    box, is_cut = _square(centre, size / PIXEL)
    item = Item(f"{name}.png", name, (PRESENT,), name, "PA", (box,), annotated=(FINDING,), source="JSRT")
    item.attributes = person(sex, age, where) | {
        "subtlety": int(one_of(subtlety, ("1", "2", "3", "4", "5"), "subtlety", where)),
        "size_mm": size,
        "malignant": one_of(malignant.casefold(), ("malignant", "benign"), "malignant or benign", where) == "malignant",
    }
    return item, is_cut


def _square(centre: tuple[float, float], side: float) -> tuple[Box, bool]:
    """A square around a centre, cut off at the edges of the image, and whether it was cut."""
    left, top = (max(0.0, value - side / 2) for value in centre)
    right, bottom = (min(edge, value + side / 2) for value, edge in zip(centre, FRAME, strict=True))
    is_cut = min(right - left, bottom - top) < side - 1e-6
    return Box(FINDING, round(left, 3), round(top, 3), round(right - left, 3), round(bottom - top, 3)), is_cut


def _name(file: str, where: str) -> str:
    name, _, suffix = file.partition(".")
    if not name or suffix.upper() not in ("IMG", ""):
        raise TableError(f"{where}: the first cell must name an image such as 'JPCLN001.IMG', not {file!r}.")
    return name
