"""What a paper claims of its tables, read from a declaration, and whether numbers show it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.papers.declaration import NO_CELL, CellKey, Claim, PrintedTable
from app.papers.results import Measured
from app.sweeps.fields import as_mapping, as_text, require_known
from app.sweeps.orderings import over_replicates, verdict
from evaluation.cases import Interval

KEYS = ("says", "order", "at", "within")
ORDERS = ("rows", "columns", "cells")
HOLDS, MEAN_ONLY, FAILS, CONTRADICTED, NOT_RUN = (
    "holds",
    "holds in the mean only",
    "does not hold",
    "is contradicted",
    "not run",
)
_WORDS = {
    "shown": HOLDS,
    "not shown": MEAN_ONLY,
    "other way round": FAILS,
    "contradicted": CONTRADICTED,
    "undefined": "is undefined",
}


@dataclass(frozen=True)
class PairVerdict:
    """What the numbers of one pair show; the difference is NaN if they are not there."""

    first: CellKey
    second: CellKey
    difference: Interval
    words: str


def parse_claim(given: object, table: str, tables: Mapping[str, PrintedTable], where: str) -> Claim:
    """Read one claim.

    Args:
        given: ``says``; ``order``, which has ``rows``, ``columns`` or ``cells`` from the largest number to the smallest
            (a list within shares a rank); ``at``, if not every column (or row) is meant; ``within``, if they are alike.
        table: The table that it belongs to.
        tables: All tables.
        where: For messages.

    Raises:
        ValueError: Something is unknown, or no pair is left.
    """
    content = as_mapping(given, where, KEYS)
    order = as_mapping(content.get("order"), f"{where}: order", ORDERS)
    if not isinstance(content.get("says"), str) or len(order) != 1:
        raise ValueError(
            f"{where}: must be {{says: TEXT, order: {{rows: [A, B]}}}}, or with columns or cells for rows."
        )
    (kind, ranks), within = next(iter(order.items())), content.get("within")
    if not isinstance(ranks, list) or len(ranks) < 2:
        raise ValueError(f"{where}: order: {kind}: must list two or more, not {ranks!r}.")
    if within is not None and (isinstance(within, bool) or not isinstance(within, int | float) or within <= 0):
        raise ValueError(f"{where}: within: must be a number above 0, not {within!r}.")
    if kind == "cells":
        cells = [_cell(cell, table, tables, f"{where}: order: cells") for cell in ranks]
        pairs = list(itertools.pairwise(cells))
    else:
        pairs = _pairs(kind, ranks, content.get("at"), tables[table], where)
    pairs = [
        pair for pair in pairs if all(tables[name].rows[row][column].text != NO_CELL for name, row, column in pair)
    ]
    if not pairs:
        raise ValueError(f"{where}: no two printed cells differ in this way.")
    return Claim(content["says"], tuple(pairs), within)


def judged(claim: Claim, measured: Callable[[CellKey], Measured | None]) -> list[PairVerdict]:
    """What numbers show of each pair of a claim.

    Args:
        claim: The claim.
        measured: Gives a cell's number; None if it is not there.
    """
    verdicts = []
    for first, second in claim.pairs:
        one, other = measured(first), measured(second)
        if one is None or other is None:
            verdicts.append(PairVerdict(first, second, Interval(math.nan, math.nan, math.nan), NOT_RUN))
            continue
        difference = difference_of(one, other)
        words = _WORDS[verdict(difference)] if claim.within is None else alike(difference, claim.within)
        verdicts.append(PairVerdict(first, second, difference, words))
    return verdicts


def difference_of(first: Measured, second: Measured) -> Interval:
    """The first minus the second: paired by seed or fold, with a t interval, if both are of one study."""
    if first.table == second.table and first.by_replicate and second.by_replicate:
        both = [name for name in first.by_replicate if name in second.by_replicate]
        return over_replicates([first.by_replicate[name] - second.by_replicate[name] for name in both]).interval
    return Interval(first.interval.value - second.interval.value, math.nan, math.nan)


def alike(difference: Interval, within: float) -> str:
    """Whether a difference is shown to be small.

    Example:
        >>> [alike(Interval(*each), 1.0) for each in ((0.1, -0.5, 0.7), (0.1, -0.5, 1.7), (2, 1.5, 2.5))]
        ['holds', 'holds in the mean only', 'is contradicted']
    """
    if math.isnan(difference.value):
        return _WORDS["undefined"]
    if -within <= difference.lower and difference.upper <= within:
        return HOLDS
    if difference.lower > within or difference.upper < -within:
        return CONTRADICTED
    return MEAN_ONLY if abs(difference.value) <= within else FAILS


def _pairs(
    kind: str, ranks: Sequence[object], at: object, table: PrintedTable, where: str
) -> list[tuple[CellKey, CellKey]]:
    names, others = (tuple(table.rows), table.columns) if kind == "rows" else (table.columns, tuple(table.rows))
    groups = [[as_text(name) for name in (rank if isinstance(rank, list) else [rank])] for rank in ranks]
    require_known(itertools.chain(*groups), names, f"{where}: order: {kind}")
    chosen = others if at is None else [as_text(name) for name in (at if isinstance(at, list) else [at])]
    require_known(chosen, others, f"{where}: at")
    keys = {
        (name, other): (table.name, *((name, other) if kind == "rows" else (other, name)))
        for name, other in itertools.product(names, others)
    }
    return [
        (keys[larger, other], keys[smaller, other])
        for above, below in itertools.pairwise(groups)
        for larger, smaller in itertools.product(above, below)
        for other in chosen
    ]


def _cell(given: object, table: str, tables: Mapping[str, PrintedTable], where: str) -> CellKey:
    """``[ROW, COLUMN]``, or ``[TABLE, ROW, COLUMN]`` for another table."""
    names = [as_text(name) for name in given] if isinstance(given, list) else []
    if len(names) == 2:
        names = [table, *names]
    if len(names) != 3:
        raise ValueError(f"{where}: must be [ROW, COLUMN] or [TABLE, ROW, COLUMN], not {given!r}.")
    name, row, column = names
    require_known([name], tuple(tables), where)
    require_known([row], tuple(tables[name].rows), where)
    require_known([column], tables[name].columns, where)
    return name, row, column
