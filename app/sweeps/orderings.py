"""Orderings that a study claims, such as ``contour > box in dice.macro at every size``, and what results say."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.cases import Interval
from evaluation.means import over_runs

LEVEL = 0.95
FORM = re.compile(r"(?P<sides>.+?)\s+in\s+(?P<metric>\S.*?)(?:\s+at\s+(?P<places>.+))?")
Values = Mapping[str, str]
"""Name of the value by factor: a cell."""


@dataclass(frozen=True)
class Pair:
    """Two cells that differ in one factor; the first is claimed to be the larger.

    Attributes:
        larger: values of the one, in the factors' order.
        smaller: values of the other, likewise.
        place: values of the other factors.
    """

    larger: Values
    smaller: Values
    place: Values

    @property
    def words(self) -> str:
        """As a table says it: ``contour > box at size=100``."""
        factor = next(name for name in self.larger if self.larger[name] != self.smaller[name])
        where = ", ".join(f"{name}={value}" for name, value in self.place.items())
        return f"{self.larger[factor]} > {self.smaller[factor]}" + (f" at {where}" if where else "")


@dataclass(frozen=True)
class Claim:
    """A claim as written, with the metric and all pairs of cells that it is about."""

    text: str
    metric: str
    pairs: tuple[Pair, ...]


def parse_claim(text: str, factors: Mapping[str, Sequence[str]], cells: Sequence[Values]) -> Claim:
    """Read ``A and B > C > D in METRIC at every FACTOR and FACTOR=VALUE``.

    Args:
        text: the claim; ``<`` stands for less, for metrics where less is better.
        factors: names of values by factor.
        cells: the combinations that run; pairs of which one does not run are left out.

    Raises:
        ValueError: another form, a name that is no value or one of several factors, or no pair of cells runs.
    """
    match = FORM.fullmatch(text.strip())
    signs = set(re.findall(r"[<>]", text))
    if match is None or len(signs) != 1:
        raise ValueError(f"ordering {text!r}: must read 'A > B in METRIC at every FACTOR' ('>' or '<').")
    factor, groups = _sides(text, match["sides"], factors)
    if signs == {"<"}:
        groups.reverse()
    places = _places(text, match["places"] or "", factors, factor)
    pairs = []
    for larger, smaller in itertools.pairwise(groups):
        for first, second in itertools.product(larger, smaller):
            pairs += _pairs(factor, (first, second), places, cells)
    if not pairs:
        raise ValueError(f"ordering {text!r}: no two cells that run differ in this way.")
    return Claim(text, match["metric"], tuple(pairs))


def _sides(text: str, sides: str, factors: Mapping[str, Sequence[str]]) -> tuple[str, list[list[str]]]:
    groups = [[name.strip() for name in side.split(" and ")] for side in re.split(r"[<>]", sides)]
    named = [[_found(text, name, factors) for name in group] for group in groups]
    common = set.intersection(*({factor for factor, _ in options} for group in named for options in group))
    if len(common) != 1:
        what = "are values of several factors; write FACTOR=VALUE" if common else "are not values of one factor"
        raise ValueError(f"ordering {text!r}: {', '.join(name for group in groups for name in group)} {what}.")
    factor = common.pop()
    return factor, [[dict(options)[factor] for options in group] for group in named]


def _places(text: str, places: str, factors: Mapping[str, Sequence[str]], own: str) -> dict[str, list[str]]:
    """Allowed values of the other factors; all of those that are not named."""
    allowed = {factor: list(values) for factor, values in factors.items() if factor != own}
    narrowed: dict[str, list[str]] = {}
    for place in filter(None, (part.strip() for part in places.split(" and "))):
        if place.startswith("every "):
            if place.removeprefix("every ").strip() not in allowed:
                raise ValueError(f"ordering {text!r}: {place!r} must name another factor: {', '.join(allowed)}.")
            continue
        options = [option for option in _found(text, place, factors) if option[0] != own]
        if len(options) != 1:
            raise ValueError(f"ordering {text!r}: {place!r} must be a value of one other factor; write FACTOR=VALUE.")
        narrowed.setdefault(options[0][0], []).append(options[0][1])
    return allowed | narrowed


def _found(text: str, name: str, factors: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Every (factor, value) that a name may stand for."""
    factor, equals, value = name.partition("=")
    options = [(each, name) for each, values in factors.items() if name in values]
    if equals:
        options = [(factor.strip(), value.strip())] if value.strip() in factors.get(factor.strip(), ()) else []
    if not options:
        known = "; ".join(f"{each}: {', '.join(values)}" for each, values in factors.items())
        raise ValueError(f"ordering {text!r}: {name!r} is no value of a factor ({known}).")
    return options


def _pairs(
    factor: str, names: tuple[str, str], places: Mapping[str, Sequence[str]], cells: Sequence[Values]
) -> list[Pair]:
    pairs = []
    for combination in itertools.product(*places.values()):
        place = dict(zip(places, combination, strict=True))
        found = [next((cell for cell in cells if cell == {**place, factor: name}), None) for name in names]
        if found[0] is not None and found[1] is not None:
            pairs.append(Pair(found[0], found[1], place))
    return pairs


def mean_and_interval(values: Sequence[float]) -> tuple[Interval, float]:
    """Mean with its t interval, and the standard deviation (n - 1); NaN where values are too few or one is undefined.

    Args:
        values: one a seed or fold; they count as independent.
    """
    # A claim is not judged on those runs alone that happened to have a value.
    runs = over_runs([] if any(map(math.isnan, values)) else values, LEVEL)
    return runs.interval, runs.deviation


def verdict(difference: Interval) -> str:
    """What a paired difference (claimed to be above zero) says: shown, not shown, other way round or contradicted.

    With one seed there is no interval: then only the direction is told.
    """
    if math.isnan(difference.value):
        return "undefined"
    if difference.lower > 0:
        return "shown"
    if difference.upper < 0:
        return "contradicted"
    return "not shown" if difference.value > 0 else "other way round"
