"""Calibration: do findings called with a probability of 0.3 turn out present in three of ten cases?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    BoolArray,
    Counts,
    FloatArray,
    IntArray,
    checked_cases,
    require_dimensions,
)
from evaluation.distributions import wilson_interval


@dataclass(frozen=True)
class Reliability:
    """Cases in bins of probability.

    Attributes:
        probability: (bins,) mean probability; NaN in empty bins.
        share: (bins,) share of cases that are present; NaN in empty bins.
        lower: (bins,) lower limit of the share by Wilson's interval.
        upper: (bins,) upper limit.
        cases: (bins,) int64.
        counts: present, absent and unknown cases.
    """

    probability: FloatArray
    share: FloatArray
    lower: FloatArray
    upper: FloatArray
    cases: IntArray
    counts: Counts


def brier_score(probability: ArrayLike, label: ArrayLike) -> float:
    """Mean squared distance of the probability from 1 (present) or 0 (absent); 0 is best, NaN without known cases.

    Args:
        probability: (N,) in [0, 1].
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).

    Raises:
        ValueError: shapes differ, a value is not a probability, or a label lies between 0 and 1.
    """
    values, present, _ = _known(probability, label)
    return float(np.mean(np.square(values - present))) if values.size else math.nan


def expected_calibration_error(probability: ArrayLike, label: ArrayLike, bins: int = 15) -> float:
    """Mean distance between probability and share present over bins of equal width, weighted by their cases.

    It depends on the bins and shrinks with fewer of them; compare it only at equal ``bins``. A bin holds its lower
    limit. It has no interval: resampling raises it, as chance alone moves shares away from probabilities.

    Source: Guo et al., "On calibration of modern neural networks", 2017, equation 3, for the probability of presence.

    Returns:
        In [0, 1]; NaN without known cases. Arguments and errors as in ``brier_score``.
    """
    values, present, _ = _known(probability, label)
    if not values.size:
        return math.nan
    place = _bin(values, bins)
    gap = np.bincount(place, weights=values, minlength=bins) - np.bincount(place[present], minlength=bins)
    return float(np.abs(gap).sum() / values.size)


def reliability_curve(probability: ArrayLike, label: ArrayLike, bins: int = 10, level: float = 0.95) -> Reliability:
    """Mean probability against the share present in bins of equal width; arguments and errors as in ``brier_score``."""
    values, present, counts = _known(probability, label)
    place = _bin(values, bins)
    cases, found = np.bincount(place, minlength=bins), np.bincount(place[present], minlength=bins)
    total = np.bincount(place, weights=values, minlength=bins)
    mean = np.divide(total, cases, out=np.full(bins, math.nan), where=cases > 0)
    limits = [wilson_interval(f, n, level) for f, n in zip(found.tolist(), cases.tolist(), strict=True)]
    share, lower, upper = np.array([(x.value, x.lower, x.upper) for x in limits]).T
    return Reliability(mean, share, lower, upper, cases, counts)


def _known(probability: ArrayLike, label: ArrayLike) -> tuple[FloatArray, BoolArray, Counts]:
    values, labels = checked_cases(probability, label)
    require_dimensions(values, 1, "probability")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
    return values[labels.known], labels.present[labels.known], labels.counts()


def _bin(values: FloatArray, bins: int) -> IntArray:
    """Bin k holds ``k / bins <= probability < (k + 1) / bins``, the last 1 as well."""
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, not {bins}")
    # Compared with the limits themselves: 0.29 * 100 is less than 29.
    return np.asarray(np.searchsorted(np.arange(1, bins) / bins, values, side="right"))
