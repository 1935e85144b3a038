"""Several areas under the ROC curve that vary together: contrasts and means of them, with degrees of freedom."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.area_limits import (
    ADDED,
    Spread,
    freedom_and_model,
    limits,
    placement_variance,
    satterthwaite,
    score_limits,
    steadied,
)
from evaluation.cases import UNDEFINED, BoolArray, Counts, FindingResult, FloatArray, IntArray, Interval
from evaluation.distributions import exact_interval


@dataclass(frozen=True)
class ClassCovariance:
    """How the cases of one class let K areas vary together.

    Attributes:
        covariance: (K, K), their part of the covariance; NaN for an area with a single patient in the class.
        freedom: (K,) degrees of freedom of the variances.
        model: (K,) see ``area_limits.Spread``.
        cases: (K,) equal numbers for areas with the same cases in the class.
    """

    covariance: FloatArray
    freedom: FloatArray
    model: FloatArray
    cases: IntArray


@dataclass(frozen=True)
class AreaCovariance:
    """Areas of K scores and how they vary together.

    Attributes:
        auc: (K,), NaN if a class is missing.
        covariance: (K, K), NaN in rows and columns with fewer than two cases (or patients) of a class.
        counts: K of them.
        classes: The parts of present and of absent cases. They sum to the covariance unless patients hold both.
    """

    auc: FloatArray
    covariance: FloatArray
    counts: tuple[Counts, ...]
    classes: tuple[ClassCovariance, ClassCovariance]

    def result(self, k: int, level: float = 0.95) -> FindingResult:
        """The k-th area with its interval and counts."""
        spreads, cross = self.spreads(k)
        return area_result(float(self.auc[k]), spreads, self.counts[k], level, cross)

    def spreads(self, k: int) -> tuple[list[Spread], float]:
        """What each class adds to the variance of the k-th area, and what both together do."""
        parts = [
            Spread(float(each.covariance[k, k]), float(each.freedom[k]), float(each.model[k])) for each in self.classes
        ]
        cross = float(self.covariance[k, k]) - sum(part.variance for part in parts)
        return parts, 0.0 if math.isnan(cross) else cross

    def contrast(self, weight: FloatArray) -> tuple[float, float, float]:
        """A weighted sum (K,) of the areas, its variance and the degrees of freedom of that; zero weights do not count.

        The degrees of freedom are Satterthwaite's over the classes and their sets of cases.
        """
        used = np.flatnonzero(weight)
        chosen, pair = weight[used], np.ix_(used, used)
        parts, freedom = [], []
        for each in self.classes:
            covariance, cases = each.covariance[pair], each.cases[used]
            for number in np.unique(cases):
                own = np.where(cases == number, chosen, 0.0)
                parts.append(float(own @ covariance @ own))
                freedom.append(float(each.freedom[used][cases == number][0]))
        variance = float(chosen @ self.covariance[pair] @ chosen)
        return float(chosen @ self.auc[used]), variance, satterthwaite(parts, freedom)


def area_result(
    area: float, spreads: Sequence[Spread], counts: Counts, level: float = 0.95, cross: float = 0.0
) -> FindingResult:
    """An area with its interval; if all scores are equal, Clopper and Pearson's for the patients of the rarer class."""
    if math.isnan(area):
        return FindingResult.of(UNDEFINED, counts)
    trials = min(counts.present_patients, counts.absent_patients)
    if 0 < area < 1 and not any(each.variance > 0 for each in spreads):
        interval = exact_interval(area * trials, trials, level)
    else:
        interval = limits(area, spreads, cross, level)
    return FindingResult.of(Interval(area, interval.lower, interval.upper), counts)


def mean_area(areas: AreaCovariance, chosen: BoolArray, level: float = 0.95) -> Interval:
    """The mean of the chosen areas (K,), which must have a variance, with its interval; NaN if none is chosen."""
    index = np.flatnonzero(chosen)
    if not index.size:
        return UNDEFINED
    mean, variance, freedom = _steady(areas, index).contrast(np.full(index.size, 1 / index.size))
    unit = placement_variance(mean)
    if unit > 0 and variance > 0:
        return score_limits(mean, variance / unit, freedom, level)
    single = [areas.result(int(k), level) for k in index]  # none of the areas varies: the widest interval of them
    widest = max(single, key=lambda each: each.upper - each.lower)
    return Interval(mean, min(widest.lower, mean), max(widest.upper, mean))


def _steady(areas: AreaCovariance, index: IntArray) -> AreaCovariance:
    """The areas of an index, with the covariance scaled to the variances that they have with the added patients."""
    pair = np.ix_(index, index)
    of_class = np.array([each.covariance[pair] for each in areas.classes])
    both = areas.covariance[pair] - of_class.sum(axis=0)  # what patients add who hold both classes
    unit = np.array([placement_variance(float(area)) for area in areas.auc[index]])
    variance = np.array([steadied(float(areas.auc[k]), areas.spreads(int(k))[0]) for k in index]).T * unit
    classes = []
    for each, covariance, wanted in zip(areas.classes, of_class, variance, strict=True):
        raw = np.diag(covariance)
        scale = np.sqrt(np.divide(wanted, raw, out=np.zeros_like(raw), where=raw > 0))
        scaled = scale[:, None] * covariance * scale
        classes.append(ClassCovariance(scaled, each.freedom[index] + ADDED, each.model[index], each.cases[index]))
    total = classes[0].covariance + classes[1].covariance + both
    counts = tuple(areas.counts[k] for k in index)
    return replace(areas, auc=areas.auc[index], covariance=total, counts=counts, classes=(classes[0], classes[1]))


def class_covariance(covariance: FloatArray, sizes: Sequence[IntArray], cases: BoolArray) -> ClassCovariance:
    """What belongs to the covariance of a class.

    Args:
        covariance: (K, K).
        sizes: The cases of each patient (P,) in the class, for each of K areas.
        cases: (K, N) which cases belong to the class.
    """
    about = [freedom_and_model(each) if each.any() else (0.0, math.nan) for each in sizes]
    freedom, model = np.array(about).reshape(-1, 2).T
    sets: dict[bytes, int] = {}
    same = [sets.setdefault(each.tobytes(), len(sets)) for each in cases]
    return ClassCovariance(covariance, freedom, model, np.array(same, dtype=np.int64))
