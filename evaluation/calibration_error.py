"""The calibration error without what chance adds to it, and with an interval."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FindingResult, FloatArray, IntArray, Interval
from evaluation.distributions import require_level
from evaluation.known_cases import KnownCases

BINS = 15
LEAST_CASES = 10
"""Cases of a bin; with fewer cases in all there are fewer bins."""
LEAST_LIMIT = 1e-12
ROUNDING = 1e-24
"""Chance that is smaller, beside the mean square, is the rounding of equal distances."""


def debiased_calibration_error(
    probability: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None = None,
    bins: int = BINS,
    level: float = 0.95,
) -> FindingResult:
    """Root mean square of the distance between probability and share present, over bins of equal numbers of cases.

    Chance alone moves the share of a bin away from its probability, which raises every such measure: the calibration
    error of 200 perfectly calibrated cases is about 0.1, and falls with their number. Here the mean square is reduced
    by the expected square of chance, from the covariance of the bins over patients; what is below 0 is 0. The mean
    square is a quadratic form of nearly normal distances, and is taken as a scaled noncentral chi-squared of the same
    mean and variance. Its noncentrality is the error, and has the interval.

    Source: Kumar et al., "Verified uncertainty calibration", NeurIPS 2019, section 4.1 (theirs with one case a patient
    and one probability a bin); Bröcker and Ferro, "A simple way to reduce the bias of the reliability component",
    2012. The interval: Imhof, "Computing the distribution of quadratic forms in normal variables", Biometrika 48, 1961,
    approximated by two moments.

    Example:
        >>> probability, label = np.repeat([0.2, 0.8], 20), np.repeat([0, 1, 0, 1], [10, 10, 10, 10])
        >>> result = debiased_calibration_error(probability, label, bins=2)  # half are present in each bin
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3)  # 0.3 before the correction
        (0.277, 0.124, 0.45)

    Args:
        probability: (N,) in [0, 1].
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) or None; the cases of a patient are taken together.
        bins: The most bins; equal probabilities share one, and each has at least `LEAST_CASES` cases. Compare errors
            only at equal ``bins``.
        level: Confidence.

    Returns:
        In [0, 1]; NaN without known cases, NaN limits with a single patient.

    Raises:
        ValueError: As ``brier_score``, there is no bin, or the level does not lie between 0 and 1.
    """
    require_level(level)
    cases = KnownCases.of_probabilities(probability, label, patient)
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, not {bins}")
    count = cases.values.size
    if not count:
        return FindingResult.of(UNDEFINED, cases.counts)
    number = equal_bins(cases.values, min(bins, max(1, count // LEAST_CASES)))
    gap, covariance = _gaps(cases, number)
    error = _root(gap, covariance, np.bincount(number) / count, level)
    if cases.patients == 1:
        error = Interval(error.value, math.nan, math.nan)
    return FindingResult.of(error, cases.counts)


def equal_bins(values: FloatArray, bins: int) -> IntArray:
    """The bin (N,) of each value: at most ``bins`` bins of about equal size, none empty; equal values share one.

    Example:
        >>> equal_bins(np.array([0.1, 0.4, 0.2, 0.2, 0.3]), 2).tolist()
        [0, 1, 0, 0, 1]
    """
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2  # of the ranks of equal values
    return np.asarray(np.unique((middle * bins // values.size)[index], return_inverse=True)[1])


def _gaps(known: KnownCases, number: IntArray) -> tuple[FloatArray, FloatArray]:
    """The mean distance (bins,) of probability and label in each bin, and its covariance (bins, bins) over patients."""
    residual, cases = known.values - known.present, np.bincount(number)
    bins = cases.size
    gap = np.bincount(number, weights=residual) / cases
    pair, inverse = np.unique(known.owner * bins + number, return_inverse=True)
    patient, column = np.divmod(pair, bins)
    patients = np.bincount(column, minlength=bins)
    # What a single patient adds to a bin of its own cannot be told from an error, and is not counted as one.
    residual = residual - np.where(patients[number] == 1, 0.0, gap[number])
    deviation = np.bincount(inverse, weights=residual) / cases[column]
    deviation *= np.sqrt(patients / np.maximum(patients - 1, 1))[column]
    return gap, _crossed(deviation, patient, column, (known.patients, bins))


def _crossed(deviation: FloatArray, patient: IntArray, column: IntArray, shape: tuple[int, int]) -> FloatArray:
    """``D.T @ D`` (bins, bins) of a matrix D (patients, bins) given by its entries."""
    if shape[0] == len(deviation):  # each patient is in one bin
        return np.diag(np.bincount(column, weights=np.square(deviation), minlength=shape[1]))
    whole = np.zeros(shape)
    whole[patient, column] = deviation
    return np.asarray(whole.T @ whole)


def _root(gap: FloatArray, covariance: FloatArray, share: FloatArray, level: float) -> Interval:
    """Root of the debiased mean square with its interval."""
    square, form = float(share @ np.square(gap)), share[:, None] * covariance
    chance, spread = float(np.trace(form)), float(np.sum(form * form.T))
    value = math.sqrt(max(0.0, square - chance))
    if not spread > 0 or chance < ROUNDING * square:
        return Interval(value, math.nan, math.nan)
    # Mean and variance of scale * chi-squared(freedom, noncentrality) are those of the quadratic form.
    weighted = share * gap
    along = float(weighted @ covariance @ weighted) / square if square > chance else 0.0
    scale = max(along, spread / chance)
    freedom = chance / scale
    tail = (1 - level) / 2
    # A smaller square than chance alone gives says nothing against larger errors.
    sides = (square, 1 - tail), (max(square, chance), tail)
    lower, upper = (math.sqrt(scale * _noncentrality(x / scale, freedom, p)) for x, p in sides)
    return Interval(value, min(lower, value), min(1.0, max(upper, value)))


def _noncentrality(value: float, freedom: float, share: float) -> float:
    """That of the chi-squared distribution which lies below the value with a probability of ``share``; 0 if none does.

    Beyond about 1e9 scipy finds none, and the root is normal around that of the noncentrality with a variance of 1.
    """
    from scipy.special import chndtrinc, ndtri

    found = float(chndtrinc(value, freedom, share))
    if math.isnan(found):
        found = max(math.sqrt(value) - float(ndtri(share)), 0.0) ** 2
    # Where no noncentrality gives the share, scipy returns the least positive number.
    return found if found > LEAST_LIMIT else 0.0
