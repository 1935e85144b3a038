"""Numbers as tables show them, in plain ASCII: values, intervals, differences, p-values, and such tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.cases import FindingResult, Interval

UNDEFINED = "n/a"
FEW = 10
FEW_NOTE = (
    f"* fewer than {FEW} patients with or without the finding: such an interval rests on little, however many images "
    "they have."
)
"""Meaning of the star; see docs/evaluation.md."""


def value(number: float, decimals: int = 3) -> str:
    """A value with three decimals, or so many: ``0.888``."""
    return UNDEFINED if math.isnan(number) else f"{number:.{decimals}f}"


def limits(interval: Interval | FindingResult, decimals: int = 3) -> str:
    """A value with the limits of its interval, if it has them.

    Example:
        >>> from evaluation.cases import Interval
        >>> limits(Interval(0.888, 0.829, 0.947))
        '0.888 [0.829, 0.947]'
    """
    if math.isnan(interval.lower) or math.isnan(interval.upper):
        return value(interval.value, decimals)
    return f"{interval.value:.{decimals}f} [{interval.lower:.{decimals}f}, {interval.upper:.{decimals}f}]"


def few_mark(*patients: float) -> str:
    """A star if an interval rests on few patients, given the numbers of those with and without the finding.

    Example:
        >>> few_mark(9, 100), few_mark(10, 100)
        (' *', '')
    """
    return " *" if 0 < min(patients) < FEW else ""


def difference(interval: Interval, decimals: int = 3) -> str:
    """A difference with signs and limits; ``0 [0, 0]`` means exactly no difference.

    Example:
        >>> from evaluation.cases import Interval
        >>> difference(Interval(-0.012, -0.02, 0.004))
        '-0.012 [-0.020, +0.004]'
    """
    if math.isnan(interval.value):
        return UNDEFINED
    if math.isnan(interval.lower) or math.isnan(interval.upper):
        return _signed(interval.value, decimals)
    shown = [_signed(number, decimals) for number in (interval.value, interval.lower, interval.upper)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def p_value(p: float) -> str:
    """A p-value with four decimals; ``1`` means exactly 1.

    Example:
        >>> p_value(0.0432), p_value(0.00002), p_value(0.99999), p_value(1.0)
        ('0.0432', '<0.0001', '>0.9999', '1')
    """
    if math.isnan(p):
        return UNDEFINED
    if p == 1:
        return "1"
    if p < 0.0001:
        return "<0.0001"
    return ">0.9999" if p > 0.9999 else f"{p:.4f}"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural.

    Example:
        >>> counted(1, "image"), counted(2000, "image")
        ('1 image', '2,000 images')
    """
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table for a terminal, with a rule below its head.

    Example:
        >>> plain_table(("finding", "p"), [("Mass", "0.0432")])
        ['finding  p', '---------------', 'Mass     0.0432']
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int | None = None) -> list[str]:
    """A table in GitHub's Markdown; a vertical bar in a cell becomes a slash.

    Args:
        head: Titles of the columns.
        rows: Their cells.
        left: How many columns hold words; numbers in the others are flush right. By default no column is aligned.

    Example:
        >>> markdown_table(["size", "AUC"], [["100", "0.8"]])
        ['| size | AUC |', '| --- | --- |', '| 100 | 0.8 |']
        >>> markdown_table(["size", "AUC"], [], left=1)
        ['| size | AUC |', '| :--- | ---: |']
    """
    rule = ["---"] * len(head) if left is None else [":---" if column < left else "---:" for column in range(len(head))]
    lines = [head, rule, *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _signed(number: float, decimals: int) -> str:
    return "0" if number == 0 else f"{number:+.{decimals}f}"
