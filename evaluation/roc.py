"""Area under the ROC curve by ranks, and the points of ROC and precision-recall curves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    BoolArray,
    FloatArray,
    IntArray,
    checked_cases,
    require_dimensions,
)

FEW = 1000  # scores looked at to guess whether scores repeat
MOST_BINS = 1 << 18  # bins of 2 MiB fit the cache


@dataclass(frozen=True)
class TiedCounts:
    """Known cases of one finding, sorted by score and merged where scores are equal.

    Attributes:
        score: (G,) distinct scores, rising.
        present: (G,) int64, present cases with this score.
        absent: (G,) int64, absent cases with this score.
    """

    score: FloatArray
    present: IntArray
    absent: IntArray


@dataclass(frozen=True)
class Placements:
    """How many cases of the other class a case beats, doubled so that ties are whole; equal cases may be merged.

    Attributes:
        of_present: (P,) int64, twice the absent cases below it plus those that tie.
        present: (P,) int64, how many present cases that is.
        of_absent: (A,) int64, twice the present cases above it plus those that tie.
        absent: (A,) int64, how many absent cases that is.
    """

    of_present: IntArray
    present: IntArray
    of_absent: IntArray
    absent: IntArray

    def wins(self) -> int:
        """Twice the pairs in which the present case scores higher, plus the ties."""
        return int(np.dot(self.of_present, self.present))


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the strictest threshold to the laxest.

    Attributes:
        x: (G + 1,) false positive rate, or recall.
        y: (G + 1,) true positive rate, or precision.
        threshold: (G + 1,) a case is called present when its score >= threshold; the first, infinity, calls none
            (cases of score plus infinity are called at the second point, whose threshold is infinity as well).
    """

    x: FloatArray
    y: FloatArray
    threshold: FloatArray


def auc(score: ArrayLike, label: ArrayLike) -> float:
    """Area under the ROC curve: the share of pairs in which the present case scores higher, ties counting half.

    Exact: pairs are counted in integers. Source: Mann and Whitney's U statistic.

    Args:
        score: (N,) real; plus and minus infinity are legal ranks.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).

    Returns:
        In [0, 1]; NaN when no known case is present or none is absent.

    Raises:
        ValueError: shapes differ, a score is NaN, or a label lies between 0 and 1.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    return _auc(values, labels.present, labels.absent)


def auc_per_finding(score: ArrayLike, label: ArrayLike) -> FloatArray:
    """Area under the ROC curve of every finding.

    Args:
        score: (N, C) as for ``auc``.
        label: (N, C) as for ``auc``; unknown labels are left out finding by finding.

    Returns:
        (C,) in [0, 1], NaN where one class is missing.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 2, "score")
    columns = zip(values.T, labels.present.T, labels.absent.T, strict=True)
    return np.array([_auc(*column) for column in columns], dtype=np.float64)


def roc_curve(score: ArrayLike, label: ArrayLike) -> Curve:
    """Points of the ROC curve: x is 1 - specificity, y sensitivity.

    Args:
        score: (N,) as for ``auc``.
        label: (N,) as for ``auc``.

    Returns:
        One point for every distinct score and the origin; a rate without cases is NaN.
    """
    threshold, called_present, called_absent = called_counts(score, label)
    x, y = _share(called_absent, called_absent[-1]), _share(called_present, called_present[-1])
    return Curve(x, y, threshold)


