"""Calibration: are findings that are called with a probability of 0.3 present in three of ten cases?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    BoolArray,
    FindingResult,
    FloatArray,
    IntArray,
    Labels,
    checked_cases,
    require_probabilities,
)
from evaluation.distributions import wilson_interval
from evaluation.means import mean_interval
from evaluation.patients import counted


@dataclass(frozen=True)
class Reliability:
    """Cases in bins of probability.

    Attributes:
        probability: (bins,) mean probability; NaN in empty bins.
        share: (bins,) share of cases that are present; NaN in empty bins.
        lower: (bins,) lower limit of the share by Wilson's interval.
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
    values, labels = _checked(probability, label)
    squared = np.square(values - labels.present)[labels.known]
    of_known = None if patient is None else np.asarray(patient)[labels.known]
    return FindingResult.of(mean_interval(squared, of_known, level), counted(labels, patient))


def expected_calibration_error(probability: ArrayLike, label: ArrayLike, bins: int = 15) -> float:
    """Mean distance between probability and share present over bins of equal width, weighted by their cases.

    It depends on the bins, so compare it only at equal ``bins``. It has no interval: chance alone moves shares away
    from probabilities, so that resampling raises it.

    Source: Guo et al., "On calibration of modern neural networks", 2017, equation 3, for the probability of presence.

    Example:
        >>> round(expected_calibration_error([0.1, 0.2, 0.9, 0.8], [0, 1, 1, 1], bins=2), 2)  # (0.7 + 0.3) / 4
        0.25

    Returns:
        In [0, 1]; NaN without known cases. Arguments and errors as in ``brier_score``.
    """
    values, present = _known(probability, label)
    if not values.size:
        return math.nan
    number = _bin(values, bins)
    gap = np.bincount(number, weights=values, minlength=bins) - np.bincount(number[present], minlength=bins)
    return float(np.abs(gap).sum() / values.size)


def reliability_curve(probability: ArrayLike, label: ArrayLike, bins: int = 10, level: float = 0.95) -> Reliability:
    """Mean probability against the share present in bins of equal width; arguments and errors as in ``brier_score``.

    Example:
        >>> curve = reliability_curve([0.1, 0.3, 0.9, 0.7], [0, 1, 1, 1], bins=2)
        >>> curve.probability.tolist(), curve.share.tolist(), curve.cases.tolist()
        ([0.2, 0.8], [0.5, 1.0], [2, 2])
    """
    values, present = _known(probability, label)
    number = _bin(values, bins)
    cases, successes = np.bincount(number, minlength=bins), np.bincount(number[present], minlength=bins)
    total = np.bincount(number, weights=values, minlength=bins)
    mean = np.divide(total, cases, out=np.full(bins, math.nan), where=cases > 0)
    limits = [wilson_interval(k, n, level) for k, n in zip(successes.tolist(), cases.tolist(), strict=True)]
    share, lower, upper = np.array([(x.value, x.lower, x.upper) for x in limits]).T
    return Reliability(mean, share, lower, upper, cases)


def _checked(probability: ArrayLike, label: ArrayLike) -> tuple[FloatArray, Labels]:
    values, labels = checked_cases(probability, label, 1)
    require_probabilities(values)
    return values, labels


def _known(probability: ArrayLike, label: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Probabilities of known cases, and whether they are present."""
    values, labels = _checked(probability, label)
    return values[labels.known], labels.present[labels.known]


def _bin(values: FloatArray, bins: int) -> IntArray:
    """Bin k holds ``k / bins <= probability < (k + 1) / bins``; the last one also holds 1."""
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, not {bins}")
    # Compared with the edges themselves: 0.29 * 100 is less than 29.
    return np.asarray(np.searchsorted(np.arange(1, bins) / bins, values, side="right"))
