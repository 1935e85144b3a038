"""Whether numbers show what a paper claims of pairs of cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from app.papers.declaration import CellKey, Claim
from app.papers.results import Measured
from app.sweeps import orderings
from evaluation.cases import Interval

HOLDS = "holds"
MEAN_ONLY = "holds in the mean only"
FAILS = "does not hold"
CONTRADICTED = "is contradicted"
UNDEFINED = "is undefined"
NOT_MEASURED = "is not measured"
VERDICTS = (HOLDS, MEAN_ONLY, FAILS, CONTRADICTED, UNDEFINED, NOT_MEASURED)
_WORDS = {
    "shown": HOLDS,
    "not shown": MEAN_ONLY,
    "other way round": FAILS,
    "contradicted": CONTRADICTED,
    "undefined": UNDEFINED,
}


@dataclass(frozen=True)
class PairVerdict:
    """What the numbers of one pair show; the difference is NaN if they are not there."""

    first: CellKey
    second: CellKey
    difference: Interval
    words: str


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
            verdicts.append(PairVerdict(first, second, Interval(math.nan, math.nan, math.nan), NOT_MEASURED))
            continue
        difference = difference_of(one, other)
        words = _WORDS[orderings.verdict(difference)] if claim.within is None else alike(difference, claim.within)
        verdicts.append(PairVerdict(first, second, difference, words))
    return verdicts


def difference_of(first: Measured, second: Measured) -> Interval:
    """The first minus the second: paired by seed or fold, with a t interval, if both are of one study."""
    if first.table == second.table and first.by_replicate and second.by_replicate:
        return orderings.difference_of(first.by_replicate, second.by_replicate)
    return Interval(first.interval.value - second.interval.value, math.nan, math.nan)


def alike(difference: Interval, within: float) -> str:
    """Whether a difference is shown to be small.

    Example:
        >>> [alike(Interval(*each), 1.0) for each in ((0.1, -0.5, 0.7), (0.1, -0.5, 1.7), (2, 1.5, 2.5))]
        ['holds', 'holds in the mean only', 'is contradicted']
    """
    if math.isnan(difference.value):
        return UNDEFINED
    if -within <= difference.lower and difference.upper <= within:
        return HOLDS
    if difference.lower > within or difference.upper < -within:
        return CONTRADICTED
    return MEAN_ONLY if abs(difference.value) <= within else FAILS
