"""What a paper claims of its tables, read from a declaration."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from app.papers.declaration import NO_CELL, CellKey, Claim, PrintedTable
from app.sweeps.fields import as_mapping, as_text, require_known

KEYS = ("says", "order", "at", "within")
ORDERS = ("rows", "columns", "cells")


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
        if "at" in content:
            raise ValueError(f"{where}: 'at' does not go with cells, which are named one by one.")
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
