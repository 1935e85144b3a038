"""Means and ratios with intervals by formula: over cases grouped by patient, and over repeated runs."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import Interval, require_dimensions
from evaluation.distributions import exact_interval, t_quantile, unit_interval
from evaluation.patients import patient_numbers

ROUNDING = 1e-13  # what rounding leaves of a width of 0


@dataclass(frozen=True)
class RepeatedRuns:
    """A value over runs that differ by their seed.

    Attributes:
        interval: mean with the 95% interval by Student's t; NaN limits with fewer than two runs.
        deviation: standard deviation over runs (n - 1); NaN with fewer than two.
        runs: how many had a value.
    """

    interval: Interval
    deviation: float
    runs: int


def mean_interval(value: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Mean over cases, such as Dice over images, with Student's interval; cases of one patient are taken together.

    Args:
        value: (N,); NaN is left out.
        patient: (N,) or None when every case is a patient of its own.
        level: confidence.

    Returns:
        NaN without a case; NaN limits with a single patient.
    """
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 1, "value")
    known = ~np.isnan(values)
    return ratio_interval(np.where(known, values, 0.0), known, patient, level)


def ratio_interval(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Ratio of sums over cases by its linearisation, with Student's interval over patients.

    The aggregated Dice is one: ``part`` is twice the intersection and ``whole`` the sum of areas. Where no case leaves
    [0, 1] (0 <= part <= whole, as in Dice and IoU) the limits do not either: they are taken on the logit scale where
    Student's would. If such cases do not vary at all, which would claim certainty, the interval is Clopper and
    Pearson's for as many trials as there are patients.

    Source: Cochran, "Sampling Techniques", 1977, chapter 6.

    Args:
        part: (N,).
        whole: (N,), not negative; patients whose whole is 0 say nothing and are not counted.
        patient: (N,) or None.
        level: confidence.
    """
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    patients, number = patient_numbers(patient, len(parts))
    by_patient = [np.bincount(number, weights=source, minlength=patients) for source in (parts, wholes)]
    total = float(by_patient[1].sum())
    if total <= 0:
        return Interval(math.nan, math.nan, math.nan)
    value = float(by_patient[0].sum()) / total
    counted = int((by_patient[1] > 0).sum())
    if counted < 2:
        return Interval(value, math.nan, math.nan)
    spread = float(np.square(by_patient[0] - value * by_patient[1]).sum()) * counted / (counted - 1)
    half = t_quantile(level, counted - 1) * math.sqrt(spread) / total
    if not ((parts >= 0) & (parts <= wholes)).all():
        return Interval(value, value - half, value + half)
    return unit_interval(value, half) if half > ROUNDING else exact_interval(value * counted, counted, level)


def ratio_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Difference A - B of two ratios of sums over the same cases, with Student's interval over patients.

    Args:
        first: ``(part, whole)`` of A, each (N,); see ``ratio_interval``.
        second: ``(part, whole)`` of B.
        patient: (N,) or None.
        level: confidence.

    Returns:
        Exactly 0 with limits 0 when A and B are equal everywhere; NaN where a ratio is undefined. Limits are NaN where
        every patient differs by the same, which does not show how patients vary.
    """
    terms, values, counted = [], [], []
    patients, number = patient_numbers(patient, len(np.asarray(first[0])))
    for side in (first, second):
        part, whole = (np.bincount(number, weights=np.asarray(x, float), minlength=patients) for x in side)
        total = float(whole.sum())
        if total <= 0:
            return Interval(math.nan, math.nan, math.nan)
        values.append(float(part.sum()) / total)
        terms.append((part - values[-1] * whole) / total)
        counted.append(whole > 0)
    value, known = values[0] - values[1], int((counted[0] | counted[1]).sum())
    if known < 2:
        return Interval(value, math.nan, math.nan)
    spread = float(np.square(terms[0] - terms[1]).sum()) * known / (known - 1)
    half = t_quantile(level, known - 1) * math.sqrt(spread)
    if half <= ROUNDING and abs(value) > ROUNDING:
        return Interval(value, math.nan, math.nan)
    return Interval(value, value - half, value + half)


def over_runs(value: ArrayLike, level: float = 0.95) -> RepeatedRuns:
    """Mean, standard deviation and interval over repeated runs, as "92.1 +- 1.3" over three seeds.

    The interval is about the training's randomness on the one test set; it says nothing about other patients.

    Args:
        value: (R,) one value a run; NaN is left out.
        level: confidence.
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
