"""Limits of an area under the ROC curve that hold for few patients and for areas near 1.

DeLong's normal interval misses too often there, for three reasons, each of which has its remedy here:

- The variance depends on the area: a sample that happens to be ranked well also shows little variance. A limit is
  therefore the area at which the estimate would lie just so many standard errors away, with the standard error *of that
  area* (a score interval, as Wilson's is for a proportion). How the variance of a placement changes with the area is
  taken from two normal populations of equal variance; its size is the sample's.
- Few patients tell little about the variance, and near 1, where most placements are equal, even many do. One patient
  is added to each class who varies as in the normal populations, half within the patient and half between patients;
  the patients of the sample weigh less against it if placements have a high kurtosis.
- The quantile is Student's. The degrees of freedom of the two classes are combined after Welch and Satterthwaite; those
  of patients with unequal numbers of cases are Bell and McCaffrey's.

For many patients all three vanish, and the interval is DeLong's. It was chosen by simulation; see docs/evaluation.md.

Sources: Wilson, "Probable inference, the law of succession, and statistical inference", 1927; Satterthwaite, "An
approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946; Bell and McCaffrey, "Bias
reduction in standard errors for linear regression with multi-stage samples", Survey Methodology 28, 2002.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.cases import FloatArray, IntArray, Interval
from evaluation.distributions import t_quantile

WITHIN_PATIENTS = 0.5  # share of the variance of the added patient's images
ADDED = 1.0  # patients of each class
LEAST_SHARE = 0.2  # of the variance if patients who hold both classes make it smaller
NEAREST = 1e-12  # distances that do not matter


@dataclass(frozen=True)
class Spread:
    """How the cases of one class let an area vary.

    Attributes:
        variance: What they add to the variance of the area; NaN or 0 if there is a single patient.
        freedom: Degrees of freedom of that estimate, at least 1; 0 with a single patient.
        model: What they would add, over the variance of one placement, if half of it were within patients.
    """

    variance: float
    freedom: float
    model: float


def freedom_and_model(sizes: IntArray) -> tuple[float, float]:
    """Degrees of freedom and ``model`` of a ``Spread`` from the numbers of cases of its patients (P,), 0 if none.

    Example:
        >>> freedom_and_model(np.array([1, 1, 1, 1])), freedom_and_model(np.array([20]))
        ((3.0, 0.25), (0.0, 0.525))
        >>> round(freedom_and_model(np.array([60, *[1] * 20]))[0], 2)  # hardly more than two patients
        1.72
    """
    often = np.bincount(sizes)  # patients by number of cases, of which there are few kinds
    kinds = np.flatnonzero(often[1:]) + 1
    patients, total = often[kinds], float(sizes.sum())
    share = kinds / total
    square = patients * share**2
    model = (1 - WITHIN_PATIENTS) * float(square.sum()) + WITHIN_PATIENTS / total
    if patients.sum() < 2:
        return 0.0, model
    others = 1 - share
    single = float(np.sum(square * (1 - 2 * share) / others**2))
    return max(1 / (single + float(np.sum(square / others)) ** 2), 1.0), model  # below 1 by rounding alone


def limits(area: float, spreads: Sequence[Spread], cross: float = 0.0, level: float = 0.95) -> Interval:
    """The interval of an area.

    Example:
        >>> result = limits(0.95, [Spread(0.0004, 29, 1 / 30), Spread(0.0001, 99, 1 / 100)])
        >>> round(result.lower, 3), round(result.upper, 3)
        (0.873, 0.977)

    Args:
        area: In [0, 1].
        spreads: Of present and of absent cases.
        cross: What both together add to the variance, if patients hold both classes.
        level: Confidence.
    """
    parts, unit = steadied(area, spreads), placement_variance(area)
    total = sum(parts)
    share = 1 + cross / (total * unit) if unit > 0 else 1.0
    freedom = satterthwaite(parts, [each.freedom + ADDED for each in spreads])
    return score_limits(area, total * max(share, LEAST_SHARE), freedom, level)


def steadied(area: float, spreads: Sequence[Spread]) -> list[float]:
    """What each class adds to the variance with its added patient, over the variance of one placement."""
    unit, shown = placement_variance(area), _information(area)
    parts = []
    for each in spreads:
        known = each.freedom * shown
        ratio = known * each.variance / unit if known > 0 and unit > 0 else 0.0
        parts.append((ratio + ADDED * each.model) / (known + ADDED))
    return parts


def satterthwaite(variances: Sequence[float], freedom: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances from theirs; NaN if the sum is 0.

    Example:
        >>> round(satterthwaite([4, 1], [9, 99]), 2)
        13.98
    """
    square = sum(each**2 / known for each, known in zip(variances, freedom, strict=True) if known > 0)
    # Below 1 by rounding alone, as each is at least 1.
    return max(sum(variances) ** 2 / square, 1.0) if square > 0 else math.nan


def score_limits(area: float, relative: float, freedom: float, level: float) -> Interval:
    """The areas that lie just so many standard errors away, by the standard error of each of them.

    Args:
        area: In [0, 1].
        relative: The variance of the area over that of one placement.
        freedom: Degrees of freedom, at least 1.
        level: Confidence.
    """
    factor = relative * t_quantile(level, freedom) ** 2
    return Interval(area, _lower(area, factor), 1 - _lower(1 - area, factor))


def placement_variance(area: float) -> float:
    """Variance of the share of absent cases below a present one, in two normal populations of equal variance.

    Example:
        >>> round(placement_variance(0.5), 4), placement_variance(1.0)  # uniform: 1 / 12
        (0.0833, 0.0)
    """
    from scipy.special import ndtri, owens_t

    # For z the quantile of the area, P(a present case is above two absent ones) = area - 2 T(z, 1 / sqrt 3).
    rest = min(area, 1 - area)
    return max(float(rest - 2 * owens_t(ndtri(rest), 1 / math.sqrt(3)) - rest**2), 0.0) if rest > 0 else 0.0


def _information(area: float) -> float:
    """How much a placement tells about the variance, compared with a normal variable: from its kurtosis, at most 1."""
    from scipy.special import ndtr, ndtri

    rest = min(area, 1 - area)
    if rest <= 0:
        return 0.0
    z = np.linspace(-10, 10, 81)
    deviation = ndtr(math.sqrt(2) * ndtri(rest) + z) - rest
    weight: FloatArray = np.exp(-(z**2) / 2)
    second, fourth = np.dot(weight, deviation**2) / weight.sum(), np.dot(weight, deviation**4) / weight.sum()
    return float(min(1.0, 2 / (fourth / second**2 - 1))) if second > 0 else 0.0


def _lower(area: float, factor: float) -> float:
    """The root of (area - limit)^2 - factor * placement_variance(limit) below the area."""
    from scipy.optimize import brentq

    def excess(limit: float) -> float:
        return (area - limit) ** 2 - factor * placement_variance(limit)

    near, step = NEAREST, max(math.sqrt(factor * placement_variance(area)), 2 * NEAREST)
    if near >= area or excess(area - near) >= 0:
        return max(area - near, 0.0)
    # The root of the variance is concave, so that there is one limit; it is sought beyond ever longer steps.
    while step < area and excess(area - step) < 0:
        near, step = step, 2 * step
    return float(brentq(excess, max(area - step, 0.0), area - near, xtol=NEAREST))
