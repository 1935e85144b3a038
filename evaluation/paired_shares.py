"""Differences of shares of the same cases, such as two models' sensitivities, tested exactly and by patient."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray, Interval
from evaluation.distributions import normal_quantile
from evaluation.patients import chosen_patients, patient_numbers
from evaluation.shares import share_interval


@dataclass(frozen=True)
class ShareComparison:
    """Two shares of the same cases and the test of their difference.

    Attributes:
        first: Share A with its interval.
        second: Share B.
        difference: A - B with its interval, within [-1, 1].
        p: Two-sided; 1 if A and B are right in the same cases.
        only_first: Number of cases in which only A is right.
        only_second: Number of cases in which only B is.
    """

    first: Interval
    second: Interval
    difference: Interval
    p: float
    only_first: int
    only_second: int


def compare_shares(
    first: ArrayLike, second: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> ShareComparison:
    """Compare two shares of the same cases: sensitivities over present cases, or specificities over absent ones.

    p is McNemar's exact test if every case is a patient of its own. Otherwise it is the exact distribution of the
    statistic of Durkalski et al. and Obuchowski, the sum over patients of how many more cases A has right than B, if
    A and B are exchanged patient by patient. With one case a patient both are the same test.

    The interval is Bonett and Price's, for the number of cases divided by the design effect of the difference (its
    variance by patient over that of independent cases, never taken below 1). It has a width even if A and B are right
    in the same cases: other cases may tell them apart.

    Sources: McNemar, Psychometrika 12, 1947; Obuchowski, "On the comparison of correlated proportions for clustered
    data", Statistics in Medicine 17, 1998; Durkalski et al., Statistics in Medicine 22, 2003; Bonett and Price,
    "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", Journal of
    Educational and Behavioral Statistics 37, 2012.

    Example:
        >>> called_by_a, called_by_b = [1, 1, 1, 1, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0, 0, 1]
        >>> result = compare_shares(called_by_a, called_by_b, whole=[1] * 8)
        >>> result.first.value, result.second.value, result.difference.value, round(result.p, 4)
        (0.875, 0.25, 0.625, 0.0625)

    Args:
        first: (N,) bool, whether A is right.
        second: (N,) bool, whether B is.
        whole: (N,) bool, the cases that count.
        patient: (N,) names or numbers; None if every case is a patient of its own.
        level: Confidence.

    Returns:
        NaN throughout if no case counts.

    Raises:
        ValueError: The shapes differ, or a case that counts has no patient.
    """
    right, other, chosen = (np.asarray(each, dtype=bool) for each in (first, second, whole))
    if not right.shape == other.shape == chosen.shape:
        raise ValueError(f"A {right.shape}, B {other.shape} and whole {chosen.shape} must have one shape")
    one, two, owner = right[chosen], other[chosen], chosen_patients(patient, chosen)
    gain = one.astype(np.int64) - two
    difference = _difference_interval(gain, owner, level)
    every = np.ones_like(one)
    return ShareComparison(
        first=share_interval(one, every, owner, level),
        second=share_interval(two, every, owner, level),
        difference=difference,
        p=exchange_p(gain, owner) if gain.size else math.nan,
        only_first=int((gain > 0).sum()),
        only_second=int((gain < 0).sum()),
    )


def exchange_p(gain: ArrayLike, patient: ArrayLike | None = None) -> float:
    """How often the sum of whole numbers is as far from 0 if every patient's sum has either sign: exact, two-sided.

    Example:
        >>> round(exchange_p([1, 1, 1, 1, -1]), 3), exchange_p([1, 1, 1, 1, -1], patient=["a", "a", "b", "b", "c"])
        (0.375, 0.5)

    Args:
        gain: (N,) whole numbers: 1 if only A is right, -1 if only B is, else 0.
        patient: (N,) or None.
    """
    from scipy.stats import binom

    values = np.asarray(gain, dtype=np.int64)
    patients, number = patient_numbers(patient, len(values))
    sums = np.bincount(number, weights=values, minlength=patients).astype(np.int64)
    size, count = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    chance = np.ones(1)  # of each total, from the lowest possible to the highest
    for each, times in zip(size.tolist(), count.tolist(), strict=True):
        steps = np.zeros(2 * each * times + 1)
        steps[:: 2 * each] = binom.pmf(np.arange(times + 1), times, 0.5)
        chance = np.convolve(chance, steps)
    highest = len(chance) // 2
    total = np.arange(-highest, highest + 1)
    return min(1.0, float(chance[np.abs(total) >= abs(int(sums.sum()))].sum()))


def _difference_interval(gain: IntArray, patient: ArrayLike | None, level: float) -> Interval:
    """The mean of gains, each -1, 0 or 1, with Bonett and Price's interval for the effective number of cases."""
    if not gain.size:
        return Interval(math.nan, math.nan, math.nan)
    effective = gain.size / _design_effect(gain, patient)
    wins, losses = (float((sign * gain > 0).mean()) * effective for sign in (1, -1))
    one, two = (wins + 1) / (effective + 2), (losses + 1) / (effective + 2)
    half = normal_quantile(level) * math.sqrt((one + two - (one - two) ** 2) / (effective + 2))
    value, middle = float(gain.mean()), one - two  # nearer to 0 than the value, which a low level would not reach
    return Interval(value, max(min(middle - half, value), -1.0), min(max(middle + half, value), 1.0))


def _design_effect(gain: IntArray, patient: ArrayLike | None) -> float:
    """Variance of the mean of gains by patient over that of independent cases; at least 1.

    If the gains do not vary, nothing shows how alike the cases of a patient are, and patients are counted.
    """
    patients, number = patient_numbers(patient, gain.size)
    deviation: FloatArray = gain - gain.mean()
    spread = float(np.square(deviation).sum())
    if not spread:
        return gain.size / patients
    if patients == 1:
        return float(gain.size)
    summed = np.bincount(number, weights=deviation, minlength=patients)
    by_patient = float(np.square(summed).sum()) * patients / (patients - 1)
    return max(1.0, by_patient * (gain.size - 1) / (gain.size * spread))
