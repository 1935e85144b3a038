"""What data sets need to read their tables: rows with their places, names that occur once, boxes, JSON."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.datalist.item import Box
from app.files.strict_json import strict_loads
from app.files.tables import Table, TableError, number


def rows(table: Table, *columns: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each row's place, for messages, and its cells in the named columns."""
    for index, cells in enumerate(table.select(*columns)):
        yield table.where(index), cells


def add_once(image: str, seen: set[str], where: str) -> None:
    """Add the image of a row to those seen, and refuse it if it is there already."""
    if image in seen:
        raise TableError(f"{where}: image {image!r} is named twice.")
    seen.add(image)


UNKNOWN_PATIENTS = "images whose patient the data set does not tell (each counts as its own)"


def box_between(finding: str, cells: Sequence[str], columns: Sequence[str], where: str, reader: str = "") -> Box:
    """A box from the corners in the cells of a row.

    Args:
        finding: The finding in the box.
        cells: Left, top, right and bottom as text.
        columns: Their names, for messages.
        where: File and line, for messages.
        reader: Who drew it.

    Raises:
        TableError: A cell is not a number, or the box has no area or begins outside the image.
    """
    left, top, right, bottom = (number(cell, column, where) for cell, column in zip(cells, columns, strict=True))
    if not (0 <= left < right and 0 <= top < bottom):
        raise TableError(
            f"{where}: the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) has no area or begins outside "
            "the image."
        )
    return Box(finding, left, top, right - left, bottom - top, reader)


def part_inside(box: Box, frame: tuple[int, int], where: str) -> Box:
    """The part of a box that is inside an image of this (height, width).

    Raises:
        TableError: Nothing is.
    """
    if box.x >= 0 and box.y >= 0 and box.x + box.width <= frame[1] and box.y + box.height <= frame[0]:
        return box
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    width, height = min(box.x + box.width, frame[1]) - left, min(box.y + box.height, frame[0]) - top
    if width <= 0 or height <= 0:
        raise TableError(
            f"{where}: the box x {box.x:g}, y {box.y:g}, width {box.width:g}, height {box.height:g} is outside the "
            f"image of {frame[1]} x {frame[0]} pixels (width x height)."
        )
    return box._replace(x=left, y=top, width=width, height=height)


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """The content of a JSON file, gzipped or not (the content decides, not the name).

    Raises:
        TableError: It cannot be read, is no JSON, or an object in it gives a key twice.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    try:
        return strict_loads(content)
    except ValueError as error:
        raise TableError(f"{path}: not a JSON file ({error}).") from error


def box_from(finding: str, cells: Sequence[str], columns: Sequence[str], frame: tuple[int, int], where: str) -> Box:
    """A box from the cells of a row.

    Args:
        finding: The finding in the box.
        cells: x, y, width and height as text.
        columns: Their names, for messages.
        frame: (height, width) of the image.
        where: File and line, for messages.

    Raises:
        TableError: A cell is not a number, or the box has no area or reaches outside the image.
    """
    x, y, width, height = (number(cell, column, where) for cell, column in zip(cells, columns, strict=True))
    text = f"{where}: the box x {x:g}, y {y:g}, width {width:g}, height {height:g}"
    if not (width > 0 and height > 0):
        raise TableError(f"{text} has no area.")
    if x < 0 or y < 0 or x + width > frame[1] or y + height > frame[0]:
        raise TableError(f"{text} reaches outside the image of {frame[1]} x {frame[0]} pixels (width x height).")
    return Box(finding, x, y, width, height)
