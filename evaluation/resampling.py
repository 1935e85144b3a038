"""Bootstrap by patient: patients are drawn with all their cases, so that several images of one do not count as several.

Resampling is done by weights: drawing P patients with replacement gives each a multinomial weight, and every statistic
here is one of weighted sums, so nothing is copied or sorted again. Ranked scores are sorted once a finding and
their weights summed between the scores of present cases.

Source: Field and Welsh, "Bootstrapping clustered data", 2007 (the cluster bootstrap); limits are percentiles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    Interval,
    checked_cases,
    require_dimensions,
)
from evaluation.patients import patient_numbers

REPLICATES_AT_ONCE = 32  # rows of 32 numbers are gathered at the speed of memory and still fit the cache


@dataclass(frozen=True)
class Bootstrap:
    """Replicates of C statistics drawn together, so that differences and means of them are replicates as well.

    Attributes:
        value: (C,) on the cases themselves.
        replicates: (R, C); NaN where a replicate drew no case of a class.
    """

    value: FloatArray
    replicates: FloatArray

    @property
    def undefined(self) -> IntArray:
        """(C,) replicates that are NaN and left out of the intervals."""
        return np.isnan(self.replicates).sum(axis=0)

    def intervals(self, level: float = 0.95) -> tuple[Interval, ...]:
        """Percentile interval of each statistic, NaN where none of its replicates is defined."""
        tails = 50 * (1 - level), 50 * (1 + level)
        limits = []
        for value, column in zip(self.value.tolist(), self.replicates.T, strict=True):
            defined = column[~np.isnan(column)]
            lower, upper = np.percentile(defined, tails).tolist() if defined.size else (np.nan, np.nan)
            limits.append(Interval(value, lower, upper))
        return tuple(limits)

    def minus(self, other: "Bootstrap") -> "Bootstrap":
        """Differences; ``other`` must have been drawn with the same patients, replicates and seed."""
        return Bootstrap(self.value - other.value, self.replicates - other.replicates)

    def macro(self) -> "Bootstrap":
        """The mean over statistics that have a value, as one statistic."""
        kept = ~np.isnan(self.value)
        if not kept.any():
            return Bootstrap(np.array([np.nan]), np.full((len(self.replicates), 1), np.nan))
        mean = self.replicates[:, kept].mean(axis=1, keepdims=True)
        return Bootstrap(self.value[kept].mean(keepdims=True), mean)


def bootstrap_auc(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Area under the ROC curve of every finding, resampled by patient.

    Args:
        score: (N, C) real; plus and minus infinity are legal ranks.
        label: (N, C) 1 present, 0 absent, negative or NaN unknown (left out finding by finding).
        patient: (N,) names or numbers; None when every case is a patient of its own.
        replicates: how many.
        seed: the same seed, replicates and patients draw the same samples, whatever the scores.
    """
    return _bootstrap_ranks(_auc, score, label, patient, (replicates, seed))


