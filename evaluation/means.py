"""Means and ratios with intervals by formula: over cases grouped by patient, and over repeated runs."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FloatArray, IntArray, Interval, require_dimensions
from evaluation.distributions import exact_interval, logit_interval, t_quantile
from evaluation.patients import effective_number, patient_numbers

ROUNDING = 1e-13  # largest rounding error of a standard error of 0


@dataclass(frozen=True)
class RepeatedRuns:
    """A value over runs that differ by their seed.

    Attributes:
        interval: The mean with Student's interval; NaN limits with fewer than two runs.
        deviation: Standard deviation over runs (n - 1); NaN with fewer than two.
        runs: Number of runs that have a value.
    """

    interval: Interval
    deviation: float
    runs: int


@dataclass(frozen=True)
class _Ratio:
    """A ratio of sums.

    Attributes:
        value: NaN of nothing.
        deviation: (P,) how much leaving out each patient changes it.
        counted: Number of patients with a part of the whole.
        freedom: Degrees of freedom of the variance.
    """

    value: float
    deviation: FloatArray
    counted: int
    freedom: float

    def error(self, deviation: FloatArray) -> float:
        """The standard error."""
        return math.sqrt(float(np.square(deviation).sum()) * (self.counted - 1) / self.counted)


def mean_interval(
    value: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95, can_exceed_1: bool = False
) -> Interval:
    """Mean over cases, such as Dice over images, with Student's interval. The cases of a patient are taken together.

    Values from 0 to 1 get theirs on the logit scale; see ``ratio_interval``.

    Example:
        >>> result = mean_interval([0.7, 0.8, 0.6, 0.7])
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3)
        (0.7, 0.557, 0.812)

    Args:
        value: (N,); NaN is left out.
        patient: (N,) or None if every case is a patient of its own.
        level: Confidence.
        can_exceed_1: See ``ratio_interval``.

    Returns:
        NaN without a case; NaN limits with a single patient.
    """
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 1, "value")
    known = ~np.isnan(values)
    return ratio_interval(np.where(known, values, 0.0), known, patient, level, can_exceed_1)


def ratio_interval(
    part: ArrayLike,
    whole: ArrayLike,
    patient: ArrayLike | None = None,
    level: float = 0.95,
    can_exceed_1: bool = False,
) -> Interval:
    """Ratio of sums over cases, linearised, with Student's interval over patients.

    The aggregated Dice is one: ``part`` is twice the intersection and ``whole`` the sum of areas.

    The variance is that of leaving out one patient at a time, and its degrees of freedom are one less than the
    effective number of patients, which is smaller if few hold most of the whole (``patients.effective_number``).

    If no case leaves [0, 1] (0 <= part <= whole, as for Dice and IoU) the limits do not either: they are taken on the
    logit scale, on which skewed values are less so. If such cases do not vary at all, which would claim certainty, the
    interval is Clopper and Pearson's for as many trials as there are patients.

    Source: Cochran, "Sampling Techniques", 1977, chapter 6, and the jackknife of Miller, "The jackknife - a review",
    Biometrika 61, 1974.

    Example:
        >>> result = ratio_interval(part=[20, 60, 10], whole=[40, 80, 40])
        >>> round(result.value, 4), round(result.lower, 2), round(result.upper, 2)
        (0.5625, 0.03, 0.98)

    Args:
        part: (N,).
        whole: (N,), not negative; patients whose whole is 0 do not count.
        patient: (N,) or None.
        level: Confidence.
        can_exceed_1: Whether other cases may, as distances do, even if none of these does. Limits are then NaN if the
            cases do not vary.
    """
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    patients, number = patient_numbers(patient, len(parts))
    ratio = _jackknifed(parts, wholes, patients, number)
    value, counted = ratio.value, ratio.counted
    if counted < 2:
        return Interval(value, math.nan, math.nan)
    error = ratio.error(ratio.deviation)
    half = t_quantile(level, ratio.freedom) * error
    if can_exceed_1 and error <= ROUNDING:
        return Interval(value, math.nan, math.nan)
    if can_exceed_1 or not ((parts >= 0) & (parts <= wholes)).all():
        return Interval(value, value - half, value + half)
    if error <= ROUNDING or not 0 < value < 1:
        return exact_interval(value * counted, counted, level)
    return logit_interval(value, half / (value * (1 - value)))


def ratio_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Difference A - B of two ratios of sums over the same cases, with Student's interval over patients.

    Example:
        >>> whole = [1, 1, 1]
        >>> result = ratio_difference(([0.8, 0.9, 0.7], whole), ([0.6, 0.8, 0.7], whole))
        >>> round(result.value, 2), round(result.lower, 2), round(result.upper, 2)
        (0.1, -0.15, 0.35)

    Args:
        first: ``(part, whole)`` of A, each (N,); see ``ratio_interval``.
        second: ``(part, whole)`` of B.
        patient: (N,) or None.
        level: Confidence.

    Returns:
        Exactly 0 with limits 0 if A and B are equal everywhere; NaN if a ratio is undefined. The limits are NaN if
        every patient differs by the same amount, which does not show how patients vary.
    """
    patients, number = patient_numbers(patient, len(np.asarray(first[0])))
    one, two = (_jackknifed(*side, patients, number) for side in (first, second))
    value = one.value - two.value
    if math.isnan(value):
        return UNDEFINED
    if min(one.counted, two.counted) < 2:
        return Interval(value, math.nan, math.nan)
    rarer = min(one, two, key=lambda ratio: ratio.freedom)
    error = rarer.error(one.deviation - two.deviation)
    half = t_quantile(level, rarer.freedom) * error
    if error <= ROUNDING and abs(value) > ROUNDING:
        return Interval(value, math.nan, math.nan)
    return Interval(value, value - half, value + half)


def over_runs(value: ArrayLike, level: float = 0.95) -> RepeatedRuns:
    """Mean, standard deviation and interval over repeated runs, as in "92.1 +- 1.3" over three seeds.

    The interval is about the randomness of training on the one test set; it says nothing about other patients.

    Example:
        >>> runs = over_runs([0.7, 0.8, 0.9])
        >>> round(runs.interval.value, 2), round(runs.deviation, 2), round(runs.interval.upper, 2)
        (0.8, 0.1, 1.05)

    Args:
        value: (R,) one value for each run; NaN is left out.
        level: Confidence.
    """
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 1, "value")
    values = values[~np.isnan(values)]
    runs = int(values.size)
    mean = float(values.mean()) if runs else math.nan
    if runs < 2:
        return RepeatedRuns(Interval(mean, math.nan, math.nan), math.nan, runs)
    deviation = float(values.std(ddof=1))
    half = t_quantile(level, runs - 1) * deviation / math.sqrt(runs)
    return RepeatedRuns(Interval(mean, mean - half, mean + half), deviation, runs)


def _jackknifed(part: ArrayLike, whole: ArrayLike, patients: int, number: IntArray) -> _Ratio:
    sums = (np.bincount(number, weights=np.asarray(x, float), minlength=patients) for x in (part, whole))
    parts, wholes = (np.asarray(total, dtype=np.float64) for total in sums)
    total, counted = float(wholes.sum()), int(np.count_nonzero(wholes > 0))
    if not counted:
        return _Ratio(math.nan, np.zeros(patients), 0, 1.0)
    value = float(parts.sum()) / total
    # The ratio less that without the patient; a single patient leaves nothing.
    deviation = (parts - value * wholes) / np.maximum(total - wholes, 1e-300)
    return _Ratio(value, deviation, counted, max(effective_number(wholes) - 1, 1.0))
