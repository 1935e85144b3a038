"""Area under the ROC curve by ranks, and the points of ROC and precision-recall curves."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, Labels, checked_cases

SAMPLE = 1000  # scores that are looked at to guess whether scores repeat
MOST_BINS = 1 << 18  # so many bins fit into a processor's cache


@dataclass(frozen=True)
class TiedCounts:
    """Known cases of one finding by distinct score.

    Attributes:
        score: (G,) distinct scores, rising.
        present: (G,) int64, number of present cases with this score.
        absent: (G,) int64, number of absent cases with this score.
    """

    score: FloatArray
    present: IntArray
    absent: IntArray


@dataclass(frozen=True)
class Placements:
    """Twice the number of cases of the other class that a case beats (so that ties are whole numbers).

    Attributes:
        of_present: (P,) int64, twice the absent cases below it plus those that tie.
        present: (P,) int64, number of present cases with this placement.
        of_absent: (A,) int64, twice the present cases above it plus those that tie.
        absent: (A,) int64, number of absent cases with this placement.
    """

    of_present: IntArray
    present: IntArray
    of_absent: IntArray
    absent: IntArray

    def area(self) -> float:
        """The area under the ROC curve, from whole numbers."""
        return int(np.dot(self.of_present, self.present)) / (2 * int(self.present.sum()) * int(self.absent.sum()))


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the strictest threshold to the most lenient.

    Attributes:
        x: (G + 1,) false positive rate, or recall.
        y: (G + 1,) true positive rate, or precision.
        threshold: (G + 1,) a case is called present if its score is at least this. The first is infinity and calls no
            case; if scores are plus infinity, the second is infinity too and calls those.
    """

    x: FloatArray
    y: FloatArray
    threshold: FloatArray


def auc(score: ArrayLike, label: ArrayLike) -> float:
    """Area under the ROC curve: the share of pairs in which the present case scores higher; ties count half.

    Exact, as pairs are counted in integers. Source: Mann and Whitney's U statistic.

    Example:
        >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])  # three pairs right and one tied of four
        0.875

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).

    Returns:
        In [0, 1]; NaN if no known case is present or none is absent.

    Raises:
        ValueError: The shapes differ, a score is NaN, or a label lies between 0 and 1.
    """
    return _auc(*checked_cases(score, label, 1))


def auc_per_finding(score: ArrayLike, label: ArrayLike) -> FloatArray:
    """``auc`` of every finding: (N, C) in, (C,) out. Unknown labels are left out finding by finding.

    Example:
        >>> auc_per_finding([[0.1, 5], [0.4, 3], [0.8, 4]], [[0, 0], [1, 1], [-1, 1]]).tolist()
        [1.0, 0.0]
    """
    values, labels = checked_cases(score, label, 2)
    return np.array([_auc(*column) for column in zip(values.T, labels.columns, strict=True)], dtype=np.float64)


def roc_curve(score: ArrayLike, label: ArrayLike) -> Curve:
    """The ROC curve of scores and labels (N,): x is 1 - specificity, y sensitivity.

    Example:
        >>> curve = roc_curve([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
        >>> curve.x.tolist(), curve.y.tolist()
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])

    Returns:
        The origin and a point for every distinct score; a rate without cases is NaN.
    """
    threshold, present, absent = called_counts(score, label)
    return Curve(quotient(absent, absent[-1]), quotient(present, present[-1]), threshold)


def precision_recall_curve(score: ArrayLike, label: ArrayLike) -> Curve:
    """The precision-recall curve of scores and labels (N,): x is recall, y precision.

    Example:
        >>> curve = precision_recall_curve([0.1, 0.4, 0.8], [1, 0, 1])
        >>> curve.x.tolist(), curve.y.round(2).tolist()
        ([0.0, 0.5, 0.5, 1.0], [1.0, 1.0, 0.5, 0.67])

    Returns:
        Recall 0 with precision 1 by convention, then a point for every distinct score. Recall is NaN if no case is
        present.
    """
    threshold, present, absent = called_counts(score, label)
    precision = quotient(present, present + absent)
    precision[0] = 1.0
    return Curve(quotient(present, present[-1]), precision, threshold)


def called_counts(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, IntArray, IntArray]:
    """Thresholds (G + 1,) falling from infinity, and the numbers of present and absent cases that each calls, int64.

    These are what ``roc_curve`` divides. To compare shares of cases exactly, compare counts.
    """
    values, labels = checked_cases(score, label, 1)
    tied = tied_counts(values, labels)
    threshold = np.concatenate([[np.inf], tied.score[::-1]])
    present = np.concatenate([[0], np.cumsum(tied.present[::-1])])
    absent = np.concatenate([[0], np.cumsum(tied.absent[::-1])])
    return threshold, present, absent


