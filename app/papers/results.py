"""Our numbers, from the CSV tables in the folder of results."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.papers.declaration import Place, PrintedTable, Source
from app.sweeps.sweep import Sweep
from evaluation.cases import Interval
from evaluation.cells import number, opened_table, plain_cell

_REPLICATE = re.compile(r"(?:seed|fold)_\d+")
Rows = tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Measured:
    """A number of ours, as the paper would print it.

    Attributes:
        table: The file that it comes from.
        interval: The number with its limits; NaN if they are unknown.
        by_replicate: The value of each seed or fold; empty if the file has none.
    """

    table: str
    interval: Interval
    by_replicate: Mapping[str, float]


class Results:
    """Reads numbers from a folder of results; each file once.

    Args:
        folder: In which each study has a folder of its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[str, Rows | None] = {}

    def rows(self, file: str) -> Rows | None:
        """The rows of a CSV file below the folder; None if there is no such file.

        Raises:
            ValueError: It is no table.
        """
        if file not in self._tables:
            path = self.folder / file
            self._tables[file] = _rows(path) if path.is_file() else None
        return self._tables[file]

    def measured(self, place: Place, times: float = 1.0) -> Measured | None:
        """The number at a place, multiplied and NaN if it is undefined; None if its file, row or runs are not there.

        Raises:
            ValueError: The file lacks a column, or several rows match.
        """
        rows = self.rows(place.file)
        if not rows:
            return None
        for name in (place.value, *place.where):
            if name not in rows[0]:
                raise ValueError(f"{self.folder / place.file}: no column {name!r}; there are {', '.join(rows[0])}.")
        matching = [row for row in rows if all(row[name] == value for name, value in place.where.items())]
        if len(matching) > 1:
            raise ValueError(f"{self.folder / place.file}: {len(matching)} rows match: {place.words}.")
        if not matching or matching[0].get("n") == "0":
            return None
        row = matching[0]
        value, lower, upper = (number(row.get(name, "")) * times for name in (place.value, *place.limits))
        replicates = [name for name in row if place.is_repeated and _REPLICATE.fullmatch(name) and row[name]]
        return Measured(
            place.file, Interval(value, lower, upper), {name: number(row[name]) * times for name in replicates}
        )

    def finished(self, sweep: Sweep) -> int:
        """How many runs of a study its table rests on."""
        rows = self.rows(f"{sweep.name}/table.csv") or ()
        first = [row for row in rows if row.get("metric") == rows[0].get("metric")]
        counts = [number(row.get("n", "")) for row in first]
        return sum(int(count) for count in counts if not math.isnan(count))


def numbers_of(table: PrintedTable, source: Source, results: Results) -> dict[tuple[str, str], Measured]:
    """The numbers of a table that one size has, by row and column."""
    cells = {cell: results.measured(place, table.times) for cell, place in source.places.items()}
    return {cell: measured for cell, measured in cells.items() if measured is not None}


def _rows(path: Path) -> Rows:
    with opened_table(path) as file:
        return tuple(
            {
                plain_cell(name or ""): plain_cell(value or "")
                for name, value in row.items()
                if isinstance(value, str | None)
            }
            for row in csv.DictReader(file)
        )
