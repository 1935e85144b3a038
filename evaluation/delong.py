"""Areas under the ROC curve with their intervals, and the covariance of several areas.

Source of the variance: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
operating characteristic curves: a nonparametric approach", Biometrics 44, 1988. If patients have several cases, terms
are summed by patient first (Obuchowski, Biometrics 53, 1997); with one case a patient that is DeLong's variance again.

The limits are not DeLong's, which miss too often for few patients and near 1: see ``evaluation.area_limits``. If all
scores are equal the variance is 0, which would claim certainty. The interval then is Clopper and Pearson's for as many
trials as the rarer class has patients: no score whose area is A varies more than A (1 - A) / min(present, absent).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.area_limits import Spread, freedom_and_model
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


@dataclass(frozen=True)
class _ByPatient:
    """An area, what each of P patients adds to it, and the cases behind it.

    Attributes:
        area: NaN if a class is missing.
        influence: (2, P) by present and by absent cases, scaled so that squares sum to the variance; NaN for a class
            with fewer than two patients.
        cases: (2, P) present and absent cases of each patient.
        counts: Of all patients.
    """

    area: float
    influence: FloatArray
    cases: IntArray
    counts: Counts

    def result(self, level: float) -> FindingResult:
        if math.isnan(self.area):
            return FindingResult.of(UNDEFINED, self.counts)
        about = [freedom_and_model(each) for each in self.cases]
        spreads = [Spread(float(np.dot(own, own)), *each) for own, each in zip(self.influence, about, strict=True)]
        cross = 2 * float(np.dot(*self.influence))
        return area_result(self.area, spreads, self.counts, level, 0.0 if math.isnan(cross) else cross)


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
    values, labels = checked_cases(score, label, 1)
    if patient is None:
        return _unclustered(values, labels, level)
    return _by_patient(values, labels, *patient_numbers(patient, len(values))).result(level)


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
    numbers = patient_numbers(patient, len(values))
    return tuple(_by_patient(*column, *numbers).result(level) for column in zip(values.T, labels.columns, strict=True))


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
    influence = np.full((2, values.shape[1], patients), math.nan)
    columns = []
    for k, (column, truth) in enumerate(zip(values.T, labels.columns, strict=True)):
        columns.append(_by_patient(column, truth, patients, number))
        influence[:, k] = columns[k].influence
    present, absent = (
        class_covariance(part @ part.T, [column.cases[c] for column in columns], truth.T)
        for c, (part, truth) in enumerate(zip(influence, (labels.present, labels.absent), strict=True))
    )
    total = influence[0]
    total += influence[1]
    return AreaCovariance(
        auc=np.array([column.area for column in columns]),
        covariance=total @ total.T,
        counts=tuple(column.counts for column in columns),
        classes=(present, absent),
    )


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


def _by_patient(score: FloatArray, labels: Labels, patients: int, number: IntArray) -> _ByPatient:
    """The area of a column (N,) and what each patient adds to it.

    Placements are V10 and V01 of the paper's equations 4 and 5: the share of absent cases below a present one, and of
    present cases above an absent one; ties count half.

    Args:
        score: (N,).
        labels: (N,).
        patients: How many, P.
        number: (N,) the patient of each case.
    """
    known, is_present = labels.known, labels.present
    if not known.all():
        score, is_present, number = score[known], is_present[known], number[known]
    row = np.where(is_present, number, number + patients)
    cases = np.bincount(row, minlength=2 * patients).reshape(2, patients)
    sizes, owners = cases.sum(axis=1).tolist(), np.count_nonzero(cases, axis=1).tolist()
    counts = Counts(sizes[0], sizes[1], labels.present.size - sum(sizes), owners[0], owners[1])
    if not min(sizes):
        return _ByPatient(math.nan, np.full((2, patients), math.nan), cases, counts)
    influence: FloatArray = np.asarray(
        np.bincount(row, weights=case_placements(score, is_present), minlength=2 * patients), dtype=np.float64
    ).reshape(2, patients)
    area = float(influence[0].sum()) / (2 * sizes[0] * sizes[1])  # whole numbers so far
    for own, held, size, of, other in zip(influence, cases, sizes, owners, sizes[::-1], strict=True):
        own /= 2 * other
        own -= area * held
        # Deviations from a mean sum to 0: those of a class held by a single patient would pass for no variance.
        own *= math.sqrt(of / (of - 1)) / size if of > 1 else math.nan
    return _ByPatient(area, influence, cases, counts)
