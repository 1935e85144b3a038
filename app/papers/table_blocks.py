"""One table of a paper's page: the printed rows with ours below each, and what holds of its claims."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.pages import numbers
from app.papers.declaration import NO_CELL, Claim, PrintedTable, Source
from app.papers.gathered import PaperResults, printed_verdicts
from app.papers.verdicts import HOLDS, NOT_MEASURED, PairVerdict

P_VALUES = ("p", "p_holm")
"""Columns of ``comparisons.csv`` in which nothing is zero, however small."""


def sentence(text: str) -> str:
    """A text with a full stop, unless it ends in a mark."""
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def table_blocks(gathered: PaperResults, table: PrintedTable, pictures: Sequence[tuple[str, str]]) -> list[str]:
    """The table with the paper's rows and ours below each, notes, pictures, and its claims."""
    sizes = [size for size in gathered.paper.sizes if gathered.numbers[size][table.name]]
    rows: list[list[str]] = []
    for name, cells in table.rows.items():
        rows.append([name, "paper", *(cell.text for cell in cells.values())])
        for size in sizes:
            rows.append(["", size, *(_ours(gathered, table, size, name, column) for column in table.columns)])
    missing = [
        f"- {size}: the picture `{picture}` is not there."
        for size in gathered.sizes
        for picture in table.sources[size].pictures
        if not (gathered.results.folder / picture).is_file()
    ]
    notes = "\n".join([*_notes(table, sizes), *missing])
    blocks = ["\n".join(numbers.markdown_table(["", "", *table.columns], rows, left=2)), notes]
    blocks += [f"![{caption}]({file})\n\n*{caption}*" for file, caption in pictures]
    for claim in table.claims:
        blocks.append(_claim(gathered, table, claim, sizes))
    return blocks


def _ours(gathered: PaperResults, table: PrintedTable, size: str, row: str, column: str) -> str:
    measured = gathered.numbers[size][table.name].get((row, column))
    if measured is None:
        return "" if table.rows[row][column].text == NO_CELL else "n/a"
    if math.isnan(measured.interval.value):
        return "undefined"
    if table.sources[size].places[row, column].value in P_VALUES:
        return numbers.p_value(measured.interval.value)
    return numbers.limits(measured.interval, table.decimals)


def _notes(table: PrintedTable, sizes: Sequence[str]) -> list[str]:
    """What the printed spread means, what a size lacks, and its note."""
    notes = [f"In the paper's rows: {table.spread}."] if table.spread else []
    for size in sizes:
        source = table.sources[size]
        notes += [f"{size}: {sentence(source.note)}"] if source.note else []
        reasons: dict[str, list[str]] = {}
        for name, reason in _lacking(table, source).items():
            reasons.setdefault(reason, []).append(name)
        notes += [f"{size} lacks {', '.join(names)}: {sentence(reason)}" for reason, names in reasons.items()]
    return [f"- {note}" for note in notes]


def _lacking(table: PrintedTable, source: Source) -> dict[str, str]:
    """Reasons by the name of a whole column or row, or of a single cell."""
    reasons: dict[str, str] = {}
    for (row, column), reason in source.lacking.items():
        whole_column = all(source.lacking.get((each, column)) == reason for each in table.rows)
        whole_row = all(source.lacking.get((row, each)) == reason for each in table.columns)
        reasons[column if whole_column else row if whole_row else f"{row} / {column}"] = reason
    return reasons


def _claim(gathered: PaperResults, table: PrintedTable, claim: Claim, sizes: Sequence[str]) -> str:
    """A claim with what each size shows, and each pair that does not hold."""
    within = "" if claim.within is None else f" (alike: within {claim.within:g})"
    lines = [f"**{claim.says}**{within}", ""]
    lines.append(f"- paper: {printed_verdicts(gathered.paper, claim)}.")
    for size in sizes:
        verdicts = gathered.verdicts(claim, size)
        lines.append(f"- {size}: {gathered.summary(claim, size)}.")
        for each in verdicts:
            if each.words not in (HOLDS, NOT_MEASURED):
                difference = numbers.difference(each.difference, table.decimals)
                sign = ">" if claim.within is None else "and"
                lines.append(f"  - {_pair_words(each, sign)}: {difference}, {each.words}")
    return "\n".join(lines)


def _pair_words(pair: PairVerdict, sign: str) -> str:
    """What differs first, then what both share: ``ours > ref. at Nodule``."""
    differing = [(a, b) for a, b in zip(pair.first, pair.second, strict=True) if a != b]
    shared = [a for a, b in zip(pair.first[1:], pair.second[1:], strict=True) if a == b]
    sides = [", ".join(side) for side in zip(*differing, strict=True)]
    return f" {sign} ".join(sides) + (f" at {', '.join(shared)}" if shared else "")