def called_counts(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, IntArray, IntArray]:
    """Thresholds (G + 1,) falling from infinity, and how many present and absent cases each calls, int64.

    What ``roc_curve`` divides: to compare shares of cases exactly, compare counts.

    Args:
        score: (N,) as for ``auc``.
        label: (N,) as for ``auc``.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    tied = tied_counts(values, labels.present, labels.absent)
    threshold = np.concatenate([[np.inf], tied.score[::-1]])
    present = np.concatenate([[0], np.cumsum(tied.present[::-1])])
    absent = np.concatenate([[0], np.cumsum(tied.absent[::-1])])
    return threshold, present, absent


def precision_recall_curve(score: ArrayLike, label: ArrayLike) -> Curve:
    """Points of the precision-recall curve: x is recall, y precision.

    Args:
        score: (N,) as for ``auc``.
        label: (N,) as for ``auc``.

    Returns:
        One point for every distinct score, and first recall 0 with precision 1 by convention. Recall is NaN when no
        case is present.
    """
    threshold, called_present, called_absent = called_counts(score, label)
    precision = _share(called_present, called_present + called_absent)
    precision[0] = 1.0
    return Curve(_share(called_present, called_present[-1]), precision, threshold)


def tied_counts(score: FloatArray, present: BoolArray, absent: BoolArray) -> TiedCounts:
    """Sort checked cases (N,) once and merge equal scores; unknown cases are dropped."""
    known = present | absent
    if not known.all():
        score, present = score[known], present[known]
    counted = _counted(score, present)
    if counted is not None:
        return counted
    order = np.argsort(score)
    ordered, found = score[order], np.cumsum(present[order])
    ends = np.flatnonzero(np.concatenate([ordered[1:] != ordered[:-1], np.ones(min(1, ordered.size), dtype=bool)]))
    group_present = np.diff(found[ends], prepend=0)
    return TiedCounts(ordered[ends], group_present, np.diff(ends, prepend=-1) - group_present)


def placements(score: FloatArray, present: BoolArray, absent: BoolArray) -> Placements:
    """Count for every checked case of one class how many of the other it beats; unknown cases are dropped.

    Scores that repeat are counted, not sorted; otherwise each class is sorted alone, which is faster than one order of
    all cases, and the smaller one is placed in the larger.
    """
    known = present | absent
    counted = _counted(score[known], present[known])
    if counted is not None:
        not_above = 2 * np.cumsum(counted.present) - counted.present
        above = 2 * int(counted.present.sum()) - not_above
        below = 2 * np.cumsum(counted.absent) - counted.absent
        return Placements(below, counted.present, above, counted.absent)
    found, others = np.sort(score[present]), np.sort(score[absent])
    left, right = (np.searchsorted(others, found, side=side) for side in ("left", "right"))
    steps = np.bincount(left, minlength=len(others) + 1) + np.bincount(right, minlength=len(others) + 1)
    above = 2 * len(found) - np.cumsum(steps)[:-1]
    return Placements(left + right, np.ones_like(left), above, np.ones_like(above))


def _counted(score: FloatArray, present: BoolArray) -> TiedCounts | None:
    """Cases by score without sorting, where scores repeat and lie far enough apart; None where they do not.

    Scores are put into even bins from the lowest to the highest. If every bin holds one distinct score, bins in order
    are scores in order.
    """
    if not _repeats(score):
        return None
    low, high = float(score.min()), float(score.max())
    bins = min(2 * len(score), MOST_BINS)
    scale = (bins - 1) / (high - low) if 0 < high - low < np.inf else np.inf
    if not scale < np.inf:  # constant or infinite scores, or such as differ by less than 1e-302
        return None
    place = ((score - low) * scale).astype(np.int64)
    held = np.full(bins, low)
    held[place] = score
    if not np.array_equal(held[place], score):
        return None
    total, found = np.bincount(place, minlength=bins), np.bincount(place[present], minlength=bins)
    used = np.flatnonzero(total)
    return TiedCounts(held[used], found[used], total[used] - found[used])


def _repeats(score: FloatArray) -> bool:
    """Whether scores occur twice among a few, taken evenly: a guess that costs little and decides on speed alone."""
    some = score[:: max(1, len(score) // FEW)]
    return len(some) > 1 and len(np.unique(some)) < 0.9 * len(some)


def _auc(score: FloatArray, present: BoolArray, absent: BoolArray) -> float:
    m, n = int(present.sum()), int(absent.sum())
    if not m or not n:
        return float("nan")
    return placements(score, present, absent).wins() / (2 * m * n)


def _share(part: IntArray, whole: IntArray) -> FloatArray:
    """``part / whole``, NaN where the whole is empty."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
