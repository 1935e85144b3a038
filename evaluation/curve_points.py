"""Sensitivity at a wanted specificity, and the other way round, read off the ROC curve of the very cases.

This describes how well a score separates the cases. It is not what a threshold will do to other cases: for that, choose
the threshold on validation cases (``evaluation.operating``). The intervals include that the threshold was chosen here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import Counts, Interval, checked_cases
from evaluation.distributions import wilson_interval
from evaluation.operating import threshold_at_sensitivity, threshold_at_specificity
from evaluation.patients import counted
from evaluation.resampling import bootstrap_sensitivity

REPLICATES = 500  # give a standard error to 3%


@dataclass(frozen=True)
class CurvePoint(Interval):
    """A point of an ROC curve: the share at a wanted other share, with the threshold that gives it and the cases.

    Attributes:
        value: Sensitivity (or specificity), NaN if a class is missing, as are the limits.
        lower: Lower limit.
        upper: Upper limit.
        threshold: A case is called present if its score is at least this; plus infinity calls none, unless a score is
            that. NaN if a class is missing, or if no threshold is high enough for an absent case of that score.
        counts: Present, absent and unknown cases, and their patients.
    """

    threshold: float
    counts: Counts


def sensitivity_at_specificity(
    score: ArrayLike, label: ArrayLike, specificity: float, patient: ArrayLike | None = None, level: float = 0.95
) -> CurvePoint:
    """The highest sensitivity at a specificity of at least so much, on these cases.

    The interval is Wilson's for the number of independent cases whose share varies as much as the sensitivity does when
    patients are drawn with replacement and the threshold is chosen anew each time (500 draws); never for more cases
    than there are. If it does not vary, or is 0 or 1, it is that for the number of present patients.

    Example:
        >>> score, label = np.arange(40) % 13, np.arange(40) % 13 + np.arange(40) % 7 > 9
        >>> point = sensitivity_at_specificity(score, label, 0.9)
        >>> round(point.value, 3), round(point.lower, 2), round(point.upper, 2), round(point.threshold, 1)
        (0.611, 0.29, 0.86, 9.0)

    Args:
        score: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        specificity: Wanted, in [0, 1].
        patient: (N,) or None; the cases of a patient are taken together.
        level: Confidence.
    """
    threshold = threshold_at_specificity(score, label, specificity)
    interval = _share(score, label, specificity, patient, level)
    return CurvePoint(**vars(interval), threshold=threshold, counts=counted(checked_cases(score, label, 1)[1], patient))


def specificity_at_sensitivity(
    score: ArrayLike, label: ArrayLike, sensitivity: float, patient: ArrayLike | None = None, level: float = 0.95
) -> CurvePoint:
    """The highest specificity at a sensitivity of at least so much, on these cases; as ``sensitivity_at_specificity``.

    Example:
        >>> score, label = np.arange(40) % 13, np.arange(40) % 13 + np.arange(40) % 7 > 9
        >>> round(specificity_at_sensitivity(score, label, 0.9).value, 3)
        0.818
    """
    values, labels = checked_cases(score, label, 1)
    threshold = threshold_at_sensitivity(score, label, sensitivity)
    # Seen from the other class, sensitivities are specificities.
    turned = np.where(labels.known, 1 - labels.numbers(), -1)
    interval = _share(-values, turned, sensitivity, patient, level)
    return CurvePoint(**vars(interval), threshold=threshold, counts=counted(labels, patient))


def _share(score: ArrayLike, label: ArrayLike, specificity: float, patient: ArrayLike | None, level: float) -> Interval:
    labels = checked_cases(score, label, 1)[1]
    drawn = bootstrap_sensitivity(
        np.asarray(score)[:, None], np.asarray(label)[:, None], specificity, patient, REPLICATES
    )
    value = float(drawn.value[0])
    if np.isnan(value):
        return Interval(value, value, value)
    counts = counted(labels, patient)
    defined = drawn.replicates[~np.isnan(drawn.replicates)]
    variance = float(defined.var(ddof=1)) if defined.size > 1 else 0.0
    effective = float(counts.present_patients)
    if variance and 0 < value < 1:
        effective = max(1.0, min(value * (1 - value) / variance, counts.present))
    limits = wilson_interval(value * effective, effective, level)
    return Interval(value, limits.lower, limits.upper)
