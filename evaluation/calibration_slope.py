"""Calibration as two numbers: the intercept says whether probabilities are too high, the slope whether too extreme."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, BoolArray, FindingResult, FloatArray
from evaluation.known_cases import KnownCases
from evaluation.logistic import fit_intercept, fit_logistic, patient_deviations
from evaluation.patient_deviations import deviation_interval


def calibration_intercept(
    logit: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """What must be added to every logit so that the mean probability is the share present.

    0 is best; negative if probabilities are too high. Also called calibration in the large.

    Source: Cox, "Two further applications of a model for binary regression", Biometrika 45, 1958; Van Calster et al.,
    "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17, 2019.

    Example:
        >>> round(calibration_intercept([0.0, 0.0, 0.0, 0.0], [1, 0, 0, 0]).value, 3)  # log(1 / 3)
        -1.099

    Args:
        logit: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) or None; the cases of a patient are taken together.
        level: Confidence.

    Returns:
        NaN if a class is missing or a known case's logit is infinite.
    """
    cases = KnownCases.of(logit, label, patient)
    has_both = cases.counts.present > 0 and cases.counts.absent > 0
    if not (has_both and np.isfinite(cases.values).all()):
        return FindingResult.of(UNDEFINED, cases.counts)
    intercept = fit_intercept(cases.values, cases.present)
    deviation = patient_deviations(np.ones((cases.values.size, 1)), cases, cases.values + intercept)
    return FindingResult.of(deviation_interval(intercept, deviation[:, 0], level), cases.counts)


def calibration_slope(
    logit: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """What logits must be multiplied by, beside an intercept, to fit the labels best.

    1 is best; below 1 if probabilities are too extreme, as those of an overfitted network are. Sources and arguments
    as in ``calibration_intercept``.

    Example:
        >>> logit, label = [-2.0, -2.0, -2.0, 2.0, 2.0, 2.0], [0, 0, 1, 0, 1, 1]
        >>> round(calibration_slope(logit, label).value, 3)  # log(2) / 2: two of three are present at a logit of 2
        0.347

    Returns:
        NaN if a known case's logit is infinite, or if a threshold separates present from absent cases (as it does if a
        class is missing): the slope then has no finite value.
    """
    cases = KnownCases.of(logit, label, patient)
    if not (overlaps(cases.values, cases.present) and np.isfinite(cases.values).all()):
        return FindingResult.of(UNDEFINED, cases.counts)
    design = np.column_stack([cases.values, np.ones(cases.values.size)])
    fitted = fit_logistic(design, cases.present)
    deviation = patient_deviations(design, cases, design @ fitted)
    return FindingResult.of(deviation_interval(float(fitted[0]), deviation[:, 0], level), cases.counts)


def overlaps(logit: FloatArray, present: BoolArray) -> bool:
    """Whether both classes occur and no threshold separates them, so that a slope can be fitted.

    Example:
        >>> overlaps(np.array([0.0, 1.0, 2.0]), np.array([False, True, True]))
        False
    """
    one, other = logit[present], logit[~present]
    return bool(one.size and other.size and one.min() < other.max() and other.min() < one.max())
