"""A paper with our numbers, and what they show of its claims, counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.papers.declaration import CellKey, Claim, Paper
from app.papers.results import Measured, Results, numbers_of
from app.papers.verdicts import FAILS, HOLDS, VERDICTS, PairVerdict, judged

Numbers = dict[str, dict[str, dict[tuple[str, str], Measured]]]
"""By size, table, and row and column."""


@dataclass(frozen=True)
class PaperResults:
    """A paper with what has run of it.

    Attributes:
        paper: The paper.
        results: The folder of results.
        numbers: What is there.
    """

    paper: Paper
    results: Results
    numbers: Numbers

    @property
    def sizes(self) -> list[str]:
        """The sizes that have any number."""
        return [size for size in self.paper.sizes if any(self.numbers[size].values())]

    def verdicts(self, claim: Claim, size: str) -> list[PairVerdict]:
        """What a size's numbers show of a claim."""
        return judged(claim, lambda key: self.numbers[size][key[0]].get(key[1:]))

    def summary(self, claim: Claim, size: str) -> str:
        """The verdicts, counted."""
        return summary_words([each.words for each in self.verdicts(claim, size)])


def gather(paper: Paper, results: Results) -> PaperResults:
    """Read every number that is there.

    Raises:
        ValueError: A table of results is damaged or lacks a column.
    """
    tables = paper.tables.values()
    found = {
        size: {table.name: numbers_of(table, table.sources[size], results) for table in tables} for size in paper.sizes
    }
    return PaperResults(paper, results, found)


def summary_words(verdicts: Sequence[str]) -> str:
    """Verdicts on a claim's pairs, counted.

    Example:
        >>> summary_words(["holds", "holds"]), summary_words(["holds", "holds in the mean only", "does not hold"])
        ('holds in 2 of 2', 'holds in 1 of 3, in the mean only in 1, does not hold in 1')
    """
    counts = [(words, verdicts.count(words)) for words in VERDICTS if words in verdicts]
    phrases = [f"{words} in {count}" for words, count in counts]
    phrases[0] += f" of {len(verdicts)}"
    return ", ".join([phrases[0], *(phrase.removeprefix(f"{HOLDS} ") for phrase in phrases[1:])])


def printed_verdicts(paper: Paper, claim: Claim) -> str:
    """In how many pairs the paper's own numbers are as it claims."""
    differences = [_printed(paper, first) - _printed(paper, second) for first, second in claim.pairs]
    known = [each for each in differences if not math.isnan(each)]
    if not known:
        return "no numbers"
    held = [each > 0 if claim.within is None else abs(each) <= claim.within + 1e-9 for each in known]
    return summary_words([HOLDS if each else FAILS for each in held])


def _printed(paper: Paper, key: CellKey) -> float:
    table, row, column = key
    return paper.tables[table].rows[row][column].value
