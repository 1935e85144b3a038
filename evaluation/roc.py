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
    threshold, called_present, called_absent = _called(score, label)
    x, y = _share(called_absent, called_absent[-1]), _share(called_present, called_present[-1])
    return Curve(x, y, threshold)


def precision_recall_curve(score: ArrayLike, label: ArrayLike) -> Curve:
    """Points of the precision-recall curve: x is recall, y precision.

    Args:
        score: (N,) as for ``auc``.
        label: (N,) as for ``auc``.

    Returns:
        One point for every distinct score, and first recall 0 with precision 1 by convention. Recall is NaN when no
        case is present.
    """
    threshold, called_present, called_absent = _called(score, label)
    precision = _share(called_present, called_present + called_absent)
    precision[0] = 1.0
    return Curve(_share(called_present, called_present[-1]), precision, threshold)


def tied_counts(score: FloatArray, present: BoolArray, absent: BoolArray) -> TiedCounts:
    """Sort checked cases (N,) once and merge equal scores; unknown cases are dropped."""
    known = present | absent
    if not known.all():
        score, present = score[known], present[known]
    order = np.argsort(score)
    ordered, found = score[order], np.cumsum(present[order])
    ends = np.flatnonzero(ordered[1:] != ordered[:-1])
    ends = np.append(ends, ordered.size - 1) if ordered.size else ends
    total = found[ends]
    group_present = np.diff(total, prepend=0)
    group_size = np.diff(ends, prepend=-1)
    return TiedCounts(ordered[ends], group_present, group_size - group_present)


def _auc(score: FloatArray, present: BoolArray, absent: BoolArray) -> float:
    tied = tied_counts(score, present, absent)
    n_present, n_absent = int(tied.present.sum()), int(tied.absent.sum())
    if n_present == 0 or n_absent == 0:
        return float("nan")
    twice_below = 2 * np.cumsum(tied.absent) - tied.absent
    return int(np.dot(tied.present, twice_below)) / (2 * n_present * n_absent)


def _called(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, IntArray, IntArray]:
    """Thresholds falling from infinity, with the present and absent cases called at each."""
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    tied = tied_counts(values, labels.present, labels.absent)
    threshold = np.concatenate([[np.inf], tied.score[::-1]])
    present = np.concatenate([[0], np.cumsum(tied.present[::-1])])
    absent = np.concatenate([[0], np.cumsum(tied.absent[::-1])])
    return threshold, present, absent


def _share(part: IntArray, whole: IntArray) -> FloatArray:
    """``part / whole``, NaN where the whole is empty."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
