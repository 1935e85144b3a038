"""Areas under the ROC curve with their intervals, and the covariance of several areas.

Source of the variance: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
operating characteristic curves: a nonparametric approach", Biometrics 44, 1988. If patients have several cases, terms
are summed by patient first (Obuchowski, Biometrics 53, 1997); with one case a patient that is DeLong's variance again.

The limits are not DeLong's, which miss too often for few patients and near 1: see ``evaluation.area_limits``. If all
scores are equal the variance is 0, which would claim certainty. The interval then is Clopper and Pearson's for as many
trials as the rarer class has patients: no score whose area is A varies more than A (1 - A) / min(present, absent).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluation.area_limits import Spread
from evaluation.cases import (
    UNDEFINED,
    Counts,
    FindingResult,
    FloatArray,
    IntArray,
    Interval,
    Labels,
    checked_cases,
    require_dimensions,
)
from evaluation.patients import patient_numbers
from evaluation.roc import case_placements, placements
from evaluation.several_areas import AreaCovariance, area_result, class_covariance, mean_area


def auc_interval(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Area under the ROC curve with its confidence interval and counts.

    Example:
        >>> result = auc_interval(np.arange(20), np.arange(20) % 3 == 0)
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3), result.present
        (0.462, 0.215, 0.733, 7)

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) names or numbers; the cases of a patient are then taken together. Without it every case counts as
            independent, and the interval is too narrow if patients have several.
        level: Confidence.

    Returns:
        NaN if a class is missing. A single case (or patient) of a class, an area of 0 or 1, and constant scores have
        wide intervals; see the module.

    Raises:
        ValueError: The shapes differ, a score is NaN, or a label lies between 0 and 1.
    """
    if patient is None:
        return _unclustered(*checked_cases(score, label, 1), level)
    return area_covariance(np.asarray(score)[:, None], np.asarray(label)[:, None], patient).result(0, level)


def auc_intervals(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[FindingResult, ...]:
    """``auc_interval`` of every finding: (N, C) scores and labels in, C results out.

    Example:
        >>> score, label = np.arange(40).reshape(20, 2) % 7, np.arange(40).reshape(20, 2) % 3 == 0
        >>> [round(result.value, 2) for result in auc_intervals(score, label)]
        [0.52, 0.53]
    """
    values, labels = checked_cases(score, label, 2)
    if patient is None:
        return tuple(_unclustered(*column, level) for column in zip(values.T, labels.columns, strict=True))
    areas = area_covariance(values, label, patient)
    return tuple(areas.result(c, level) for c in range(values.shape[1]))


def area_covariance(score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None) -> AreaCovariance:
    """Areas of several scores on the same cases, and their covariance.

    Columns may be models of one finding (repeat the label), findings of one model, or both: the covariance of two areas
    is the sum over cases of the product of their influences, which for equal labels is DeLong's formula.

    Example:
        >>> score = np.stack([np.arange(20), np.arange(20) % 7], axis=1)
        >>> areas = area_covariance(score, np.arange(20) % 3 == 0)
        >>> areas.auc.round(3).tolist(), areas.covariance.shape
        ([0.462, 0.533], (2, 2))

    Args:
        score: (N, K).
        label: (N, K), or (N,) for all columns; unknown labels are left out column by column.
        patient: (N,) or None; see ``auc_interval``.
    """
    values, given = np.asarray(score), np.asarray(label)
    require_dimensions(values, 2, "score")
    broadcast = np.broadcast_to(given[:, None], values.shape) if given.ndim == 1 else given
    values, labels = checked_cases(values, broadcast, 2)
    patients, number = patient_numbers(patient, len(values))
    areas = np.full(values.shape[1], math.nan)
    influence = np.full((2, values.shape[1], patients), math.nan)
    sizes = []
    for k, (column, truth) in enumerate(zip(values.T, labels.columns, strict=True)):
        held = [np.bincount(number[chosen], minlength=patients) for chosen in (truth.present, truth.absent)]
        sizes.append(held)
        if truth.present.any() and truth.absent.any():
            areas[k] = _add_influence(influence[:, k], column, truth, number, held)
    present, absent = (
        class_covariance(part @ part.T, [held[c] for held in sizes], truth.T)
        for c, (part, truth) in enumerate(zip(influence, (labels.present, labels.absent), strict=True))
    )
    total = influence[0]
    total += influence[1]
    counts = tuple(
        Counts(of.present, of.absent, of.unknown, *(int(np.count_nonzero(each)) for each in held))
        for of, held in zip((column.counts() for column in labels.columns), sizes, strict=True)
    )
    return AreaCovariance(areas, total @ total.T, counts, (present, absent))


def macro_auc_interval(areas: AreaCovariance, level: float = 0.95) -> Interval:
    """Mean area over findings. The interval allows for findings that are measured on the same cases.

    Findings without a variance (a class is missing, or has one case) are left out of mean and interval.

    Example:
        >>> score = np.stack([np.arange(20), np.arange(20) % 7], axis=1)
        >>> result = macro_auc_interval(area_covariance(score, np.arange(20) % 3 == 0))
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3)
        (0.497, 0.28, 0.716)
    """
    return mean_area(areas, ~np.isnan(np.diag(areas.covariance)), level)


def _unclustered(score: FloatArray, labels: Labels, level: float) -> FindingResult:
    """An area by DeLong's variance, every case by itself. It needs no placement of every single case."""
    counts = labels.counts()
    m, n = counts.present, counts.absent
    if not m or not n:
        return FindingResult.of(UNDEFINED, counts)
    placed = placements(score, labels)
    area = placed.area()
    squares = (
        float(np.dot(placed.present, np.square(placed.of_present / (2 * n) - area))),
        float(np.dot(placed.absent, np.square(placed.of_absent / (2 * m) - area))),
    )
    spreads = [
        Spread(square / (size * (size - 1)) if size > 1 else math.nan, size - 1, 1 / size)
        for square, size in zip(squares, (m, n), strict=True)
    ]
    return area_result(area, spreads, counts, level)


def _add_influence(
    influence: FloatArray, score: FloatArray, labels: Labels, number: IntArray, sizes: Sequence[IntArray]
) -> float:
    """Fill in what each patient adds to the area of one column by each class, and return the area.

    Placements are V10 and V01 of the paper's equations 4 and 5: the share of absent cases below a present one, and of
    present cases above an absent one; ties count half.

    Args:
        influence: (2, P), scaled so that squares sum to the variance; NaN for a class with a single patient.
        score: (N,).
        labels: (N,) with cases of both classes.
        number: (N,) the patient of each case.
        sizes: (P,) the cases of each patient, present and absent.
    """
    placed = case_placements(score, labels)
    m, n = len(placed.present), len(placed.absent)
    area = int(placed.of_present.sum()) / (2 * m * n)
    by_class = (placed.present, placed.of_present / (2 * n), m), (placed.absent, placed.of_absent / (2 * m), n)
    for row, held, (case, placement, size) in zip(influence, sizes, by_class, strict=True):
        placement -= area
        owners = int(np.count_nonzero(held))
        # Deviations from a mean sum to 0: those of a class held by a single patient would pass for no variance.
        scale = math.sqrt(owners / (owners - 1)) / size if owners > 1 else math.nan
        row[:] = np.bincount(number[case], weights=placement, minlength=len(row)) * scale
    return area