def tied_counts(score: FloatArray, labels: Labels) -> TiedCounts:
    """Count checked cases (N,) by distinct score; unknown cases are dropped."""
    known = labels.known
    score, present = score[known], labels.present[known]
    counted = _counted(score, present)
    if counted is not None:
        return counted.groups
    order = np.argsort(score)
    ordered, total_present = score[order], np.cumsum(present[order])
    ends = np.flatnonzero(np.concatenate([ordered[1:] != ordered[:-1], np.ones(min(1, ordered.size), dtype=bool)]))
    group_present = np.diff(total_present[ends], prepend=0)
    return TiedCounts(ordered[ends], group_present, np.diff(ends, prepend=-1) - group_present)


class _Counted(NamedTuple):
    """Cases by distinct score: the bins that hold one, and the bin of each known case."""

    groups: TiedCounts
    used: IntArray
    number: IntArray


def placements(score: FloatArray, labels: Labels) -> Placements:
    """Place checked cases (N,) of each class among those of the other; unknown cases are dropped.

    Scores that repeat are counted. Otherwise each class is sorted alone, which is faster than sorting all cases.
    """
    known = labels.known
    counted = _counted(score[known], labels.present[known])
    if counted is not None:
        groups = counted.groups
        below, above = _among_groups(groups)
        return Placements(below, groups.present, above, groups.absent)
    below, above = _among_sorted(np.sort(score[labels.present]), np.sort(score[labels.absent]))
    return Placements(below, np.ones_like(below), above, np.ones_like(above))


def case_placements(score: FloatArray, is_present: BoolArray) -> FloatArray:
    """``placements`` of each of N known cases, whole numbers as float64, for sums by patient."""
    counted = _counted(score, is_present)
    if counted is not None:
        of_bin = np.zeros((int(counted.used[-1]) + 1, 2))
        of_bin[counted.used, 1], of_bin[counted.used, 0] = _among_groups(counted.groups)
        return np.asarray(of_bin.ravel()[2 * counted.number + is_present])
    present, absent = np.flatnonzero(is_present), np.flatnonzero(~is_present)
    present, absent = present[np.argsort(score[present])], absent[np.argsort(score[absent])]
    placed = np.empty(len(score))
    placed[present], placed[absent] = _among_sorted(score[present], score[absent])
    return placed


def _among_groups(groups: TiedCounts) -> tuple[IntArray, IntArray]:
    """Twice the absent cases below each distinct score, and the present ones above it, plus those that tie."""
    not_above = 2 * np.cumsum(groups.present) - groups.present
    return 2 * np.cumsum(groups.absent) - groups.absent, 2 * int(groups.present.sum()) - not_above


def _among_sorted(present: FloatArray, absent: FloatArray) -> tuple[IntArray, IntArray]:
    """Twice the absent cases below each present score, and the present ones above each absent score, plus ties."""
    left, right = (np.searchsorted(absent, present, side=side) for side in ("left", "right"))
    steps = np.bincount(left, minlength=len(absent) + 1) + np.bincount(right, minlength=len(absent) + 1)
    return left + right, 2 * len(present) - np.cumsum(steps)[:-1]


def _counted(score: FloatArray, present: BoolArray) -> _Counted | None:
    """Cases by distinct score without sorting; None unless scores repeat and lie far enough apart.

    Scores are put into even bins from the lowest to the highest. If every bin holds one distinct score, bins in order
    are scores in order.
    """
    sample = score[:: max(1, len(score) // SAMPLE)]
    if not (len(sample) > 1 and len(np.unique(sample)) < 0.9 * len(sample)):
        return None  # scores seldom repeat: sorting is faster
    low, high = float(score.min()), float(score.max())
    bins = min(2 * len(score), MOST_BINS)
    scale = (bins - 1) / (high - low) if 0 < high - low < np.inf else np.inf
    if not scale < np.inf:  # constant or infinite scores, or scores that differ by less than 1e-302
        return None
    number = ((score - low) * scale).astype(np.int64)
    in_bin = np.full(bins, low)
    in_bin[number] = score
    if not np.array_equal(in_bin[number], score):
        return None
    total, of_present = np.bincount(number, minlength=bins), np.bincount(number[present], minlength=bins)
    used = np.flatnonzero(total)
    return _Counted(TiedCounts(in_bin[used], of_present[used], total[used] - of_present[used]), used, number)


def quotient(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """``part / whole``, NaN where the whole is not above 0; the whole is broadcast to the part.

    Example:
        >>> quotient(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
        [0.5, nan]
    """
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _auc(score: FloatArray, labels: Labels) -> float:
    if not labels.present.any() or not labels.absent.any():
        return float("nan")
    return placements(score, labels).area()
