"""Cells as a paper prints them."""

from __future__ import annotations

import math
import re

from app.papers.declaration import NO_CELL, NO_NUMBER, Printed

_CELL = re.compile(r"[<>]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d+)?)%?(?:\s*(?:±|\[|\().*)?")
_FORM = (
    "a number, perhaps with its spread ('92.4 ± 0.2', '0.88 [0.81, 0.95]', '16,939 (8.9)'), "
    f"{NO_CELL!r} if there is no such cell, or {NO_NUMBER!r} if its number is not given"
)


def parse_printed(given: object, where: str) -> Printed:
    """Read a printed cell.

    Args:
        given: A number, a text that begins with one, ``-`` or ``?``.
        where: For messages.

    Raises:
        ValueError: It is none of these.

    Example:
        >>> parse_printed("92.4 ± 0.2", "Table 2"), parse_printed(".046 ± .02", "Table 4").value
        (Printed(text='92.4 ± 0.2', value=92.4, decimals=1), 0.046)
    """
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"{where}: {given!r} is no printed cell; write {_FORM}.")
    text = str(given)
    if text in (NO_CELL, NO_NUMBER):
        return Printed(text, math.nan, 0)
    match = _CELL.fullmatch(text)
    if match is None or not match[1].strip("+-"):
        raise ValueError(f"{where}: {given!r} is no printed cell; write {_FORM}.")
    number = match[1].replace(",", "")
    return Printed(text, float(number), len(number.partition(".")[2]))
