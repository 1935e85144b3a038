"""Comparisons of a sweep's cells on the images that both tested, where patients and seeds both vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.sweeps.cell_run import CellRun
from app.sweeps.sweep import CellPair, Sweep, cell_name
from evaluation.cases import Interval
from evaluation.cells import csv_text
from evaluation.compare import DifferentCasesError
from evaluation.permutation import holm

FILE = "comparisons.csv"


@dataclass(frozen=True)
class CellComparison:
    """One measure of one finding of two cells, compared on the same images.

    Attributes:
        pair: The cells.
        measure: ``auc``, ``dice``, ...
        finding: Its name, or ``macro`` for the mean over findings.
        first: The value of the first cell, a mean over its seeds.
        second: That of the second.
        difference: Second - first.
        p: Two-sided, uncorrected.
        p_holm: Corrected for the number of pairs of the group.
        runs: How many seeds each cell has.
    """

    pair: CellPair
    measure: str
    finding: str
    first: float
    second: float
    difference: Interval
    p: float
    runs: int
    p_holm: float = math.nan


def compare_cells(sweep: Sweep, runs: Sequence[CellRun], keep: bool) -> tuple[list[CellComparison], list[str]]:
    """Compare the pairs of cells that a study file asks for, as ``frugal compare`` does.

    Areas are compared by DeLong's test if there is one seed, else by a test in which patients and seeds both vary.

    Args:
        sweep: The sweep.
        runs: All of its runs.
        keep: Whether a result counts if its config file has changed since.

    Returns:
        The comparisons of pairs whose runs have all finished, and a sentence for each pair that is not comparable.
    """
    by_cell: dict[str, list[CellRun]] = {}
    for run in runs:
        by_cell.setdefault(run.cell.name, []).append(run)
    rows, notes = [], []
    for pair in sweep.comparisons:
        sides = [by_cell[cell_name(values)] for values in (pair.first, pair.second)]
        if all(run.is_finished(keep) for side in sides for run in side):
            try:
                rows += _compared(pair, sides)
            except DifferentCasesError:
                notes.append(f"{pair_text(pair)}: not compared, since they tested different images.")
    return _corrected(rows), notes


def pair_text(pair: CellPair) -> str:
    """For example ``box against image at size=100``."""
    others = ", ".join(f"{name}={value}" for name, value in pair.first.items() if name != pair.factor)
    text = f"{pair.second[pair.factor]} against {pair.first[pair.factor]}"
    return f"{text} at {others}" if others else text


def comparisons_csv(factors: Sequence[str], comparisons: Sequence[CellComparison]) -> str:
    """One row per measure, finding and pair; ``against`` is the first cell's value of the factor that differs."""
    numbers = ("first", "second", "difference", "difference_lower", "difference_upper", "p", "p_holm", "runs")
    rows: list[Sequence[object]] = [["measure", "finding", *factors, "against", *numbers]]
    for each in comparisons:
        interval = each.difference
        values = [each.first, each.second, interval.value, interval.lower, interval.upper, each.p, each.p_holm]
        against = each.pair.first[each.pair.factor]
        rows.append([each.measure, each.finding, *each.pair.second.values(), against, *values, each.runs])
    return csv_text(rows)


def _compared(pair: CellPair, sides: Sequence[Sequence[CellRun]]) -> list[CellComparison]:
    from app.comparing.comparison import compare_methods
    from app.comparing.methods import Method
    from app.comparing.run_files import open_run_files

    single = min(map(len, sides)) == 1  # an ensemble runs once; it is compared with the first seed
    methods = []
    for side, values in zip(sides, (pair.first, pair.second), strict=True):
        folders = [str(run.folder) for run in (side[:1] if single else side)]
        name = cell_name(values)
        methods.append(Method(name, name, tuple(open_run_files(folder, look_up=False) for folder in folders)))
    rows = []
    for measure in compare_methods(methods).measures:
        for row in measure.all_rows:
            finding = row.finding if row not in measure.macro else "macro"
            first, second, count = row.reference.value, row.result.value, len(methods[0].runs)
            rows.append(CellComparison(pair, measure.key, finding, first, second, row.difference, row.p, count))
    return rows


def _corrected(rows: Sequence[CellComparison]) -> list[CellComparison]:
    """The rows, with Holm's correction over the pairs of each group that share measure and finding."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row.pair.group, row.measure, row.finding, _others(row.pair)), []).append(index)
    corrected = list(rows)
    for indices in groups.values():
        for index, p in zip(indices, holm([rows[index].p for index in indices]).tolist(), strict=True):
            corrected[index] = replace(rows[index], p_holm=p)
    return corrected


def _others(pair: CellPair) -> tuple[tuple[str, str], ...]:
    values: Mapping[str, str] = pair.first
    return tuple((factor, value) for factor, value in values.items() if factor != pair.factor)
