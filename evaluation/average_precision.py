"""Average precision: the area under the precision-recall curve, taken as steps."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FindingResult, FloatArray, Interval, Labels, checked_cases
from evaluation.distributions import exact_interval, logit_interval, normal_quantile
from evaluation.patients import counted
from evaluation.roc import tied_counts


def average_precision(score: ArrayLike, label: ArrayLike) -> float:
    """Sum over thresholds of the precision times the gain in recall; tied scores are one threshold.

    Example:
        >>> round(average_precision([3, 2, 1], [1, 0, 1]), 3)  # (1 + 2 / 3) / 2
        0.833

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).

    Returns:
        In (0, 1]; NaN if no case is present. A random score reaches the prevalence, so compare values of one set only.
    """
    return _average_precision(*checked_cases(score, label, 1))


def average_precision_interval(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Average precision with an interval on the logit scale.

    The standard error of the logit is 1 / sqrt(P A (1 - A)) for an average precision A and P present cases. With
    ``patient``, P is the number of patients who have one, as if all images of a patient said the same, which is the
    worst case. At A = 1 the interval is Clopper and Pearson's for P of P. Arguments as for ``delong.auc_interval``.

    Source: Boyd, Eng and Page, "Area under the precision-recall curve: point estimates and confidence intervals", 2013.

    Example:
        >>> result = average_precision_interval([3, 2, 1, 0], [1, 0, 1, 0])
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3)
        (0.833, 0.108, 0.995)
    """
    values, labels = checked_cases(score, label, 1)
    area, limits = _average_precision(values, labels), UNDEFINED
    counts = counted(labels, patient)
    trials = counts.present_patients
    if area >= 1:
        limits = exact_interval(trials, trials, level)
    elif not math.isnan(area):
        limits = logit_interval(area, normal_quantile(level) / math.sqrt(trials * area * (1 - area)))
    return FindingResult.of(Interval(area, limits.lower, limits.upper), counts)


def _average_precision(score: FloatArray, labels: Labels) -> float:
    tied = tied_counts(score, labels)
    present = tied.present[::-1]
    called_present = np.cumsum(present)
    if not called_present.size or not called_present[-1]:
        return math.nan
    precision = called_present / (called_present + np.cumsum(tied.absent[::-1]))
    return float(np.dot(present, precision) / called_present[-1])
