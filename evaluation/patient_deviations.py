"""Intervals from what each patient adds to an estimate."""

import math

import numpy as np

from evaluation.cases import FloatArray, Interval
from evaluation.distributions import t_quantile
from evaluation.known_cases import KnownCases


def deviation_interval(value: float, deviation: FloatArray, level: float = 0.95) -> Interval:
    """Student's interval of an estimate whose variance is the sum of the patients' squared deviations.

    The degrees of freedom are an effective number of patients: with 10 present patients of 1,000, the slope of
    calibration depends on those 10. For normal deviations of equal variance the number is that of the patients.

    Source: Satterthwaite's degrees of freedom, with the fourth moments estimated: Kauermann and Carroll, "A note on
    the efficiency of sandwich covariance matrix estimation", JASA 96, 2001.

    Example:
        >>> deviation_interval(0.5, np.array([0.1, -0.1, 0.1, -0.1])).upper.__round__(2)
        1.14

    Args:
        value: The estimate.
        deviation: (patients,) how much each patient moves it.
        level: Confidence.

    Returns:
        NaN limits with fewer than two patients, or if none deviates, which does not show how patients vary.
    """
    square = np.square(deviation)
    total = float(square.sum())
    if deviation.size < 2 or not 0 < total < math.inf:
        return Interval(value, math.nan, math.nan)
    effective = 3 / float(np.square(square / total).sum()) - 2
    half = t_quantile(level, min(max(effective, 1.0), deviation.size - 1)) * math.sqrt(total)
    return Interval(value, value - half, value + half)


def mean_deviation_interval(value: float, added: FloatArray, cases: KnownCases, level: float = 0.95) -> Interval:
    """The same for an estimate that is, to first order, the mean of what each case adds to it.

    Example:
        >>> cases = KnownCases.of([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1], None)
        >>> round(mean_deviation_interval(0.5, cases.values, cases).upper, 2)
        0.91

    Args:
        value: The estimate.
        added: (M,) what each case adds, up to a constant.
        cases: M cases with their patients.
        level: Confidence.
    """
    scale = math.sqrt(cases.patients / (cases.patients - 1)) if cases.patients > 1 else 1.0
    return deviation_interval(value, scale * cases.sums(added - added.mean()) / added.size, level)
