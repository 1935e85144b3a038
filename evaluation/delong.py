"""DeLong's variance of the area under the ROC curve, its confidence interval, and covariances of several areas.

Source: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
characteristic curves: a nonparametric approach", Biometrics 44, 1988. Placements are read off sorted columns; where
patients have several cases, terms are summed by patient first (Obuchowski, Biometrics 53, 1997), which with one case a
patient is DeLong's variance again.

Where the variance says nothing: with one case (or patient) of a class it is undefined, and with areas of 0 or 1 or
constant scores it is 0, which would claim certainty. The interval then is Clopper and Pearson's for as many trials as
the rarer class has cases (or patients): no score whose area is A has a variance above A (1 - A) / min(present, absent).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    Counts,
    FindingResult,
    FloatArray,
    IntArray,
    Interval,
    Labels,
    checked_cases,
    checked_labels,
    checked_scores,
    require_dimensions,
)
from evaluation.distributions import exact_interval, normal_quantile, unit_interval
from evaluation.patients import patient_numbers
from evaluation.roc import placements, tied_counts


@dataclass(frozen=True)
class AreaVariance:
    """An area, its variance (NaN with fewer than two cases of a class) and the cases behind it."""

    auc: float
    variance: float
    counts: Counts

    @property
    def trials(self) -> int:
        """Cases of the rarer class."""
        return min(self.counts.present, self.counts.absent)

    def result(self, level: float = 0.95) -> FindingResult:
        """The area with its interval and counts."""
        return _result(self.auc, self.variance, self.counts, self.trials, level)


@dataclass(frozen=True)
class AreaCovariance:
    """Areas of K scores and how they vary together.

    Attributes:
        auc: (K,), NaN where a class is missing.
        covariance: (K, K), NaN in rows and columns with fewer than two cases (or patients) of a class.
        counts: K of them.
        trials: K numbers of patients that have a case of the rarer class; without patients, of such cases.
    """

    auc: FloatArray
    covariance: FloatArray
    counts: tuple[Counts, ...]
    trials: tuple[int, ...]

    def result(self, k: int, level: float = 0.95) -> FindingResult:
        """The k-th area with its interval and counts."""
        return _result(float(self.auc[k]), float(self.covariance[k, k]), self.counts[k], self.trials[k], level)


@dataclass(frozen=True)
class _Influence:
    """An area and what each patient adds to it.

    Attributes:
        area: NaN where a class is missing.
        of_patient: (P,) scaled so that squares sum to the variance; NaN where a class has fewer than two patients.
        trials: patients that have a case of the rarer class.
    """

    area: float
    of_patient: FloatArray
    trials: int


def area_variance(score: ArrayLike, label: ArrayLike) -> AreaVariance:
    """Area under the ROC curve with DeLong's variance; every case stands for itself.

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).

    Raises:
        ValueError: shapes differ, a score is NaN, or a label lies between 0 and 1.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    return _area_variance(values, labels)


