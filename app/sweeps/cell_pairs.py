"""Pairs of cells that a study file asks to compare on the images that both tested, and their comparison."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from app.sweeps.fields import as_mapping, as_pattern, matches, require_known
from app.sweeps.orderings import Values
from app.sweeps.sweep import CellPair

KEYS = ("factor", "between", "at")
FORM = "must be {factor: FACTOR, between: [A, B], at: {OTHER FACTOR: VALUE}}"
WHERE = "report: comparisons"


def parse_comparisons(
    given: object, factors: Mapping[str, Sequence[str]], cells: Sequence[Values], has_folds: bool
) -> tuple[CellPair, ...]:
    """Read comparisons: ``between`` lists values of a factor, every two of which are compared.

    Args:
        given: A list of ``{factor, between, at}``; ``at`` is a pattern of other factors' values.
        factors: Names of the values of each factor.
        cells: The cells that run.
        has_folds: Whether the sweep has folds in place of seeds.

    Raises:
        ValueError: A key, factor or value is unknown, or no two cells run that could be compared.

    Example:
        >>> cells = [{"model": name} for name in "abc"]
        >>> given = [{"factor": "model", "between": ["a", "b", "c"]}]
        >>> pairs = parse_comparisons(given, {"model": ["a", "b", "c"]}, cells, False)
        >>> [(pair.first["model"], pair.second["model"]) for pair in pairs]
        [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise ValueError(f"{WHERE}: must be a list of {{factor, between, at}}, not {given!r}.")
    if has_folds:
        raise ValueError(f"{WHERE}: folds test different images each; comparisons need seeds.")
    return tuple(pair for group, each in enumerate(given) for pair in _pairs(each, group, factors, cells))


def _pairs(given: object, group: int, factors: Mapping[str, Sequence[str]], cells: Sequence[Values]) -> list[CellPair]:
    content = as_mapping(given, WHERE, KEYS)
    factor, between = content.get("factor"), content.get("between")
    if not isinstance(factor, str) or not isinstance(between, list) or len(between) < 2:
        raise ValueError(f"{WHERE}: {FORM}, not {given!r}.")
    require_known([factor], tuple(factors), WHERE)
    others = {name: values for name, values in factors.items() if name != factor}
    at = as_pattern(content.get("at"), others, f"{WHERE}: at")
    names = as_pattern({factor: between}, factors, WHERE)[factor]
    pairs = [
        CellPair(factor, cell, {**cell, factor: second}, group)
        for first, second in itertools.combinations(names, 2)
        for cell in cells
        if cell[factor] == first and matches(cell, at) and {**cell, factor: second} in cells
    ]
    if not pairs:
        raise ValueError(f"{WHERE}: no two cells run that {given!r} compares.")
    return pairs
