"""Tests whether two areas under the ROC curve differ, on the same cases, on other cases, or on partly shared ones.

The statistic is DeLong's. Its distribution is taken for Student's, since few present patients tell little about the
variance; the degrees of freedom are Satterthwaite's over the sets of cases (present and absent ones of each area).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FindingResult, FloatArray, Interval, checked_cases
from evaluation.delong import area_covariance
from evaluation.distributions import t_quantile, t_two_sided_p
from evaluation.several_areas import AreaCovariance

NO_VARIANCE = 1e-30  # below it a variance is the rounding of zero


@dataclass(frozen=True)
class AucComparison:
    """Two areas and the test of their difference.

    Attributes:
        first: Area A with its interval and counts.
        second: Area B.
        difference: A - B with its interval, within [-1, 1].
        z: The difference over its standard error; 0 for scores that rank alike, NaN if undefined.
        p: Two-sided, by Student's distribution, as the interval of the difference.
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

    Scores that rank all known cases alike give difference 0, interval [0, 0], z 0 and p 1, exactly. Otherwise, if the
    cases show no variance (a class has one case, or both areas are 0 or 1), the limits come from the two single
    intervals (Newcombe's hybrid, Statistics in Medicine 17, 1998), z is NaN, and p is that of a sign test with as many
    trials as the rarer class has cases. NaN throughout if a class is missing.

    Example:
        >>> label, score = np.arange(20) % 2, np.arange(20)
        >>> round(compare_paired(score + 8 * label, score, label).p, 3)
        0.0
        >>> compare_paired(score, 2 * score, label).p
        1.0

    Args:
        first: (N,) scores A.
        second: (N,) scores B.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) or None; the cases of a patient are taken together.
        level: Confidence.
    """
    one, labels = checked_cases(first, label, 1)
    two, _ = checked_cases(second, label, 1)
    result = compare_areas(np.stack([one, two], axis=1), np.stack([np.asarray(label)] * 2, axis=1), patient, level)
    if not math.isnan(result.first.value) and rank_alike(one[labels.known], two[labels.known]):
        return no_difference(result.first, result.second)
    return result


def compare_unpaired(
    first: ArrayLike, first_label: ArrayLike, second: ArrayLike, second_label: ArrayLike, level: float = 0.95
) -> AucComparison:
    """Test of two areas on different cases (N,) and (M,), whose variances add; otherwise like ``compare_paired``.

    Example:
        >>> score, label = np.arange(20), np.arange(20) % 2
        >>> result = compare_unpaired(score + 8 * label, label, score, label)
        >>> round(result.first.value, 2), round(result.second.value, 2), round(result.p, 3)
        (0.85, 0.55, 0.07)
    """
    one, labels_one = checked_cases(first, first_label, 1)
    two, labels_two = checked_cases(second, second_label, 1)
    score = np.concatenate([one, two])
    label = np.full((len(score), 2), -1.0)
    label[: len(one), 0], label[len(one) :, 1] = labels_one.numbers(), labels_two.numbers()
    result = compare_areas(np.stack([score, score], axis=1), label, None, level)
    first_result = FindingResult.of(result.first, labels_one.counts())
    return replace(result, first=first_result, second=FindingResult.of(result.second, labels_two.counts()))


def compare_areas(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> AucComparison:
    """Test of two areas that may share any part of their cases, such as a subgroup against the rest.

    Undefined cases as in ``compare_paired``.

    Example:
        >>> score, label = np.arange(20) % 7, np.arange(20) % 3 == 0
        >>> first_half = np.where(np.arange(20) < 10, label, -1)  # against all
        >>> result = compare_areas(np.stack([score, score], axis=1), np.stack([first_half, label], axis=1))
        >>> round(result.first.value, 3), round(result.second.value, 3), round(result.p, 3)
        (0.583, 0.533, 0.742)

    Args:
        score: (N, 2) scores A and B of the same cases.
        label: (N, 2) their labels; a case that is unknown in one column belongs to the other alone.
        patient: (N,) or None; patients with cases on both sides are then allowed for.
        level: Confidence.
    """
    return compared(area_covariance(score, label, patient), 0, 1, level)


def compared(areas: AreaCovariance, first: int, second: int, level: float = 0.95) -> AucComparison:
    """Test of two columns of areas that were measured together. Undefined cases as in ``compare_paired``."""
    one, two = areas.result(first, level), areas.result(second, level)
    value = one.value - two.value
    if math.isnan(value):
        return AucComparison(one, two, UNDEFINED, math.nan, math.nan)
    weight = np.zeros(len(areas.auc))
    weight[first], weight[second] = 1.0, -1.0
    _, variance, freedom = areas.contrast(weight)
    if not variance > NO_VARIANCE:
        counts = areas.counts[first], areas.counts[second]
        trials = min(min(each.present_patients, each.absent_patients) for each in counts)
        sign_test = 1.0 if value == 0 else min(1.0, 2 * 0.5**trials)
        return AucComparison(one, two, _hybrid(one, two), math.nan, sign_test)
    z = value / math.sqrt(variance)
    return AucComparison(one, two, difference_interval(value, variance, level, freedom), z, t_two_sided_p(z, freedom))


def difference_interval(value: float, variance: float, level: float = 0.95, freedom: float = math.inf) -> Interval:
    """Student's interval of a difference of two areas, within [-1, 1]; normal for infinite degrees of freedom."""
    half = t_quantile(level, freedom) * math.sqrt(variance)
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0))


def no_difference(first: FindingResult, second: FindingResult) -> AucComparison:
    """The comparison of scores that rank alike: difference 0, limits 0, z 0 and p 1, exactly."""
    return AucComparison(first, second, Interval(0.0, 0.0, 0.0), 0.0, 1.0)


def rank_alike(first: FloatArray, second: FloatArray) -> bool:
    """Whether both scores order all cases alike, ties included, so that no measure of ranks can tell them apart."""
    if np.array_equal(first, second):
        return True
    order = np.argsort(first)
    one, two = first[order], second[order]
    # Comparisons rather than differences: infinity minus infinity is NaN.
    rises = (one[1:] > one[:-1]), (two[1:] > two[:-1])
    return bool(np.array_equal(*rises) and np.all(two[1:] >= two[:-1]))


def _hybrid(first: FindingResult, second: FindingResult) -> Interval:
    value = first.value - second.value
    lower = math.hypot(first.value - first.lower, second.upper - second.value)
    upper = math.hypot(first.upper - first.value, second.value - second.lower)
    return Interval(value, max(value - lower, -1.0), min(value + upper, 1.0))
