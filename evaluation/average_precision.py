"""Average precision: the area under the precision-recall curve, taken as steps."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    FindingResult,
    FloatArray,
    Labels,
    checked_cases,
    require_dimensions,
)
from evaluation.distributions import exact_interval, normal_quantile
from evaluation.logits import probability
from evaluation.patients import patient_numbers
from evaluation.roc import tied_counts


def average_precision(score: ArrayLike, label: ArrayLike) -> float:
    """Sum over thresholds of precision times the recall won there; tied scores are one threshold.

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).

    Returns:
        In (0, 1]; NaN when no case is present. By chance alone it is the prevalence, so compare it within one set only.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    return _average_precision(values, labels)


def average_precision_per_finding(score: ArrayLike, label: ArrayLike) -> FloatArray:
    """``average_precision`` of every finding: (N, C) in, (C,) out."""
    values, labels = checked_cases(score, label)
    require_dimensions(values, 2, "score")
    columns = zip(values.T, labels.present.T, labels.absent.T, strict=True)
    return np.array([_average_precision(s, Labels(p, a)) for s, p, a in columns], dtype=np.float64)


def average_precision_interval(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Average precision with an interval on the logit scale.

    Source: Boyd, Eng and Page, "Area under the precision-recall curve: point estimates and confidence intervals", 2013:
    the standard error of the logit is 1 / sqrt(P A (1 - A)) for P present cases. With ``patient``, P is the number of
    patients that have one, as if images of a patient all said the same: the worst that can be. At A = 1 it is Clopper
    and Pearson's for P of P.

    Args:
        score: (N,).
        label: (N,).
        patient: (N,) names or numbers; None when every case is a patient of its own.
        level: confidence.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    area, counts = _average_precision(values, labels), labels.counts()
    lower = upper = math.nan
    number = patient_numbers(patient, len(values))[1]
    trials = len(np.unique(number[labels.present]))
    if area >= 1:
        lower, upper = exact_interval(trials, trials, level).lower, 1.0
    elif not math.isnan(area):
        logit = math.log(area / (1 - area))
        reach = normal_quantile(level) / math.sqrt(trials * area * (1 - area))
        lower, upper = probability([logit - reach, logit + reach]).tolist()
    return FindingResult(area, lower, upper, counts.present, counts.absent, counts.unknown)


def _average_precision(score: FloatArray, labels: Labels) -> float:
    tied = tied_counts(score, labels.present, labels.absent)
    present = tied.present[::-1]
    called_present = np.cumsum(present)
    if not called_present.size or not called_present[-1]:
        return math.nan
    precision = called_present / (called_present + np.cumsum(tied.absent[::-1]))
    return float(np.dot(present, precision) / called_present[-1])