def bootstrap_average_precision(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Average precision of every finding, resampled by patient; arguments as for ``bootstrap_auc``."""
    return _bootstrap_ranks(_average_precision, score, label, patient, (replicates, seed))


def bootstrap_mean(
    value: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Means over cases, such as Dice over images, resampled by patient.

    Args:
        value: (N, C); NaN is left out.
        patient: (N,) or None.
        replicates: how many.
        seed: see ``bootstrap_auc``.
    """
    values = np.asarray(value, dtype=np.float64)
    known = ~np.isnan(values)
    return bootstrap_ratio(np.where(known, values, 0.0), known, patient, replicates, seed)


def bootstrap_ratio(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Ratios of sums over cases, resampled by patient.

    The aggregated Dice is one: ``part`` is twice the intersection and ``whole`` the sum of areas.

    Args:
        part: (N, C).
        whole: (N, C), not negative; a replicate whose sum is 0 is undefined.
        patient: (N,) or None.
        replicates: how many.
        seed: see ``bootstrap_auc``.
    """
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    require_dimensions(parts, 2, "values")
    patients, number = patient_numbers(patient, len(parts))
    sums = [np.zeros((patients, parts.shape[1])) for _ in range(2)]
    for total, source in zip(sums, (parts, wholes), strict=True):
        np.add.at(total, number, source)
    ones = np.ones((1, patients))
    drawn = [_quotient(w.T @ sums[0], w.T @ sums[1]) for w in patient_weights(patients, replicates, seed)]
    return Bootstrap(_quotient(ones @ sums[0], ones @ sums[1])[0], np.concatenate(drawn))


def patient_weights(patients: int, replicates: int, seed: int) -> Iterator[FloatArray]:
    """How often each patient is drawn: parts (patients, up to 32) of all replicates; columns sum to ``patients``."""
    if replicates < 1:
        raise ValueError(f"a bootstrap needs 1 replicate or more, not {replicates}")
    generator = np.random.default_rng(seed)
    for start in range(0, replicates, REPLICATES_AT_ONCE):
        count = min(REPLICATES_AT_ONCE, replicates - start)
        drawn = generator.integers(0, patients, size=(count, patients))
        drawn += (np.arange(count) * patients)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * patients).reshape(count, patients)
        yield np.ascontiguousarray(weights.T, dtype=np.float64)


@dataclass(frozen=True)
class _Ranked:
    """One finding, sorted once. Groups are the distinct scores of present cases, rising."""

    present: IntArray  # patients of present cases by rising score
    present_starts: IntArray  # where each group starts among them
    absent: IntArray  # patients of absent cases by rising score
    absent_starts: IntArray  # where absent cases are parted so that every group's limits are limits of parts
    below: IntArray  # for each group, how many of those parts lie below its score
    upto: IntArray  # and how many do not lie above it


@dataclass(frozen=True)
class _Sums:
    """Weights of one finding: (groups, r) present cases, absent ones below each group and up to it, (r,) all absent."""

    present: FloatArray
    below: FloatArray
    upto: FloatArray
    absent: FloatArray


def _bootstrap_ranks(
    statistic: Callable[[_Sums], FloatArray],
    score: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None,
    draws: tuple[int, int],
) -> Bootstrap:
    values, labels = checked_cases(score, label)
    require_dimensions(values, 2, "score")
    patients, number = patient_numbers(patient, len(values))
    columns = zip(values.T, labels.present.T, labels.absent.T, strict=True)
    ranked = [_ranked(s, p, a, number) for s, p, a in columns]
    rows = [
        np.stack([_statistic(statistic, finding, weights) for finding in ranked], axis=1)
        for weights in patient_weights(patients, *draws)
    ]
    ones = np.ones((patients, 1))
    value = np.array([_statistic(statistic, finding, ones)[0] for finding in ranked])
    return Bootstrap(value, np.concatenate(rows))


def _ranked(score: FloatArray, present: BoolArray, absent: BoolArray, number: IntArray) -> _Ranked | None:
    """None where a class is missing."""
    if not present.any() or not absent.any():
        return None
    present_order, absent_order = _by_score(score, present), _by_score(score, absent)
    ranks, sorted_absent = score[present_order], score[absent_order]
    groups = np.flatnonzero(np.concatenate([[True], ranks[1:] != ranks[:-1]]))
    left = np.searchsorted(sorted_absent, ranks[groups], side="left")
    right = np.searchsorted(sorted_absent, ranks[groups], side="right")
    cuts = np.unique(np.concatenate([[0], left, right]))
    below, upto = np.searchsorted(cuts, left), np.searchsorted(cuts, right)
    return _Ranked(number[present_order], groups, number[absent_order], cuts[cuts < len(sorted_absent)], below, upto)


def _by_score(score: FloatArray, chosen: BoolArray) -> AnyArray:
    index = np.flatnonzero(chosen)
    return index[np.argsort(score[index])]


def _statistic(statistic: Callable[[_Sums], FloatArray], finding: _Ranked | None, weights: FloatArray) -> FloatArray:
    """(P, r) weights in, (r,) out."""
    if finding is None:
        return np.full(weights.shape[1], np.nan)
    present = np.add.reduceat(np.take(weights, finding.present, axis=0), finding.present_starts, axis=0)
    parts = np.add.reduceat(np.take(weights, finding.absent, axis=0), finding.absent_starts, axis=0)
    running = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(parts, axis=0)])
    return statistic(_Sums(present, running[finding.below], running[finding.upto], running[-1]))


def _auc(sums: _Sums) -> FloatArray:
    pairs = np.einsum("gr,gr->r", sums.present, sums.below + sums.upto)
    return _quotient(pairs, 2 * sums.present.sum(axis=0) * sums.absent)


def _average_precision(sums: _Sums) -> FloatArray:
    called_present = np.cumsum(sums.present[::-1], axis=0)[::-1]
    precision = _quotient(called_present, called_present + sums.absent - sums.below)
    won = np.einsum("gr,gr->r", sums.present, np.nan_to_num(precision))
    return _quotient(won, called_present[0])


def _quotient(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
