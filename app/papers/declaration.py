"""What a bundle declares of its paper: each printed table, where our numbers for it are, and what the paper claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.sweeps.sweep import Sweep

NO_CELL = "-"
"""Written where the paper's table has no cell."""
NO_NUMBER = "?"
"""Written where the paper shows a value, but only as a picture, or the number is not in its text."""
CellKey = tuple[str, str, str]
"""Names of a table, a row and a column."""


@dataclass(frozen=True)
class Printed:
    """A printed cell: its text, its number (NaN if it has none), and the number's decimals."""

    text: str
    value: float
    decimals: int


@dataclass(frozen=True)
class Place:
    """Where a number of ours is: a cell of a CSV file.

    Attributes:
        file: Below the folder of results.
        where: Values of columns that choose the row.
        value: The column that holds the number.
        limits: The columns that hold its interval.
        is_repeated: Whether the row also has the value of each seed or fold.
    """

    file: str
    where: Mapping[str, str]
    value: str
    limits: tuple[str, str]
    is_repeated: bool = False

    @property
    def words(self) -> str:
        """For messages: ``mean where metric=auc.macro, size=100``."""
        return f"{self.value} where {', '.join(f'{name}={value}' for name, value in self.where.items())}"


@dataclass(frozen=True)
class Source:
    """Where one size has a table's numbers.

    Attributes:
        absent: Why this size has nothing for the table; empty if it has.
        studies: The studies that give the numbers, as ``frugal study`` names them.
        commands: Commands that write ``file``; none if the numbers come from studies.
        file: The file that the commands write, below the folder of results.
        places: By row and column.
        lacking: Why a cell has no place, by row and column.
        note: A sentence about this size for the page.
        pictures: Files below the folder of results that the page shows.
    """

    absent: str = ""
    studies: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    file: str = ""
    places: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    lacking: Mapping[tuple[str, str], str] = field(default_factory=dict)
    note: str = ""
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What a paper says of pairs of cells: the first is larger, or both are alike.

    Attributes:
        says: The claim, as a sentence.
        pairs: The pairs of cells.
        within: How far the two of a pair may differ if they are said to be alike; None if the first is larger.
    """

    says: str
    pairs: tuple[tuple[CellKey, CellKey], ...]
    within: float | None = None


@dataclass(frozen=True)
class PrintedTable:
    """One table or figure.

    Attributes:
        name: As the paper calls it: ``Table 1``, ``Fig. 2``.
        title: What its numbers are.
        rows: Printed cells by row and column.
        spread: What follows ``±`` or stands in brackets; empty if nothing does.
        times: Our numbers are multiplied by it: 100 if the paper prints percent.
        is_drawn: Whether the page has a picture of it, with rows as lines over columns.
        sources: By size.
        claims: What the paper claims of it.
    """

    name: str
    title: str
    rows: Mapping[str, Mapping[str, Printed]]
    spread: str
    times: float
    is_drawn: bool
    sources: Mapping[str, Source]
    claims: tuple[Claim, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(next(iter(self.rows.values())))

    @property
    def decimals(self) -> int:
        """How many decimals ours are shown with: as many as the table prints, at least 2 for shares; 3 without any."""
        cells = [cell for row in self.rows.values() for cell in row.values() if not math.isnan(cell.value)]
        decimals = max((cell.decimals for cell in cells), default=3)
        return max(decimals, 2) if decimals and self.times == 1 else decimals


@dataclass(frozen=True)
class Paper:
    """A declared paper.

    Attributes:
        path: Of the declaration.
        bundle: The bundle that implements it.
        name: A short name for it.
        title: Its title.
        reference: Authors, venue and year.
        sizes: What each size means, in words.
        needs: For files that studies and commands read: how a person gets one, or the commands that make it.
        tables: The printed tables, by name.
        sweeps: The studies that tables name.
        sweep_needs: Those of the needed files that each study names.
    """

    path: Path
    bundle: str
    name: str
    title: str
    reference: str
    sizes: Mapping[str, str]
    needs: Mapping[str, str | tuple[str, ...]]
    tables: Mapping[str, PrintedTable]
    sweeps: Mapping[str, Sweep]
    sweep_needs: Mapping[str, tuple[str, ...]]
