"""Whether scores are right as probabilities: what ``metrics.json`` says of one finding."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.calibration import brier_score, expected_calibration_error, scaled_brier_score
from evaluation.calibration_error import debiased_calibration_error
from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.decision_curve import decision_curve
from evaluation.logits import probability

NET_BENEFIT_AT = (0.05, 0.1, 0.2)
"""Threshold probabilities; ``decision_curve.csv`` has all from 0.01 to 0.99."""


def probability_measures(logit: np.ndarray, label: np.ndarray, patient: np.ndarray) -> dict[str, Any]:
    """By measure: the value, its interval (the calibration error has none) and counts; net benefit by threshold.

    Args:
        logit: (N,) of the probabilities.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) numbers.

    Example:
        >>> measures = probability_measures(np.array([2.0, 0.5, -0.5, -2.0]), np.array([1, 0, 1, 0]), np.arange(4))
        >>> round(measures["brier"]["value"], 3), round(measures["net_benefit"]["at 0.2"]["value"], 4)
        (0.201, 0.4375)
    """
    score = probability(logit)
    brier = brier_score(score, label, patient)
    counts = {name: value for name, value in asdict(brier).items() if name not in vars(brier.interval)}
    return {
        "brier": asdict(brier),
        "brier_scaled": asdict(scaled_brier_score(score, label, patient)),
        "calibration_error": {"value": expected_calibration_error(score, label)} | counts,
        "calibration_error_debiased": asdict(debiased_calibration_error(score, label, patient)),
        "calibration_intercept": asdict(calibration_intercept(logit, label, patient)),
        "calibration_slope": asdict(calibration_slope(logit, label, patient)),
        "net_benefit": {
            f"at {point.threshold}": asdict(point.result) | {"treat_all": point.treat_all.value}
            for point in decision_curve(score, label, patient, NET_BENEFIT_AT)
        },
    }
