"""Logistic regression of a label on a few columns by maximum likelihood, with the cases of a patient taken together."""

import numpy as np

from evaluation.cases import BoolArray, FloatArray
from evaluation.known_cases import KnownCases
from evaluation.logits import probability

STEPS = 100
PRECISION = 1e-10
LARGEST_CONDITION = 1 / np.finfo(float).eps


def fit_logistic(design: FloatArray, present: BoolArray) -> FloatArray:
    """Coefficients (K,) by Newton's method; NaN if it does not converge.

    Example:
        >>> fit_logistic(np.ones((4, 1)), np.array([True, False, False, False])).round(4).tolist()  # log(1 / 3)
        [-1.0986]

    Args:
        design: (N, K) finite, of full rank.
        present: (N,); no combination of the columns separates it, as the likelihood would have no maximum.
    """
    sign = np.where(present, 1.0, -1.0)

    def loss(coefficient: FloatArray) -> float:
        return float(np.logaddexp(0.0, -sign * (design @ coefficient)).sum())

    coefficient = np.zeros(design.shape[1])
    current = loss(coefficient)
    for _ in range(STEPS):
        logit = design @ coefficient
        information = (design.T * _weight(logit)) @ design
        if not np.linalg.cond(information) < LARGEST_CONDITION:
            break
        step = np.linalg.solve(information, design.T @ (present - probability(logit)))
        while (following := loss(coefficient + step)) > current * (1 + PRECISION) and np.abs(step).max() > PRECISION:
            step /= 2  # the full step would overshoot
        coefficient, current = coefficient + step, following
        if np.abs(step).max() <= PRECISION * max(1.0, float(np.abs(coefficient).max())):
            return np.asarray(coefficient)
    return np.full(design.shape[1], np.nan)


def fit_intercept(logit: FloatArray, present: BoolArray) -> float:
    """What must be added to finite logits (N,) so that their mean probability is the share present, not 0 or 1.

    Example:
        >>> round(fit_intercept(np.zeros(4), np.array([True, False, False, False])), 4)
        -1.0986
    """
    from scipy.optimize import brentq

    reach = np.log(len(logit)) + 1

    def excess(shift: float) -> float:
        return float(probability(logit + shift).sum() - present.sum())

    return float(brentq(excess, -logit.max() - reach, -logit.min() + reach, xtol=PRECISION))


def patient_deviations(design: FloatArray, cases: KnownCases, logit: FloatArray) -> FloatArray:
    """How much (patients, K) each patient moves the coefficients: the jackknife that leaves out one, in one step.

    The sum of their squares is the sandwich variance in its form CR3, which few patients do not bias downwards.

    Source: Bell and McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples",
    Survey Methodology 28, 2002; for logistic regression with the information in place of ``X'X``.

    Args:
        design: (N, K).
        cases: N known cases.
        logit: (N,) fitted.

    Returns:
        NaN if one patient holds all the information, or nothing was fitted.
    """
    score = cases.sums(design * (cases.present - probability(logit))[:, None])
    information = cases.sums(design[:, :, None] * design[:, None, :] * _weight(logit)[:, None, None])
    rest = information.sum(axis=0) - information
    if not (np.isfinite(rest).all() and (np.linalg.cond(rest) < LARGEST_CONDITION).all()):
        return np.full(score.shape, np.nan)
    scale = np.sqrt((cases.patients - 1) / cases.patients)
    return np.asarray(scale * np.linalg.solve(rest, score[..., None])[..., 0])


def _weight(logit: FloatArray) -> FloatArray:
    """The product of p and 1 - p, without rounding p to 1."""
    return probability(logit) * probability(-logit)
