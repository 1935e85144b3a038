"""Operating points: a threshold chosen on validation cases, and what it does to other cases.

Choosing and applying are two functions on purpose: a threshold chosen on the cases it is judged on flatters the model.
A case is called present when its score is at least the threshold.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    BoolArray,
    Counts,
    FloatArray,
    IntArray,
    Interval,
    checked_cases,
    require_dimensions,
)
from evaluation.roc import called_counts
from evaluation.shares import share_interval


@dataclass(frozen=True)
class Confusion:
    """Known cases by truth and call."""

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int

    @property
    def total(self) -> int:
        """Known cases."""
        return self.true_positive + self.false_negative + self.false_positive + self.true_negative


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does: shares with Wilson's intervals, NaN where there is nothing to take a share of.

    Attributes:
        threshold: a case is called present when its score is at least this.
        confusion: counts of known cases.
        sensitivity: share of present cases called; also named recall.
        specificity: share of absent cases not called.
        precision: share of called cases that are present.
        negative_predictive_value: share of cases not called that are absent.
        f1: harmonic mean of precision and recall; its limits are those of the share TP / (TP + FP + FN), carried over.
        accuracy: share of known cases called rightly.
        counts: present, absent and unknown cases.
    """

    threshold: float
    confusion: Confusion
    sensitivity: Interval
    specificity: Interval
    precision: Interval
    negative_predictive_value: Interval
    f1: Interval
    accuracy: Interval
    counts: Counts

    @property
    def recall(self) -> Interval:
        """Sensitivity by its other name."""
        return self.sensitivity


def youden_threshold(score: ArrayLike, label: ArrayLike) -> float:
    """The threshold with the highest sensitivity + specificity - 1; the highest of equals.

    Choose it on validation cases. NaN when a class is missing.

    Source: Youden, "Index for rating diagnostic tests", 1950.

    Args:
        score: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
    """
    threshold, present, absent = _applicable(score, label)
    # Sensitivity - (1 - specificity) times both numbers of cases: shares of floats would break ties by rounding.
    gain = present * absent[-1] - absent * present[-1]
    return float(threshold[np.argmax(gain)]) if present[-1] and absent[-1] else math.nan


def threshold_at_sensitivity(score: ArrayLike, label: ArrayLike, sensitivity: float) -> float:
    """The highest threshold that finds at least this share of present cases; NaN when none is present.

    Args:
        score: (N,), of validation cases.
        label: (N,).
        sensitivity: in [0, 1].
    """
    _check_share(sensitivity, "sensitivity")
    threshold, present, _ = _applicable(score, label)
    enough = np.flatnonzero(present / present[-1] >= sensitivity) if present[-1] else present[:0]
    return float(threshold[enough[0]]) if enough.size else math.nan


def threshold_at_specificity(score: ArrayLike, label: ArrayLike, specificity: float) -> float:
    """The lowest threshold that spares at least this share of absent cases.

    Args:
        score: (N,), of validation cases.
        label: (N,).
        specificity: in [0, 1].

    Returns:
        Plus infinity when only calling nobody spares enough; NaN when no case is absent, or when an absent case of
        score plus infinity is called at every threshold.
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

    Args:
        score: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        threshold: from one of the functions above; NaN (none could be chosen) gives NaN shares and no calls counted.
        patient: (N,) or None; cases of one patient are then taken together, see ``evaluation.shares``.
        level: confidence of the intervals.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    called = values >= threshold
    judged = labels.known if not math.isnan(threshold) else np.zeros_like(called)
    present, absent, spared = labels.present & judged, labels.absent & judged, ~called

    def share(part: BoolArray, whole: BoolArray) -> Interval:
        return share_interval(part, whole, patient, level)

    overlap = share(called & present, (called & judged) | present)
    return OperatingPoint(
        threshold=threshold,
        confusion=_confusion(called, present, absent),
        sensitivity=share(called, present),
        specificity=share(spared, absent),
        precision=share(present, called & judged),
        negative_predictive_value=share(absent, spared & judged),
        f1=Interval(*(2 * value / (1 + value) for value in (overlap.value, overlap.lower, overlap.upper))),
        accuracy=share(called == present, judged),
        counts=labels.counts(),
    )


def operating_points(
    score: ArrayLike,
    label: ArrayLike,
    threshold: ArrayLike,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[OperatingPoint, ...]:
    """``operating_point`` of every finding: (N, C) scores and labels and (C,) thresholds in, C points out."""
    values, labels, cuts = np.asarray(score), np.asarray(label), np.asarray(threshold, dtype=np.float64)
    require_dimensions(values, 2, "score")
    if cuts.shape != values.shape[1:]:
        raise ValueError(f"{values.shape[1]} findings need as many thresholds, not shape {cuts.shape}")
    return tuple(
        operating_point(values[:, c], labels[:, c], cut, patient, level) for c, cut in enumerate(cuts.tolist())
    )


def _confusion(called: BoolArray, present: BoolArray, absent: BoolArray) -> Confusion:
    found, wrong = int((called & present).sum()), int((called & absent).sum())
    return Confusion(found, int(present.sum()) - found, wrong, int(absent.sum()) - wrong)


def _applicable(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, IntArray, IntArray]:
    """``called_counts`` without the one that calls nobody where no threshold can do that: a score is plus infinity."""
    threshold, present, absent = called_counts(score, label)
    skip = int(threshold.size > 1 and np.isposinf(threshold[1]))
    return threshold[skip:], present[skip:], absent[skip:]


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], not be {value}")
