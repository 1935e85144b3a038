"""Tests whether an area under the ROC curve differs between two groups of cases, with a variance pooled under the null.

An area is the mean placement of its present cases among the absent ones, and of its absent cases among the present
ones. If groups do not differ, the placements of both come from one distribution, so its variance, its skewness and the
correlation of a patient's cases are estimated from both together. Three cases do not show how they vary: with each
group's own variance, a quarter of tests of 3 against 50 present cases are below 0.05 where nothing differs.

The difference is taken to follow Pearson's type III, which allows for skewness: placements of a good model crowd near
1, so that a few cases reach far down but not up. No p-value is smaller than exchanging patients could show.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.cases import BoolArray, FloatArray, IntArray

LEAST_PATIENTS = 3  # of a class in a group; with fewer nothing is tested
LEAST_SKEWNESS = 1e-4  # below it the gamma distribution is normal
NO_VARIANCE = 1e-30  # below it a variance is the rounding of zero


@dataclass(frozen=True)
class Placed:
    """Cases of one class in one group.

    Attributes:
        placement: (N,) the share of cases of the other class that each beats; ties count half.
        patient: (N,) numbers of patients.
    """

    placement: FloatArray
    patient: IntArray

    @property
    def patients(self) -> int:
        """Number of distinct patients."""
        return len(np.unique(self.patient))


@dataclass(frozen=True)
class _Group:
    """Distances of a group's placements from their mean, summed by patient.

    Attributes:
        total: (P,) sum over a patient's cases.
        cases: (P,) their number.
        squares: Sum of squares over all cases.
        cubes: Sum of cubes.
    """

    total: FloatArray
    cases: FloatArray
    squares: float
    cubes: float

    @property
    def size(self) -> float:
        return float(self.cases.sum())

    @property
    def patients(self) -> int:
        return int(np.count_nonzero(self.cases))

    @property
    def pairs(self) -> float:
        """Ordered pairs of cases of one patient."""
        return float(np.square(self.cases).sum()) - self.size


@dataclass(frozen=True)
class _Class:
    """What one class of cases adds to the difference of two areas.

    Attributes:
        variance: Of the difference, from this class alone.
        third: Its third cumulant.
        uncertainty: The sum over the variance's terms of their square over their degrees of freedom.
        least: The smallest two-sided p-value that exchanging patients could give.
        deviation: (P,) sum over a patient's cases of their distances from their group's mean.
        weight: (P,) sum of the weights of a patient's cases in the difference.
        cases: (P,) number of a patient's cases.
    """

    variance: float
    third: float
    uncertainty: float
    least: float
    deviation: FloatArray
    weight: FloatArray
    cases: FloatArray


def placed(score: FloatArray, among: FloatArray, chosen: BoolArray, patient: IntArray, above: bool = True) -> Placed:
    """The chosen cases among others by score.

    Example:
        >>> score, every = np.array([0.1, 0.4, 0.8]), np.ones(3, dtype=bool)
        >>> placed(score, np.array([0.4, 0.5]), every, np.arange(3)).placement.tolist()
        [0.0, 0.25, 1.0]

    Args:
        score: (N,) of all cases.
        among: (M,) scores of the cases of the other class.
        chosen: (N,) which cases to place.
        patient: (N,) numbers of their patients.
        above: Whether a case should lie above the others (present) or below them (absent).
    """
    others, own = np.sort(among), score[chosen]
    low, high = (np.searchsorted(others, own, side=side) for side in ("left", "right"))
    share = (low + high) / (2 * len(others))
    return Placed(share if above else 1 - share, patient[chosen])


def difference_p(classes: Sequence[tuple[Placed, Placed]], patients: int) -> float:
    """Two-sided p-value of the difference between the mean placements of two groups.

    Example:
        >>> random = np.random.default_rng(0)
        >>> many, few = Placed(random.random(50) ** 0.5, np.arange(50)), np.arange(50, 53)
        >>> values = np.array([0.6, 0.7, 0.9]), np.array([0.99, 1.0, 0.98])
        >>> [round(difference_p([(Placed(value, few), many)], 53), 3) for value in values]
        [0.783, 0.013]

    Args:
        classes: Of each class the cases of the first and of the second group, present cases first. Leave the absent
            cases out if both groups are placed among the same ones: without a difference these do not add to it.
        patients: One more than the highest number of a patient.
    """
    parts = [_class(_group(first, patients), _group(second, patients)) for first, second in classes]
    first, second = classes[0]
    difference = float(first.placement.mean() - second.placement.mean())
    if abs(difference) < 1e-12:
        return 1.0
    variance = sum(part.variance for part in parts) + (_shared(*parts) if len(parts) > 1 else 0.0)
    least = max(part.least for part in parts)
    if not variance > NO_VARIANCE:
        return min(least, 1.0)
    freedom = variance**2 / sum(part.uncertainty for part in parts)
    skewness = sum(part.third for part in parts) / variance**1.5
    return min(1.0, max(least, _two_tails(difference / math.sqrt(variance), skewness, freedom)))


def _group(side: Placed, patients: int) -> _Group:
    distance = side.placement - side.placement.mean()
    total = np.asarray(np.bincount(side.patient, distance, patients), dtype=np.float64)
    cases = np.bincount(side.patient, minlength=patients).astype(np.float64)
    return _Group(total, cases, float(np.square(distance).sum()), float((distance**3).sum()))


def _class(first: _Group, second: _Group) -> _Class:
    groups, patients = (first, second), first.patients + second.patients
    size, pairs = np.array([group.size for group in groups]), np.array([group.pairs for group in groups])
    weight = first.cases / first.size - second.cases / second.size
    single_weights = float((1 / size).sum())
    pair_weights = float(np.square(weight).sum()) - single_weights
    cases = first.cases + second.cases
    freedom = max(1, patients - 2), max(1, int((cases > 1).sum()) - int((pairs > 0).sum()))
    alike = _likeness(first, second) if (cases > 1).any() else 0.0
    if pair_weights > 0:  # few patients with several cases do not show how alike these are: at worst, they are equal
        alike += (1 - alike) / (freedom[1] + 1)
    # Distances from a mean are smaller than those from the true one, by the variance of the mean.
    single = (first.squares + second.squares) / max(float((size - 1 - pairs * alike / size).sum()), 1e-9)
    terms = single * single_weights, single * alike * pair_weights
    uncertainty = sum(term**2 / number for term, number in zip(terms, freedom, strict=True))
    if pair_weights < 0:  # patients in both groups, who are their own control
        uncertainty = sum(terms) ** 2 / max(1, int(np.count_nonzero(cases)) - 1)
    effective = size * size / (size + pairs * alike)  # independent cases whose mean would vary as much
    known = float(((size - 1) * (size - 2) / size).sum())
    skew = (first.cubes + second.cubes) / known if known > 0 else 0.0
    return _Class(
        variance=sum(terms),
        third=skew * float(effective[0] ** -2 - effective[1] ** -2),
        uncertainty=uncertainty,
        least=2 / math.comb(patients, first.patients),
        deviation=first.total + second.total,
        weight=weight,
        cases=cases,
    )


def _likeness(first: _Group, second: _Group) -> float:
    """The correlation of two cases of a patient, from 0 to 1.

    Products are divided by the variance of the group they come from: one group alone may have patients with several
    cases, and a group that happens to lie near 1 varies little.
    """
    groups, across = (first, second), 2 * float(first.cases @ second.cases)
    size, pairs, spread = (
        np.array(each) for each in zip(*((g.size, g.pairs, g.squares / g.size) for g in groups), strict=True)
    )
    products = sum(float(np.square(group.total).sum()) - group.squares for group in groups)
    scale = float(pairs @ spread) + across * math.sqrt(float(spread.prod()))
    if not scale > 0:
        return 0.0
    raw = min((products + 2 * float(first.total @ second.total)) / scale, 1.0)
    # Distances from a group's own mean are less alike than those from the true one.
    number = float(pairs.sum()) + across
    single, double = float((pairs / size).sum()) / number, float(np.square(pairs / size).sum()) / number
    return min(max((raw + (1 - raw) * single) / max(1 - (1 - raw) * double, 1e-9), 0.0), 1.0)


def _shared(one: _Class, other: _Class) -> float:
    """What patients with cases of both classes add to the variance."""
    number = float(one.cases @ other.cases)
    return 2 * float(one.deviation @ other.deviation) / number * float(one.weight @ other.weight) if number else 0.0


def _two_tails(z: float, skewness: float, freedom: float) -> float:
    """Two-sided p-value of a standardised value by Pearson's type III, with Student's t for the estimated variance."""
    from scipy.special import gammainc, gammaincc, ndtri, stdtr

    skew = math.copysign(max(abs(skewness), LEAST_SKEWNESS), skewness)
    shape = 4 / skew**2
    x = max(shape + math.copysign(1, skew) * z * math.sqrt(shape), 0.0)
    smaller = min(gammainc(shape, x), gammaincc(shape, x))
    return 2 * float(stdtr(freedom, ndtri(smaller)))
