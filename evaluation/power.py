"""How many patients a planned measurement or comparison of areas under the ROC curve needs.

Variances come from a pilot, with the covariance of two models and several images a patient, or from stated areas, by
formulas for normal (``normal_scores``, ``obuchowski``) or exponential (``hanley_mcneil``) scores. Either gives a
variance for any planned number of patients.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from evaluation.area_limits import placement_variance, score_limits
from evaluation.cases import FloatArray, Labels, checked_labels, checked_scores
from evaluation.distributions import normal_quantile
from evaluation.patients import patient_numbers
from evaluation.roc import case_placements

MOST = 10_000_000
"""Patients with the finding; a study that needs more is refused."""
_NORMAL = NormalDist()


@dataclass(frozen=True)
class PlannedVariance:
    """The variance of an area, or of a difference of two, for any number of patients with and without the finding.

    A patient is with the finding if any image shows it, and may have images without it. Of each patient, ``u`` sums how
    far the placements of present images (DeLong's V10) lie from the area, and ``w`` the same of absent images (V01).

    Attributes:
        present: Present images for each patient with the finding.
        absent: Absent images for each patient with and for each without the finding.
        squares: Means of u^2, u w and w^2 over patients with the finding, and of w^2 over those without.
        evidence: Patients of the rarer class that this rests on; infinite for a formula.
    """

    present: float
    absent: tuple[float, float]
    squares: tuple[float, float, float, float]
    evidence: float = math.inf

    def at(self, with_finding: float, without: float) -> float:
        """The variance with so many patients."""
        m = self.present * with_finding
        n = self.absent[0] * with_finding + self.absent[1] * without
        uu, uw, ww, other = self.squares
        return with_finding * (uu / m**2 + 2 * uw / (m * n) + ww / n**2) + without * other / n**2

    def times(self, factor: float) -> "PlannedVariance":
        """The variance times a factor, such as a design effect."""
        uu, uw, ww, other = (factor * square for square in self.squares)
        return PlannedVariance(self.present, self.absent, (uu, uw, ww, other), self.evidence)

    def cautious(self, confidence: float = 0.8) -> "PlannedVariance":
        """The upper limit of the variance, as a pilot of few patients does not know it well.

        Source: Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14, 1995.
        """
        from scipy.special import chdtri

        if math.isinf(self.evidence):
            return self
        freedom = self.evidence - 1
        return self.times(freedom / float(chdtri(freedom, confidence)))


def pilot_variance(score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None) -> PlannedVariance:
    """The variance that a pilot's cases show, of one model's area or of the difference of two.

    At the pilot's own numbers it is DeLong's, by patient Obuchowski's (``evaluation.delong``).

    Example:
        >>> label = np.arange(40) % 4 == 0
        >>> variance = pilot_variance(np.arange(40.0)[:, None] % 7 + label[:, None], label)
        >>> round(variance.at(10, 30) ** 0.5, 3), round(variance.at(40, 120) ** 0.5, 3)
        (0.108, 0.054)

    Args:
        score: (N, 1) of one model, or (N, 2) of two.
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) or None if every case is a patient of its own.

    Raises:
        ValueError: Fewer than two patients have a present image, or fewer than two an absent one.
    """
    scores, labels = checked_scores(score), checked_labels(label)
    if scores.ndim != 2 or len(scores) != labels.present.size or scores.shape[1] > 2:
        raise ValueError(
            f"scores have shape {scores.shape} for {labels.present.size} labels, but must be (N, 1) or (N, 2)"
        )
    patients, number = patient_numbers(patient, len(scores))
    placed = np.stack([_placements(column, labels) for column in scores.T], axis=1)
    placed = placed[:, 0] - placed[:, 1] if placed.shape[1] == 2 else placed[:, 0]
    sides = []
    for kind, chosen in (("present", labels.present), ("absent", labels.absent)):
        owners = len(np.unique(number[chosen]))
        if owners < 2:
            raise ValueError(f"{owners} patients of the pilot have {kind} cases, but a variance needs two or more")
        summed = np.bincount(number[chosen], placed[chosen] - placed[chosen].mean(), patients)
        images = np.bincount(number[chosen], minlength=patients).astype(np.float64)
        sides.append((np.asarray(summed * math.sqrt(owners / (owners - 1)), dtype=np.float64), images))
    return _by_patient(sides[0], sides[1])


def normal_scores(area: float) -> tuple[float, float]:
    """The variances that a present and an absent case add to the measured area, if scores of either are normal.

    They are exact for equal variances (``evaluation.area_limits``).

    Example:
        >>> present, absent = normal_scores(0.8)
        >>> round(present, 4), present == absent
        (0.0472, True)
    """
    variance = placement_variance(area)
    return variance, variance


def obuchowski(area: float) -> tuple[float, float]:
    """The same for an area from fitted normal distributions of any variances, which asks for more patients.

    Source: Obuchowski, Lieber and Wians, "ROC curves in clinical chemistry", Clinical Chemistry 50, 2004, as in pROC.

    Example:
        >>> present, absent = obuchowski(0.8)
        >>> round(present, 4), round(absent, 4)
        (0.0735, 0.0459)
    """
    a = math.sqrt(2) * _NORMAL.inv_cdf(area)
    common = 0.0099 * math.exp(-a * a / 2)
    return common * (5 * a * a + 8), common * (a * a + 8)


def hanley_mcneil(area: float) -> tuple[float, float]:
    """The same for negative exponential scores.

    Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982, without the
    term that vanishes with the product of the numbers of cases.

    Example:
        >>> present, absent = hanley_mcneil(0.8)
        >>> round(present, 4), round(absent, 4)
        (0.0267, 0.0711)
    """
    return area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2


def stated_variance(
    areas: tuple[float, ...], correlation: float = 0.0, of: Callable[[float], tuple[float, float]] = normal_scores
) -> PlannedVariance:
    """The variance of a stated area, or of the difference of two whose estimates correlate, one image a patient.

    Example:
        >>> one, two = stated_variance((0.8,)), stated_variance((0.8, 0.85), correlation=0.5)
        >>> round(one.at(50, 50) ** 0.5, 3), round(two.at(50, 50) ** 0.5, 3)
        (0.043, 0.041)

    Args:
        areas: One or two, each between 0.5 and 1.
        correlation: Of the two estimated areas on the same cases.
        of: ``normal_scores``, ``obuchowski`` or ``hanley_mcneil``.

    Raises:
        ValueError: An area does not lie between 0.5 and 1, or the correlation not from 0 to below 1.
    """
    for area in areas:
        if not 0.5 < area < 1:
            raise ValueError(f"an area of {area:g} cannot be planned for: it must lie above 0.5 and below 1")
    if not 0 <= correlation < 1:
        raise ValueError(f"a correlation of {correlation:g} cannot be planned for: it must be at least 0 and below 1")
    parts = np.array([of(area) for area in areas])
    total = parts.sum(axis=0)
    if len(areas) == 2:
        total = total - 2 * correlation * np.sqrt(parts.prod(axis=0))
    return PlannedVariance(1, (0, 1), (float(total[0]), 0, 0, float(total[1])))


def power_of_difference(variance: float, difference: float, margin: float | None = None, level: float = 0.95) -> float:
    """Power to show a difference of two areas, or non-inferiority within a margin.

    Example:
        >>> round(power_of_difference(0.0178**2, 0.05), 2), round(power_of_difference(0.0178**2, 0, margin=0.05), 2)
        (0.8, 0.8)

    Args:
        variance: Of the measured difference.
        difference: The true one, new - reference.
        margin: None for a difference, by a two-sided test; else non-inferiority, by a one-sided test at half its level.
        level: Confidence of the two-sided interval.
    """
    reach = abs(difference) if margin is None else difference + margin
    return _NORMAL.cdf(reach / math.sqrt(variance) - normal_quantile(level))


def power_above(variance: float, null_variance: float, excess: float, level: float = 0.95) -> float:
    """Power to show that an area exceeds a value by a two-sided test, where it does so by ``excess``.

    Source: equation 5 of Obuchowski et al. 2004, as in pROC's ``power.roc.test``.

    Example:
        >>> of_area, of_chance = (stated_variance((area,), of=obuchowski).at(41, 72) for area in (0.73, 0.500001))
        >>> round(power_above(of_area, of_chance, 0.23), 3)
        0.99
    """
    return _NORMAL.cdf((excess - normal_quantile(level) * math.sqrt(null_variance)) / math.sqrt(variance))


def interval_width(area: float, variance: float, level: float = 0.95) -> float:
    """The width of the interval of an area; about half of all samples give a narrower one.

    Example:
        >>> round(interval_width(0.8, 0.05**2), 3)
        0.195
    """
    limits = score_limits(area, variance / placement_variance(area), math.inf, level)
    return limits.upper - limits.lower


def fewest(is_enough: Callable[[int], bool], least: int = 2) -> int:
    """The smallest number that is enough, where every larger one is, too.

    Example:
        >>> fewest(lambda number: number**2 >= 50)
        8

    Raises:
        ValueError: Ten million are not.
    """
    high = least
    while not is_enough(high):
        if high >= MOST:
            raise ValueError(f"more than {MOST:,} patients with the finding would be needed: no study can show that")
        high = min(2 * high, MOST)
    low = least - 1  # not enough, or below the least
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= least and is_enough(middle) else (middle, high)
    return high


def _placements(score: FloatArray, labels: Labels) -> FloatArray:
    """(N,) for each case the share of the other class that it ranks on the right side of; NaN if unknown."""
    values, known = np.full(score.size, np.nan), labels.present | labels.absent
    is_present = labels.present[known]
    of_other_class = np.where(is_present, np.count_nonzero(~is_present), np.count_nonzero(is_present))
    values[known] = case_placements(score[known], is_present) / np.maximum(2 * of_other_class, 1)
    return values


def _by_patient(present: tuple[FloatArray, FloatArray], absent: tuple[FloatArray, FloatArray]) -> PlannedVariance:
    """Of each class what every patient adds (P,), and how many images of it (P,)."""
    u, images = present
    w, others = absent
    has = images > 0
    lacks = ~has & (others > 0)
    count, rest = int(has.sum()), int(lacks.sum())
    pairs = (u * u)[has], (u * w)[has], (w * w)[has]
    squares = [float(each.sum()) / count for each in pairs]
    evidence = min(count, int((others > 0).sum()))
    return PlannedVariance(
        present=float(images.sum()) / count,
        absent=(float(others[has].sum()) / count, float(others[lacks].sum()) / rest if rest else 0.0),
        squares=(squares[0], squares[1], squares[2], float((w * w)[lacks].sum()) / rest if rest else 0.0),
        evidence=evidence,
    )
