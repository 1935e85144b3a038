"""Tests whether two areas under the ROC curve differ: on the same cases (paired) or on different ones (unpaired)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FindingResult, FloatArray, Interval, checked_cases, require_dimensions
from evaluation.delong import AreaCovariance, area_covariance, area_variance
from evaluation.distributions import normal_quantile, two_sided_p


@dataclass(frozen=True)
class AucComparison:
    """Two areas and the test of their difference.

    Attributes:
        first: area A with its interval and counts.
        second: area B.
        difference: A - B with its interval, within [-1, 1].
        z: the difference over its standard error; 0 for scores that rank alike, NaN where undefined.
        p: two-sided.
    """

    first: FindingResult
    second: FindingResult
    difference: Interval
    z: float
    p: float


def compare_paired(
    first: ArrayLike, second: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> AucComparison:
    """DeLong's test of two scores on the same cases.

    Scores that rank all known cases alike give difference 0, interval [0, 0], z 0 and p 1, exactly. Otherwise, where
    the cases show no variance (one case of a class, or both areas 0 or 1), the limits come from the two single
    intervals (Newcombe's hybrid, Statistics in Medicine 17, 1998), z is NaN and p is that of a sign test with as many
    trials as the rarer class has cases. NaN throughout where a class is missing.

    Args:
        first: (N,) scores A.
        second: (N,) scores B.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) or None; cases of one patient are taken together.
        level: confidence.
    """
    one, labels = checked_cases(first, label)
    two, _ = checked_cases(second, label)
    require_dimensions(one, 1, "score")
    twice = np.stack([np.asarray(label), np.asarray(label)], axis=1)
    result = compare_areas(np.stack([one, two], axis=1), twice, patient, level)
    if not math.isnan(result.first.value) and rank_alike(one[labels.known], two[labels.known]):
        return no_difference(result.first, result.second)
    return result


def compare_unpaired(
    first: ArrayLike, first_label: ArrayLike, second: ArrayLike, second_label: ArrayLike, level: float = 0.95
) -> AucComparison:
    """Test of two areas on different cases, whose variances add; undefined cases as in ``compare_paired``.

    Args:
        first: (N,) scores A.
        first_label: (N,) labels of A's cases.
        second: (M,) scores B.
        second_label: (M,) labels of B's cases.
        level: confidence.
    """
    one, two = area_variance(first, first_label), area_variance(second, second_label)
    if math.isnan(one.auc) or math.isnan(two.auc):
        return _undefined(one.result(level), two.result(level))
    variance, trials = one.variance + two.variance, min(one.trials, two.trials)
    return _compared(one.result(level), two.result(level), variance, trials, level)


def compare_areas(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> AucComparison:
    """Test of two areas whose cases may be shared in any part, such as a subgroup against the rest.

    Undefined cases as in ``compare_paired``.

    Args:
        score: (N, 2) scores A and B of the same cases.
        label: (N, 2) their labels; what is unknown in one column only is a case of the other alone.
        patient: (N,) or None; patients that have cases on both sides are then accounted for.
        level: confidence.
    """
    return compared(area_covariance(score, label, patient), 0, 1, level)


def compared(areas: AreaCovariance, first: int, second: int, level: float = 0.95) -> AucComparison:
    """Test two of the areas that were measured together; undefined cases as in ``compare_paired``.

    Args:
        areas: of K scores.
        first: column of area A.
        second: column of area B.
        level: confidence.
    """
    pair = [first, second]
    one, two = (areas.result(k, level) for k in pair)
    if math.isnan(one.value) or math.isnan(two.value):
        return _undefined(one, two)
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ areas.covariance[np.ix_(pair, pair)] @ contrast)
    return _compared(one, two, variance, min(areas.trials[first], areas.trials[second]), level)


def no_difference(first: FindingResult, second: FindingResult) -> AucComparison:
    """What is said of scores that rank alike: difference 0, limits 0, z 0 and p 1, exactly."""
    return AucComparison(first, second, Interval(0.0, 0.0, 0.0), 0.0, 1.0)


def rank_alike(first: FloatArray, second: FloatArray) -> bool:
    """Whether both scores order all cases alike, ties included: no measure of ranks can then tell them apart."""
    if np.array_equal(first, second):
        return True
    order = np.argsort(first)
    one, two = first[order], second[order]
    # Signs rather than differences: infinity minus infinity is NaN.
    rises = (one[1:] > one[:-1]), (two[1:] > two[:-1])
    return bool(np.array_equal(*rises) and np.all(two[1:] >= two[:-1]))


def _compared(first: FindingResult, second: FindingResult, variance: float, trials: int, level: float) -> AucComparison:
    value = first.value - second.value
    if not variance > 1e-30:  # what rounding leaves of zero
        return AucComparison(first, second, _hybrid(first, second), math.nan, _sign_test(value, trials))
    error = math.sqrt(variance)
    half = normal_quantile(level) * error
    limits = Interval(value, max(value - half, -1.0), min(value + half, 1.0))
    return AucComparison(first, second, limits, value / error, two_sided_p(value / error))


def _hybrid(first: FindingResult, second: FindingResult) -> Interval:
    value = first.value - second.value
    lower = math.hypot(first.value - first.lower, second.upper - second.value)
    upper = math.hypot(first.upper - first.value, second.value - second.lower)
    return Interval(value, max(value - lower, -1.0), min(value + upper, 1.0))


def _sign_test(difference: float, trials: int) -> float:
    return 1.0 if difference == 0 else min(1.0, 2 * 0.5**trials)


def _undefined(first: FindingResult, second: FindingResult) -> AucComparison:
    return AucComparison(first, second, Interval(math.nan, math.nan, math.nan), math.nan, math.nan)
