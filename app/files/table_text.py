"""The text of a table in whatever encoding programs save it, and the character that separates its cells."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple


class TableError(ValueError):
    """A table is wrong; the message names the file, the line, and what is allowed."""


class TableText(NamedTuple):
    """The text of a table."""

    text: str
    encoding: str
    """UTF-8, UTF-16, or Windows-1252, which all text can be read as that is neither."""


SEPARATORS = (",", ";", "\t", "|")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How Excel's and LibreOffice's workbooks begin, and older ones of Excel."""
_NO_TEXT = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_NOTE = re.compile(r'"?sep=([,;|\t])"?\r?\n', re.IGNORECASE)
"""Excel's note of the separator, before the names of the columns."""
_SAMPLE = 200
"""Rows by which one of several possible separators is chosen."""


def table_text(path: Path) -> TableText:
    """Read the text of a file, gzipped or not (the content decides, not the name).

    Raises:
        TableError: The file is missing, or not text.
    """
    if not path.is_file():
        raise TableError(f"{path}: no such table.")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: not a readable CSV table ({error}).") from error
    if content.startswith(_WORKBOOKS):
        raise TableError(f"{path}: is a workbook, not a CSV table. Save the sheet as 'CSV UTF-8'.")
    for encoding, name in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return TableText(text, name)
    raise TableError(f"{path}: not a readable CSV table: it is no text in UTF-8. Save it as UTF-8.")


def split_note(text: str) -> tuple[str, str]:
    r"""A table without Excel's note of the separator, and the separator that it names; empty if there is no note.

    Example:
        >>> split_note("sep=;\nimage;Nodule\n")
        ('image;Nodule\n', ';')
    """
    note = _NOTE.match(text)
    return (text[note.end() :], note[1]) if note else (text, "")


def separator_of(text: str) -> str:
    r"""The character that separates a table's cells: comma, semicolon, tab or vertical bar.

    It is the one that divides the names of the columns. If several do, it is the one by which most rows have as many
    cells as there are names, or else the one of most columns. Cells in quotation marks may hold anything.

    Example:
        >>> separator_of('image;Nodule;report\n1.png;0,5;"no mass, no effusion;\nheart normal"\n')
        ';'
    """
    rows = {mark: _first_rows(text, mark) for mark in SEPARATORS}
    dividing = [mark for mark in SEPARATORS if rows[mark] and len(rows[mark][0]) > 1]
    if len(dividing) < 2:
        return dividing[0] if dividing else ","
    return max(dividing, key=lambda mark: (_share_of_full_rows(rows[mark]), len(rows[mark][0])))


def _encodings(content: bytes) -> Iterator[tuple[str, str]]:
    """Encodings to try, with their names."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield "utf-16", "UTF-16"
        return
    if b"\0" in content:
        # Of most letters of a table one byte is zero: the second one in little-endian order.
        is_little = content[1::2].count(0) > content[::2].count(0)
        yield ("utf-16-le" if is_little else "utf-16-be"), "UTF-16"
        return
    yield "utf-8-sig", "UTF-8"
    yield "cp1252", "Windows-1252"


def _first_rows(text: str, separator: str) -> list[list[str]]:
    """The first rows that are not blank; empty if the text cannot be read so."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return list(islice((row for row in reader if any(map(str.strip, row))), _SAMPLE))
    except csv.Error:
        return []


def _share_of_full_rows(rows: list[list[str]]) -> float:
    """The share of rows that have a cell for each name, and no others that are not blank."""
    width, below = len(rows[0]), rows[1:] or rows
    return sum(len(row) >= width and not any(map(str.strip, row[width:])) for row in below) / len(below)
