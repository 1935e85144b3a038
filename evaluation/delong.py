"""Intervals of areas under the ROC curve by DeLong's variance, and the covariance of several areas.

Source: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
characteristic curves: a nonparametric approach", Biometrics 44, 1988. If patients have several cases, terms are summed
by patient first (Obuchowski, Biometrics 53, 1997); with one case a patient that is DeLong's variance again.

The variance is undefined with one case (or patient) of a class, and 0, which would claim certainty, for areas of 0 or 1
and constant scores. The interval then is Clopper and Pearson's for as many trials as the rarer class has cases (or
patients): no score whose area is A has a variance above A (1 - A) / min(present, absent).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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
from evaluation.distributions import exact_interval, normal_quantile, unit_interval
from evaluation.patients import patient_numbers
from evaluation.roc import placements, tied_counts


@dataclass(frozen=True)
class AreaCovariance:
    """Areas of K scores and how they vary together.

    Attributes:
        auc: (K,), NaN if a class is missing.
        covariance: (K, K), NaN in rows and columns with fewer than two cases (or patients) of a class.
        counts: K of them.
    """

    auc: FloatArray
    covariance: FloatArray
    counts: tuple[Counts, ...]

    def result(self, k: int, level: float = 0.95) -> FindingResult:
        """The k-th area with its interval and counts."""
        return _result(float(self.auc[k]), float(self.covariance[k, k]), self.counts[k], level)


def auc_interval(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Area under the ROC curve with its confidence interval and counts.

    Example:
        >>> result = auc_interval(np.arange(20), np.arange(20) % 3 == 0)
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3), result.present
        (0.462, 0.172, 0.751, 7)

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) names or numbers; the cases of a patient are then taken together. Without it every case counts as
            independent, and the interval is too narrow if patients have several.
        level: Confidence.

    Returns:
        The normal interval, or the one on the logit scale if the normal one would leave [0, 1]; see the module for
        exceptions. NaN if a class is missing.

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
    columns = list(labels.columns)
    parts = [_influence(*column, patients, number) for column in zip(values.T, columns, strict=True)]
    influence = np.stack([part for _, part in parts], axis=1)
    return AreaCovariance(
        auc=np.array([area for area, _ in parts]),
        covariance=influence.T @ influence,
        counts=tuple(column.counts(None if patient is None else number) for column in columns),
    )


def macro_auc_interval(areas: AreaCovariance, level: float = 0.95) -> Interval:
    """Mean area over findings. The interval allows for findings that are measured on the same cases.

    Findings without a variance (a class is missing, or has one case) are left out of mean and interval.

    Example:
        >>> score = np.stack([np.arange(20), np.arange(20) % 7], axis=1)
        >>> result = macro_auc_interval(area_covariance(score, np.arange(20) % 3 == 0))
        >>> round(result.value, 3), round(result.lower, 3), round(result.upper, 3)
        (0.497, 0.27, 0.725)
    """
    kept = ~np.isnan(np.diag(areas.covariance))
    if not kept.any():
        return UNDEFINED
    variance = float(areas.covariance[np.ix_(kept, kept)].mean())
    return bounded_interval(float(areas.auc[kept].mean()), variance, level)


def bounded_interval(value: float, variance: float, level: float) -> Interval:
    """Normal interval of a value in [0, 1]; see ``unit_interval``. A variance of NaN gives NaN."""
    return unit_interval(value, normal_quantile(level) * math.sqrt(max(variance, 0.0)))


def _result(area: float, variance: float, counts: Counts, level: float) -> FindingResult:
    """An area with the interval that its variance gives, or that of the module if the variance says nothing."""
    trials = min(counts.present_patients, counts.absent_patients)
    if trials and not variance > 0 and not math.isnan(area):
        limits = exact_interval(area * trials, trials, level)
    else:
        limits = bounded_interval(area, variance, level)
    return FindingResult.of(Interval(area, limits.lower, limits.upper), counts)


def _unclustered(score: FloatArray, labels: Labels, level: float) -> FindingResult:
    """An area by DeLong's variance, every case by itself. It needs no placement of every single case."""
    counts = labels.counts()
    m, n = counts.present, counts.absent
    if not m or not n:
        return FindingResult.of(UNDEFINED, counts)
    placed = placements(score, labels)
    area, variance = placed.area(), math.nan
    if m > 1 and n > 1:
        of_present = float(np.dot(placed.present, np.square(placed.of_present / (2 * n) - area)))
        of_absent = float(np.dot(placed.absent, np.square(placed.of_absent / (2 * m) - area)))
        variance = of_present / (m * (m - 1)) + of_absent / (n * (n - 1))
    return _result(area, variance, counts, level)


def _influence(score: FloatArray, labels: Labels, patients: int, number: IntArray) -> tuple[float, FloatArray]:
    """The area of one column, and what each patient adds to it.

    Placements are V10 and V01 of the paper's equations 4 and 5: the share of absent cases below a present one, and of
    present cases above an absent one; ties count half.

    Args:
        score: (N,).
        labels: (N,).
        patients: How many, P.
        number: (N,) the patient of each case.

    Returns:
        The area, NaN if a class is missing. The influence (P,), scaled so that squares sum to the variance; NaN if a
        class has fewer than two patients.
    """
    m, n = int(labels.present.sum()), int(labels.absent.sum())
    if not m or not n:
        return math.nan, np.full(patients, math.nan)
    tied = tied_counts(score, labels)
    twice_below = 2 * np.cumsum(tied.absent) - tied.absent
    twice_not_above = 2 * np.cumsum(tied.present) - tied.present
    area = int(np.dot(tied.present, twice_below)) / (2 * m * n)
    total = np.zeros(patients)
    by_class = (labels.present, twice_below / (2 * n), m), (labels.absent, 1 - twice_not_above / (2 * m), n)
    for chosen, placement, size in by_class:
        owner, group = number[chosen], np.searchsorted(tied.score, score[chosen])
        owners = int(np.count_nonzero(np.bincount(owner)))
        summed = np.bincount(owner, weights=placement[group] - area, minlength=patients)
        # Deviations from a mean sum to 0: those of a class held by a single patient would pass for no variance.
        scale = owners / (owners - 1) if owners > 1 else math.nan
        total += summed * (math.sqrt(scale) / size)
    return area, total
