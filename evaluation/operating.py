"""Operating points: a threshold chosen on validation cases, and its effect on other cases.

Choosing and applying are two functions on purpose: a threshold chosen on the cases it is judged on flatters the model.
A case is called present if its score is at least the threshold.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, Counts, FloatArray, IntArray, Interval, Labels, checked_cases
from evaluation.likelihood_ratios import LikelihoodRatios, likelihood_ratios
from evaluation.patients import counted
from evaluation.roc import called_counts
from evaluation.shares import share_interval


@dataclass(frozen=True)
class OperatingPoint:
    """The effect of a threshold: shares with Wilson's intervals, NaN for a share of no case, and likelihood ratios.

    Attributes:
        threshold: A case is called present if its score is at least this.
        sensitivity: Share of present cases called present; also named recall.
        specificity: Share of absent cases not called present.
        precision: Share of the cases called present that are.
        negative_predictive_value: Share of the cases not called present that are absent.
        f1: Harmonic mean of precision and recall; its limits are those of the share TP / (TP + FP + FN), transformed.
        accuracy: Share of known cases called rightly.
        likelihood_ratios: How much a call, or none, changes the odds of the finding; from them follow its predictive
            values at any prevalence.
        counts: Present, absent and unknown cases, and their patients.
    """

    threshold: float
    sensitivity: Interval
    specificity: Interval
    precision: Interval
    negative_predictive_value: Interval
    f1: Interval
    accuracy: Interval
    likelihood_ratios: LikelihoodRatios
    counts: Counts


def youden_threshold(score: ArrayLike, label: ArrayLike) -> float:
    """The threshold with the highest sensitivity + specificity - 1; the highest of equals. NaN if a class is missing.

    Source: Youden, "Index for rating diagnostic tests", 1950.

    Example:
        >>> youden_threshold([0.1, 0.3, 0.4, 0.8], [0, 0, 1, 1])
        0.4

    Args:
        score: (N,) real, of validation cases.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
    """
    threshold, present, absent = _applicable(score, label)
    # Times both numbers of cases, so in whole numbers: rounded shares would break ties.
    gain = present * absent[-1] - absent * present[-1]
    return float(threshold[np.argmax(gain)]) if present[-1] and absent[-1] else math.nan


def threshold_at_sensitivity(score: ArrayLike, label: ArrayLike, sensitivity: float) -> float:
    """The highest threshold that finds at least this share of present validation cases; NaN if none is present.

    Example:
        >>> threshold_at_sensitivity([0.1, 0.3, 0.4, 0.8], [1, 0, 1, 1], 0.6)  # two of three
        0.4
    """
    _check_share(sensitivity, "sensitivity")
    threshold, present, _ = _applicable(score, label)
    enough = np.flatnonzero(present / present[-1] >= sensitivity) if present[-1] else present[:0]
    return float(threshold[enough[0]]) if enough.size else math.nan


def threshold_at_specificity(score: ArrayLike, label: ArrayLike, specificity: float) -> float:
    """The lowest threshold that spares at least this share of absent validation cases.

    Example:
        >>> threshold_at_specificity([0.1, 0.3, 0.4, 0.8], [0, 0, 1, 0], 0.6)  # two of three are spared
        0.4

    Returns:
        Plus infinity if only calling no case spares enough. NaN if no case is absent, or if an absent case of score
        plus infinity is called at every threshold.
    """
    _check_share(specificity, "specificity")
    threshold, _, absent = _applicable(score, label)
    # The share spared is divided once: 1 - 7 / 100 is less than 0.93.
    enough = np.flatnonzero((absent[-1] - absent) / absent[-1] >= specificity) if absent[-1] else absent[:0]
    return float(threshold[enough[-1]]) if enough.size else math.nan


def operating_point(
    score: ArrayLike, label: ArrayLike, threshold: float, patient: ArrayLike | None = None, level: float = 0.95
) -> OperatingPoint:
    """Apply a threshold to cases it was not chosen on.

    Example:
        >>> point = operating_point([0.1, 0.6, 0.4, 0.8], [0, 0, 1, 1], threshold=0.5)
        >>> point.sensitivity.value, round(point.sensitivity.lower, 2), round(point.sensitivity.upper, 2)
        (0.5, 0.09, 0.91)

    Args:
        score: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        threshold: From one of the functions above. NaN, if none could be chosen, gives NaN shares and no calls.
        patient: (N,) or None; the cases of a patient are taken together, see ``evaluation.shares``.
        level: Confidence of the intervals.
    """
    values, labels = checked_cases(score, label, 1)
    called = values >= threshold
    judged = labels.known if not math.isnan(threshold) else np.zeros_like(called)
    present, absent = labels.present & judged, labels.absent & judged

    def share(part: BoolArray, whole: BoolArray) -> Interval:
        return share_interval(part, whole, patient, level)

    overlap = share(called & present, (called & judged) | present)
    return OperatingPoint(
        threshold=threshold,
        sensitivity=share(called, present),
        specificity=share(~called, absent),
        precision=share(present, called & judged),
        negative_predictive_value=share(absent, ~called & judged),
        f1=Interval(*(2 * value / (1 + value) for value in (overlap.value, overlap.lower, overlap.upper))),
        accuracy=share(called == present, judged),
        likelihood_ratios=likelihood_ratios(called, Labels(present, absent), patient, level),
        counts=counted(labels, patient),
    )


def _applicable(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, IntArray, IntArray]:
    """``called_counts`` without the point that calls no case, if no threshold can do that: a score is plus infinity."""
    threshold, present, absent = called_counts(score, label)
    skip = int(threshold.size > 1 and np.isposinf(threshold[1]))
    return threshold[skip:], present[skip:], absent[skip:]


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], not be {value}")
