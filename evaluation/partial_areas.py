"""The area under a part of the ROC curve, with intervals and paired tests that take the cases of a patient together.

Areas follow the straight lines between the points of the curve, also within ties and at the ends of the range (as R's
pROC does). Their variance is that of DeLong, limited to the range: a case counts for how much the partial area changes
with its weight, which includes that the ends of the range move along the curve with the cases. Over the whole range
this is DeLong's variance again.

Sources: McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9, 1989; He and Escobar,
"Nonparametric statistical inference method for partial areas under receiver operating characteristic curves, with
application to genomic studies", Statistics in Medicine 27, 2008.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.area_limits import freedom_and_model, satterthwaite
from evaluation.auc_tests import NO_VARIANCE, difference_interval, rank_alike
from evaluation.cases import UNDEFINED, Counts, FloatArray, Interval, Labels, checked_cases
from evaluation.distributions import exact_interval, t_quantile, t_two_sided_p
from evaluation.logits import logit_of, probability
from evaluation.patients import counted, patient_numbers
from evaluation.roc import tied_counts

Range = tuple[float, float]


@dataclass(frozen=True)
class PartialArea:
    """The area under the ROC curve over a range of specificities, or beside it over one of sensitivities.

    Attributes:
        mean: The mean sensitivity over the range (or specificity): the area over the width of the range.
        area: The area itself.
        standardised: McClish's: 0.5 for the diagonal and 1 for a perfect score, whatever the range.
        counts: Present, absent and unknown cases, and their patients.
    """

    mean: Interval
    area: Interval
    standardised: Interval
    counts: Counts


@dataclass(frozen=True)
class PartialAreaComparison:
    """Two partial areas of the same cases and the test of their difference.

    Attributes:
        first: Area A.
        second: Area B.
        difference: A - B of the means over the range, with its interval.
        p: Two-sided; 1 for scores that rank alike or have the same influence in every case, NaN if undefined.
    """

    first: PartialArea
    second: PartialArea
    difference: Interval
    p: float


def partial_auc(
    score: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None = None,
    specificity: Range = (0.9, 1.0),
    level: float = 0.95,
) -> PartialArea:
    """Area under the ROC curve over a range of specificities.

    Example:
        >>> score, label = [1, 2, 3, 3, 4, 5, 5, 6], [0, 0, 0, 1, 1, 1, 0, 1]
        >>> result = partial_auc(score, label, specificity=(0.9, 0.95))  # pROC: 0.01625
        >>> round(result.area.value, 5), round(result.mean.value, 3), round(result.standardised.value, 3)
        (0.01625, 0.325, 0.635)

    Args:
        score: (N,) real.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) or None; the cases of a patient are taken together.
        specificity: The lower and the upper end of the range.
        level: Confidence.

    Returns:
        Limits are Student's on the logit scale of the mean; if its variance says nothing (a mean of 0 or 1, one patient
        of a class), Clopper and Pearson's for as many trials as the rarer class has patients. NaN if a class is
        missing.

    Raises:
        ValueError: The range is empty or leaves [0, 1], or as for ``auc_interval``.
    """
    values, labels = checked_cases(score, label, 1)
    return _measured(_part(values, labels, patient, specificity), specificity, level)


def partial_auc_of_sensitivities(
    score: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None = None,
    sensitivity: Range = (0.9, 1.0),
    level: float = 0.95,
) -> PartialArea:
    """Area beside the ROC curve over a range of sensitivities: the specificity, summed over it.

    Other arguments as for ``partial_auc``.

    Example:
        >>> score, label = [1, 2, 3, 3, 4, 5, 5, 6], [0, 0, 0, 1, 1, 1, 0, 1]
        >>> round(partial_auc_of_sensitivities(score, label, sensitivity=(0.9, 0.95)).area.value, 5)  # as in pROC
        0.02875
    """
    values, labels = checked_cases(score, label, 1)
    # Seen from the other class, sensitivities are specificities.
    result = _measured(_part(-values, Labels(labels.absent, labels.present), patient, sensitivity), sensitivity, level)
    return PartialArea(result.mean, result.area, result.standardised, counted(labels, patient))


def compare_partial_auc(
    first: ArrayLike,
    second: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None = None,
    specificity: Range = (0.9, 1.0),
    level: float = 0.95,
) -> PartialAreaComparison:
    """Test whether two scores of the same cases differ in their partial area; over the whole range it is DeLong's test.

    Other arguments as for ``partial_auc``; negate the scores and swap the labels for a range of sensitivities.

    Example:
        >>> label, score = np.arange(20) % 2, np.arange(20)
        >>> round(compare_partial_auc(score + 8 * label, score, label, specificity=(0.5, 1)).p, 3)
        0.002
    """
    labels = checked_cases(first, label, 1)[1]
    scores = [checked_cases(side, label, 1)[0] for side in (first, second)]
    one, two = (_part(score, labels, patient, specificity) for score in scores)
    value, change = one.mean - two.mean, one.influence - two.influence
    variance = float(np.square(change).sum())
    difference, p = Interval(value, math.nan, math.nan), math.nan
    if variance > NO_VARIANCE:
        freedom = satterthwaite(np.square(one.by_class - two.by_class).sum(axis=1).tolist(), one.freedom)
        difference = difference_interval(value, variance, level, freedom)
        p = t_two_sided_p(value / math.sqrt(variance), freedom)
    elif value == 0 and (not math.isnan(variance) or rank_alike(*(score[labels.known] for score in scores))):
        difference, p = Interval(0.0, 0.0, 0.0), 1.0
    a, b = (_measured(part, specificity, level) for part in (one, two))
    return PartialAreaComparison(a, b, difference, p)


@dataclass(frozen=True)
class _Part:
    """The mean over a range, what each patient adds to it by present and by absent cases (2, P), and the cases."""

    mean: float
    by_class: FloatArray
    freedom: tuple[float, float]
    counts: Counts

    @property
    def influence(self) -> FloatArray:
        return np.asarray(self.by_class.sum(axis=0))


def _part(score: FloatArray, labels: Labels, patient: ArrayLike | None, specificity: Range) -> _Part:
    low, high = specificity
    if not 0 <= low < high <= 1:
        raise ValueError(f"a range lies within [0, 1] and its lower end comes first, unlike {low} to {high}")
    patients, number = patient_numbers(patient, len(score))
    counts = counted(labels, patient)
    if not counts.present or not counts.absent:
        return _Part(math.nan, np.full((2, patients), math.nan), (math.nan, math.nan), counts)
    tied = tied_counts(score, labels)
    # Of each distinct score, falling: the false and true positive rates before and after it.
    absent, present = (np.concatenate([[0], np.cumsum(x[::-1])]) for x in (tied.absent, tied.present))
    curve = _Curve(absent / counts.absent, present / counts.present)
    ends = 1 - high, 1 - low
    width = ends[1] - ends[0]
    mean = float(curve.area(ends[1]) - curve.area(ends[0])) / width
    group = len(tied.score) - 1 - np.searchsorted(tied.score, score)
    parts, freedom = [], []
    for chosen, adds in ((labels.present, curve.of_present(*ends)), (labels.absent, curve.of_absent(*ends))):
        each, owner = adds[group[chosen]] / width, number[chosen]
        sizes = np.bincount(owner)
        owners = int(np.count_nonzero(sizes))
        summed = np.bincount(owner, weights=each - each.mean(), minlength=patients)
        # Deviations from a mean sum to 0: those of a class held by a single patient would pass for no variance.
        scale = owners / (owners - 1) if owners > 1 else math.nan
        parts.append(summed * (math.sqrt(scale) / len(each)))
        freedom.append(freedom_and_model(sizes)[0])
    return _Part(mean, np.stack(parts), (freedom[0], freedom[1]), counts)


@dataclass(frozen=True)
class _Curve:
    """An ROC curve: (G + 1,) false and true positive rates, rising; group g lies between points g and g + 1."""

    false: FloatArray
    true: FloatArray

    def height(self, x: FloatArray | float) -> FloatArray:
        """The true positive rate at false positive rates; the highest where the curve rises."""
        after = np.clip(np.searchsorted(self.false, x, side="right"), 1, len(self.false) - 1)
        run = self.false[after] - self.false[after - 1]
        part = np.divide(x - self.false[after - 1], run, out=np.ones_like(run), where=run > 0)
        return np.asarray(self.true[after - 1] + np.clip(part, 0, 1) * (self.true[after] - self.true[after - 1]))

    def area(self, x: FloatArray | float) -> FloatArray:
        """The area to the left of false positive rates."""
        steps = np.diff(self.false) * (self.true[1:] + self.true[:-1]) / 2
        upto = np.concatenate([[0.0], np.cumsum(steps)])
        last = np.searchsorted(self.false, x, side="right") - 1
        rest = (x - self.false[last]) * (self.true[last] + self.height(x)) / 2
        return np.asarray(upto[last] + rest)

    def of_present(self, start: float, end: float) -> FloatArray:
        """(G,) the part of the range in which a present case of each group is found."""

        def found(upto: float) -> FloatArray:
            left, right = self.false[:-1], self.false[1:]
            inside, run = np.clip(upto, left, right) - left, right - left
            within = np.divide(inside**2, 2 * run, out=np.zeros_like(run), where=run > 0)
            return np.asarray(within + np.maximum(upto - right, 0))

        return found(end) - found(start)

    def of_absent(self, start: float, end: float) -> FloatArray:
        """(G,) how much an absent case of each group lowers the area: the rises between it and the ends."""

        def lowered(upto: float) -> FloatArray:
            left, right = np.minimum(self.false[:-1], upto), np.minimum(self.false[1:], upto)
            lost = self.area(right) - self.area(left) - self.height(upto) * (right - left)
            run = np.diff(self.false)
            return np.divide(lost, run, out=np.zeros_like(run), where=run > 0)

        return lowered(end) - lowered(start)


def _measured(part: _Part, specificity: Range, level: float) -> PartialArea:
    start, end = 1 - specificity[1], 1 - specificity[0]
    width, diagonal = end - start, (end**2 - start**2) / 2
    mean = _mean_interval(part, level)
    area, standardised = (
        Interval(*(convert(each * width) for each in (mean.value, mean.lower, mean.upper)))
        for convert in (float, lambda x: 0.5 * (1 + (x - diagonal) / (width - diagonal)))
    )
    return PartialArea(mean, area, standardised, part.counts)


def _mean_interval(part: _Part, level: float) -> Interval:
    if math.isnan(part.mean):
        return UNDEFINED
    variance = float(np.square(part.influence).sum())
    trials = min(part.counts.present_patients, part.counts.absent_patients)
    if not variance > NO_VARIANCE or not 0 < part.mean < 1:
        limits = exact_interval(part.mean * trials, trials, level)
        return Interval(part.mean, limits.lower, limits.upper)
    reach = t_quantile(level, trials - 1) * math.sqrt(variance) / (part.mean * (1 - part.mean))
    lower, upper = probability(logit_of(part.mean) + np.array([-reach, reach])).tolist()
    return Interval(part.mean, lower, upper)
