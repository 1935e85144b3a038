"""CSV files that people open in spreadsheet programs, which take text such as ``=1+1`` for a formula."""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_FORMULA = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
"""The beginning of a formula (OWASP, CSV injection), full-width signs included, after any number of apostrophes."""


@contextmanager
def opened_table(path: Path) -> Iterator[TextIO]:
    """Open a CSV file for reading.

    Raises:
        ValueError: The file is not text, or not a table; the message names it.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read as a table ({error})") from error


def safe_cell(value: object) -> object:
    """A value for a CSV file: text that a spreadsheet would compute gets an apostrophe before it.

    Numbers stay numbers, also as text. :func:`plain_cell` gives the text back.

    Example:
        >>> [safe_cell(value) for value in ("=1+1", "-0.5", -1, "Nodule", "'=1+1")]
        ["'=1+1", '-0.5', -1, 'Nodule', "''=1+1"]
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) and not _is_number(value) else value


def safe_row(values: Iterable[object]) -> list[object]:
    """:func:`safe_cell` of every value of a row."""
    return [safe_cell(value) for value in values]


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    r"""Rows as the text of a CSV file: cells as :func:`safe_cell` gives them, numbers with all digits, NaN empty.

    Example:
        >>> csv_text([("finding", "p"), ("=Nodule", 0.05), ("Mass", math.nan)])
        "finding,p\r\n'=Nodule,0.05\r\nMass,\r\n"
    """
    text = io.StringIO()
    # NaN alone differs from itself.
    csv.writer(text).writerows(("" if value != value else value for value in safe_row(row)) for row in rows)
    return text.getvalue()


def plain_cell(cell: str) -> str:
    """The text that :func:`safe_cell` was given.

    Example:
        >>> [plain_cell(cell) for cell in ("'=1+1", "'quoted'", "=1+1")]
        ['=1+1', "'quoted'", '=1+1']
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def number(text: str) -> float:
    """The number that a text is; NaN if it is none.

    Example:
        >>> number("0.5"), number("half")
        (0.5, nan)
    """
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    # Python reads more than spreadsheets do: blanks around a number, and underscores within.
    return re.fullmatch(r"[-+.\w]*", text, re.ASCII) is not None
