"""Calibration: are findings that are called with a probability of 0.3 present in three of ten cases?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FindingResult, FloatArray, IntArray, Interval
from evaluation.known_cases import KnownCases
from evaluation.means import mean_interval
from evaluation.patient_deviations import mean_deviation_interval
from evaluation.shares import share_interval


@dataclass(frozen=True)
class Reliability:
    """Cases in bins of probability.

    Attributes:
        probability: (bins,) mean probability; NaN in empty bins.
        share: (bins,) share of cases that are present; NaN in empty bins.
        lower: (bins,) lower limit of the share by Wilson's interval, the cases of a patient taken together.
        upper: (bins,) upper limit.
        cases: (bins,) int64.
    """

    probability: FloatArray
    share: FloatArray
    lower: FloatArray
    upper: FloatArray
    cases: IntArray


def brier_score(
    probability: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Mean squared distance of the probability from 1 (present) or 0 (absent); 0 is best, NaN without known cases.

    Example:
        >>> round(brier_score([0.9, 0.2, 0.6], [1, 0, -1]).value, 3)  # (0.1 ** 2 + 0.2 ** 2) / 2
        0.025

    Args:
        probability: (N,) in [0, 1].
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).
        patient: (N,) or None; see ``mean_interval``.
        level: Confidence.

    Raises:
        ValueError: The shapes differ, a value is not a probability, or a label lies between 0 and 1.
    """
    cases = KnownCases.of_probabilities(probability, label, patient)
    squared = np.square(cases.values - cases.present)
    return FindingResult.of(mean_interval(squared, cases.owner, level), cases.counts)


def scaled_brier_score(
    probability: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """The share of the Brier score that a model saves over giving every case the share present: 1 is best.

    At 0 it is no better than that, below 0 worse. Unlike the Brier score it can be compared between frequent and rare
    findings. Also called Brier skill score, or index of prediction accuracy.

    Source: Steyerberg et al., "Assessing the performance of prediction models", Epidemiology 21, 2010. The interval is
    linearised; Student's over the effective number of patients.

    Example:
        >>> round(scaled_brier_score([0.9, 0.2, 0.6], [1, 0, -1]).value, 3)  # 1 - 0.025 / (0.5 * 0.5)
        0.9

    Returns:
        At most 1; NaN if a class is missing. Arguments and errors as in ``brier_score``.
    """
    cases = KnownCases.of_probabilities(probability, label, patient)
    if not (cases.counts.present and cases.counts.absent):
        return FindingResult.of(UNDEFINED, cases.counts)
    squared, share = np.square(cases.values - cases.present), float(cases.present.mean())
    reference = share * (1 - share)
    ratio = float(squared.mean()) / reference
    # The derivatives of 1 - ratio by its numerator and by the share present.
    added = np.asarray((ratio * (1 - 2 * share) * cases.present - squared) / reference, dtype=np.float64)
    limits = mean_deviation_interval(1 - ratio, added, cases, level)
    upper = 1.0 if limits.upper > 1 else limits.upper  # NaN stays NaN
    return FindingResult.of(Interval(limits.value, limits.lower, upper), cases.counts)


def expected_calibration_error(probability: ArrayLike, label: ArrayLike, bins: int = 15) -> float:
    """Mean distance between probability and share present over bins of equal width, weighted by their cases.

    It depends on the bins, so compare it only at equal ``bins``. It has no interval: chance alone moves shares away
    from probabilities, so that resampling raises it; ``debiased_calibration_error`` is without that, and has one.

    Source: Guo et al., "On calibration of modern neural networks", 2017, equation 3, for the probability of presence.

    Example:
        >>> round(expected_calibration_error([0.1, 0.2, 0.9, 0.8], [0, 1, 1, 1], bins=2), 2)  # (0.7 + 0.3) / 4
        0.25

    Returns:
        In [0, 1]; NaN without known cases. Arguments and errors as in ``brier_score``.
    """
    cases = KnownCases.of_probabilities(probability, label, None)
    if not cases.values.size:
        return math.nan
    number = _bin(cases.values, bins)
    gap = np.bincount(number, weights=cases.values, minlength=bins)
    gap -= np.bincount(number[cases.present], minlength=bins)
    return float(np.abs(gap).sum() / cases.values.size)


def reliability_curve(
    probability: ArrayLike,
    label: ArrayLike,
    bins: int = 10,
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> Reliability:
    """Mean probability against the share present in bins of equal width; arguments and errors as in ``brier_score``.

    Example:
        >>> curve = reliability_curve([0.1, 0.3, 0.9, 0.7], [0, 1, 1, 1], bins=2)
        >>> curve.probability.tolist(), curve.share.tolist(), curve.cases.tolist()
        ([0.2, 0.8], [0.5, 1.0], [2, 2])
    """
    known = KnownCases.of_probabilities(probability, label, patient)
    number = _bin(known.values, bins)
    cases = np.bincount(number, minlength=bins)
    total = np.bincount(number, weights=known.values, minlength=bins)
    mean = np.divide(total, cases, out=np.full(bins, math.nan), where=cases > 0)
    limits = [share_interval(known.present, number == k, known.owner, level) for k in range(bins)]
    share, lower, upper = np.array([(x.value, x.lower, x.upper) for x in limits]).T
    return Reliability(mean, share, lower, upper, cases)


def _bin(values: FloatArray, bins: int) -> IntArray:
    """Bin k holds ``k / bins <= probability < (k + 1) / bins``; the last one also holds 1."""
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, not {bins}")
    # Compared with the edges themselves: 0.29 * 100 is less than 29.
    return np.asarray(np.searchsorted(np.arange(1, bins) / bins, values, side="right"))
