"""How suspicious each label is, from out-of-fold scores and from similar images of other patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.stats import rankdata

from app.findings import ABSENT, PRESENT
from evaluation.patients import patient_numbers

Array = NDArray[np.float64]

NEIGHBOURS = 25
WEIGHT = 1 / 3
"""Of the neighbours in the mean rank. With good scores more makes it worse, with poor ones less does."""
FOLDS = 10
_LARGEST = 30.0
"""Scores are limited to so many standard deviations; a logit may be infinite."""
_AT_ONCE = 512


def standardised(score: Array) -> Array:
    """Scores (N,) with mean 0 and standard deviation 1; all 0 if they are equal.

    Example:
        >>> standardised(np.array([1.0, 3.0])).tolist(), standardised(np.array([2.0, 2.0])).tolist()
        ([-1.0, 1.0], [0.0, 0.0])
    """
    finite = score[np.isfinite(score)]
    limits = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    values = np.clip(np.nan_to_num(score, nan=0.0), *limits)
    deviation = values.std()
    return np.clip((values - values.mean()) / deviation, -_LARGEST, _LARGEST) if deviation else values * 0.0


def calibrated(score: Array, label: Array, patient: NDArray[np.str_], seed: int = 0) -> Array:
    """Probabilities of "present" by Platt's method, fitted for each patient without that patient's labels.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999), with his targets for few cases.

    Args:
        score: (N,) out-of-fold scores.
        label: (N,) 1 present, 0 absent; any other value is unknown.
        patient: (N,) names; they are shared out among ``FOLDS`` parts, each calibrated on the others.
        seed: Seed for sharing out.

    Returns:
        (N,) probabilities, also of cases whose label is unknown; NaN if the labels that are left are all alike.
    """
    x = standardised(score)
    count, number = patient_numbers(patient, len(score))
    part = np.random.default_rng(seed).permutation(count)[number] % FOLDS
    probability = np.full(len(score), np.nan)
    for fold in range(FOLDS):
        others = (part != fold) & np.isin(label, (PRESENT, ABSENT))
        if len(np.unique(label[others])) == 2:
            intercept, slope = _platt(x[others], label[others])
            probability[part == fold] = expit(intercept + slope * x[part == fold])
    return probability


def _platt(x: Array, label: Array) -> tuple[float, float]:
    present, absent = int((label == PRESENT).sum()), int((label == ABSENT).sum())
    target = np.where(label == PRESENT, (present + 1) / (present + 2), 1 / (absent + 2))

    def loss(weights: Array) -> tuple[float, Array]:
        z = weights[0] + weights[1] * x
        slope = expit(z) - target
        total = -(target * log_expit(z) + (1 - target) * log_expit(-z)).sum()
        return float(total), np.array([slope.sum(), (slope * x).sum()])

    fitted = minimize(loss, np.array([np.log(present / absent), 1.0]), jac=True, method="BFGS")
    return float(fitted.x[0]), float(fitted.x[1])


def nearest(feature: Array, patient: NDArray[np.str_], count: int = NEIGHBOURS) -> NDArray[np.intp]:
    """The most similar images of other patients, by the cosine of centred features.

    Args:
        feature: (N, D).
        patient: (N,) names.
        count: How many; fewer if there are fewer images of other patients.

    Returns:
        (N, up to ``count``) indices, -1 where a patient has fewer images of others.

    Example:
        >>> nearest(np.array([[1.0, 0], [1, 0.1], [0, 1], [-1, 0]]), np.array(["a", "a", "b", "c"]), 1).ravel().tolist()
        [2, 2, 3, 2]
    """
    centred = feature - feature.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    number = patient_numbers(patient, len(feature))[1]
    kept = max(1, min(count, len(feature) - 1))
    rows = []
    for start in range(0, len(unit), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        similarity = unit[part] @ unit.T
        similarity[number[part, None] == number[None]] = -np.inf
        best = np.argpartition(-similarity, kept - 1, axis=1)[:, :kept]
        rows.append(np.where(np.isneginf(np.take_along_axis(similarity, best, axis=1)), -1, best))
    return np.concatenate(rows)


def agreement(neighbours: NDArray[np.intp], label: Array) -> Array:
    """(N,) share of each image's neighbours with a known label that have its own label; NaN if none is known."""
    values = label[neighbours]
    known = (neighbours >= 0) & np.isin(values, (PRESENT, ABSENT))
    with np.errstate(invalid="ignore"):
        return np.asarray(((values == label[:, None]) & known).sum(axis=1) / known.sum(axis=1))


def suspicion(given: Array, neighbours: Array | None = None) -> Array:
    """How suspicious labels are, from 0 to 1: the weighted mean rank of two reasons to doubt them.

    Args:
        given: (M,) probability of the given label.
        neighbours: (M,) share of neighbours with the given label, NaN if unknown; None without neighbours.

    Returns:
        (M,) 1 - p if there are no neighbours; else the mean of the ranks of 1 - p and of the neighbours' disagreement,
        of which the latter has a weight of ``WEIGHT``.

    Example:
        >>> suspicion(np.array([0.9, 0.2, 0.4]), np.array([0.8, 0.4, 0.1])).round(2).tolist()
        [0.33, 0.89, 0.78]
    """
    if neighbours is None:
        return 1 - given
    expected = np.where(np.isnan(neighbours), given, neighbours)
    return np.asarray(((1 - WEIGHT) * rankdata(-given) + WEIGHT * rankdata(-expected)) / len(given))
