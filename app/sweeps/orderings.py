"""Orderings that a study file expects of a metric, the pairs of cells they compare, and the verdict on each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.sweeps.fields import as_mapping, as_pattern, matches, require_known

if TYPE_CHECKING:
    from evaluation.cases import Interval
    from evaluation.means import RepeatedRuns

LEVEL = 0.95
KEYS = ("metric", "factor", "order", "at")
FORM = "must be {metric: METRIC, factor: FACTOR, order: [A, B], at: {OTHER FACTOR: VALUE}}"
Replicate = TypeVar("Replicate", int, str)
Values = Mapping[str, str]
"""The name of the value of each factor: a cell."""


@dataclass(frozen=True)
class Pair:
    """Two cells that differ in one factor; the first is expected to have the larger value."""

    factor: str
    larger: Values
    smaller: Values

    @property
    def text(self) -> str:
        """For example ``contour > box at size=100``."""
        others = ", ".join(f"{name}={value}" for name, value in self.larger.items() if name != self.factor)
        return f"{self.larger[self.factor]} > {self.smaller[self.factor]}" + (f" at {others}" if others else "")


@dataclass(frozen=True)
class Ordering:
    """An expected ordering of a metric, with all pairs of cells that it is about."""

    text: str
    metric: str
    pairs: tuple[Pair, ...]


def parse_ordering(given: object, factors: Mapping[str, Sequence[str]], cells: Sequence[Values]) -> Ordering:
    """Read one ordering.

    Args:
        given: ``metric``; ``factor``; ``order``, its values from the largest expected metric to the smallest, each a
            value or a list of values that share a rank; and, if wanted, ``at``, a pattern of other factors' values.
        factors: Names of the values of each factor.
        cells: The cells that run; a pair is left out if one of its cells does not run.

    Raises:
        ValueError: A key, factor or value is unknown, or no pair of cells runs.

    Example:
        >>> cells = [{"level": level, "size": "100"} for level in ("contour", "box", "image")]
        >>> given = {"metric": "auc.macro", "factor": "level", "order": ["contour", ["box", "image"]]}
        >>> [pair.text for pair in parse_ordering(given, {"level": ["contour", "box", "image"]}, cells).pairs]
        ['contour > box at size=100', 'contour > image at size=100']
    """
    where = "report: orderings"
    if not isinstance(given, dict):
        raise ValueError(f"{where}: {FORM}, not {given!r}.")
    content = as_mapping(given, where, KEYS)
    metric, factor, order = (content.get(key) for key in KEYS[:3])
    if not isinstance(metric, str) or not isinstance(factor, str) or not isinstance(order, list) or len(order) < 2:
        raise ValueError(f"{where}: {FORM}, not {given!r}.")
    require_known([factor], tuple(factors), where)
    others = {name: values for name, values in factors.items() if name != factor}
    at = as_pattern(content.get("at"), others, f"{where}: at")
    ranks = [as_pattern({factor: rank}, factors, where)[factor] for rank in order]
    pairs = [
        Pair(factor, cell, {**cell, factor: smaller})
        for above, below in itertools.pairwise(ranks)
        for larger, smaller in itertools.product(above, below)
        for cell in cells
        if cell[factor] == larger and matches(cell, at) and {**cell, factor: smaller} in cells
    ]
    text = f"{' > '.join(' and '.join(rank) for rank in ranks)} in {metric}"
    if at:
        text += " at " + ", ".join(f"{name}={' or '.join(values)}" for name, values in at.items())
    if not pairs:
        raise ValueError(f"{where}: {text}: no two cells that run differ in this way.")
    return Ordering(text, metric, tuple(pairs))


def over_replicates(values: Sequence[float]) -> RepeatedRuns:
    """Mean with t interval and standard deviation over seeds or folds; all NaN if one value is undefined."""
    from evaluation.means import over_runs

    # An ordering is not judged by only those runs that happen to have a value.
    return over_runs([] if any(map(math.isnan, values)) else values, LEVEL)


def difference_of(first: Mapping[Replicate, float], second: Mapping[Replicate, float]) -> Interval:
    """The first cell minus the second, paired by seed or fold.

    Where only one is shared, nothing is left to pair: a cell that ran once, such as an ensemble, is compared with the
    mean of the other, without an interval. NaN if none is shared or a value is undefined.

    Args:
        first: The value of each seed or fold of one cell.
        second: Those of the other.

    Example:
        >>> round(difference_of({"seed_0": 0.9}, {"seed_0": 0.8, "seed_1": 0.6}).value, 3)  # 0.9 - 0.7
        0.2
    """
    shared = [name for name in first if name in second]
    if len(shared) == 1:
        means = [over_replicates(list(cell.values())).interval.value for cell in (first, second)]
        return over_replicates([means[0] - means[1]]).interval
    return over_replicates([first[name] - second[name] for name in shared]).interval


def verdict(difference: Interval) -> str:
    """What a paired difference, which is expected to be above zero, shows.

    A single seed has no interval and tells only the direction.

    Example:
        >>> from evaluation.cases import Interval
        >>> verdict(Interval(0.2, 0.1, 0.3)), verdict(Interval(0.2, -0.1, 0.5))
        ('shown', 'not shown')
    """
    if math.isnan(difference.value):
        return "undefined"
    if difference.lower > 0:
        return "shown"
    if difference.upper < 0:
        return "contradicted"
    return "not shown" if difference.value > 0 else "other way round"