def auc_interval(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> FindingResult:
    """Area under the ROC curve with its confidence interval and counts.

    Args:
        score: (N,) as for ``area_variance``.
        label: (N,) as for ``area_variance``.
        patient: (N,) names or numbers; cases of one patient are then taken together. Without it every case stands
            for itself, and patients with several images make the interval too narrow.
        level: confidence.

    Returns:
        The normal interval, or the one on the logit scale where the normal one would leave [0, 1]; see the module for
        the rest. NaN where a class is missing.
    """
    if patient is None:
        return area_variance(score, label).result(level)
    areas = area_covariance(np.asarray(score)[:, None], np.asarray(label)[:, None], patient)
    return areas.result(0, level)


def auc_intervals(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[FindingResult, ...]:
    """``auc_interval`` of every finding: (N, C) scores and labels in, C results out."""
    values, labels = checked_cases(score, label)
    require_dimensions(values, 2, "score")
    if patient is None:
        return tuple(_area_variance(values[:, c], _column(labels, c)).result(level) for c in range(values.shape[1]))
    together = area_covariance(values, label, patient)
    return tuple(together.result(c, level) for c in range(values.shape[1]))


def area_covariance(score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None) -> AreaCovariance:
    """Areas of several scores on the same cases, and their covariance.

    Columns may be models of one finding (repeat the label), findings of one model, or both: the covariance of two areas
    is the sum over cases of the product of their influences, which for equal labels is DeLong's formula.

    Args:
        score: (N, K).
        label: (N, K), or (N,) for all columns; unknown labels are left out column by column.
        patient: (N,) or None; see ``auc_interval``.
    """
    values = checked_scores(score)
    require_dimensions(values, 2, "score")
    known = np.asarray(label)
    labels = checked_labels(np.broadcast_to(known[:, None], values.shape) if known.ndim == 1 else known)
    if labels.present.shape != values.shape:
        raise ValueError(f"scores have shape {values.shape} and labels {known.shape}; they must be the same")
    patients, number = patient_numbers(patient, len(values))
    columns = [_column(labels, k) for k in range(values.shape[1])]
    parts = [_influence(values[:, k], column, patients, number) for k, column in enumerate(columns)]
    influence = np.stack([part.of_patient for part in parts], axis=1)
    areas, counts = np.array([part.area for part in parts]), tuple(column.counts() for column in columns)
    return AreaCovariance(areas, influence.T @ influence, counts, tuple(part.trials for part in parts))


def macro_auc_interval(areas: AreaCovariance, level: float = 0.95) -> Interval:
    """Mean area over findings, with an interval that knows that findings are measured on the same cases.

    Findings without a variance (a class missing, or one case of it) are left out of mean and interval alike.
    """
    kept = ~np.isnan(np.diag(areas.covariance))
    if not kept.any():
        return Interval(math.nan, math.nan, math.nan)
    variance = float(areas.covariance[np.ix_(kept, kept)].mean())
    return bounded_interval(float(areas.auc[kept].mean()), variance, level)


def bounded_interval(value: float, variance: float, level: float) -> Interval:
    """Normal interval of a value in [0, 1]; on the logit scale where the normal one would leave [0, 1].

    With no variance at 0 or 1 it is the value itself; NaN gives NaN.
    """
    half = normal_quantile(level) * math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan
    return unit_interval(value, half)


def _result(area: float, variance: float, counts: Counts, trials: int, level: float) -> FindingResult:
    """An area with the interval that its variance gives; see the module for areas whose variance says nothing."""
    if trials and not variance > 0 and not math.isnan(area):
        interval = exact_interval(area * trials, trials, level)
    else:
        interval = bounded_interval(area, variance, level)
    return FindingResult(area, interval.lower, interval.upper, counts.present, counts.absent, counts.unknown)


def _column(labels: Labels, k: int) -> Labels:
    return Labels(labels.present[:, k], labels.absent[:, k])


def _area_variance(score: FloatArray, labels: Labels) -> AreaVariance:
    """Without a placement for every single case, which the variance does not need."""
    counts = labels.counts()
    m, n = counts.present, counts.absent
    if not m or not n:
        return AreaVariance(math.nan, math.nan, counts)
    placed = placements(score, labels.present, labels.absent)
    area = placed.wins() / (2 * m * n)
    if m < 2 or n < 2:
        return AreaVariance(area, math.nan, counts)
    spread_present = float(np.dot(placed.present, np.square(placed.of_present / (2 * n) - area)))
    spread_absent = float(np.dot(placed.absent, np.square(placed.of_absent / (2 * m) - area)))
    return AreaVariance(area, spread_present / (m * (m - 1)) + spread_absent / (n * (n - 1)), counts)


def _influence(score: FloatArray, labels: Labels, patients: int, number: IntArray) -> _Influence:
    """The area of one column and what patients add to it.

    Placements are V10 and V01 of the paper's equations 4 and 5: the share of absent cases below a present one, and
    of present cases above an absent one; ties count half. ``number`` (N,) is each case's patient.
    """
    m, n = int(labels.present.sum()), int(labels.absent.sum())
    if not m or not n:
        return _Influence(math.nan, np.full(patients, math.nan), 0)
    tied = tied_counts(score, labels.present, labels.absent)
    twice_below = 2 * np.cumsum(tied.absent) - tied.absent
    twice_not_above = 2 * np.cumsum(tied.present) - tied.present
    area = int(np.dot(tied.present, twice_below)) / (2 * m * n)
    total, trials = np.zeros(patients), []
    of_class = (labels.present, twice_below / (2 * n), m), (labels.absent, 1 - twice_not_above / (2 * m), n)
    for chosen, placement, size in of_class:
        owner, place = number[chosen], np.searchsorted(tied.score, score[chosen])
        trials.append(int(np.count_nonzero(np.bincount(owner))))
        summed = np.bincount(owner, weights=placement[place] - area, minlength=patients)
        # Deviations from a mean sum to 0: those of a class held by a single patient would pass for no variance.
        scale = trials[-1] / (trials[-1] - 1) if trials[-1] > 1 else math.nan
        total += summed * (math.sqrt(scale) / size)
    return _Influence(area, total, min(trials))
