"""Bootstrap by patient: patients are drawn with all their cases, so that several images of one do not count as several.

Resampling is done by weights: drawing P patients with replacement gives each a multinomial weight, and every statistic
here is one of weighted sums, so nothing is copied. The scores of a finding are sorted once, and their weights summed
between the scores of present cases.

Source: Field and Welsh, "Bootstrapping clustered data", 2007 (the cluster bootstrap). Limits are percentiles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray, Interval, Labels, checked_cases, require_dimensions
from evaluation.distributions import require_level
from evaluation.patients import patient_numbers
from evaluation.roc import quotient

REPLICATES_AT_ONCE = 32  # rows of 32 numbers are gathered at the speed of memory and still fit into the cache


@dataclass(frozen=True)
class Bootstrap:
    """Replicates of C statistics drawn together, so that their differences are replicates too.

    Attributes:
        value: (C,) on the cases themselves.
        replicates: (R, C); NaN if a replicate drew no case of a class.
    """

    value: FloatArray
    replicates: FloatArray

    @property
    def undefined(self) -> IntArray:
        """(C,) number of replicates that are NaN and left out of the intervals."""
        return np.isnan(self.replicates).sum(axis=0)

    def intervals(self, level: float = 0.95) -> tuple[Interval, ...]:
        """Percentile interval of each statistic, NaN if none of its replicates is defined.

        Raises:
            ValueError: The level does not lie between 0 and 1.
        """
        require_level(level)
        limits = []
        for value, column in zip(self.value.tolist(), self.replicates.T, strict=True):
            defined = column[~np.isnan(column)]
            tails = 50 * (1 - level), 50 * (1 + level)
            lower, upper = np.percentile(defined, tails).tolist() if defined.size else (np.nan, np.nan)
            limits.append(Interval(value, lower, upper))
        return tuple(limits)

    def minus(self, other: "Bootstrap") -> "Bootstrap":
        """Differences; ``other`` must have been drawn with the same patients, replicates and seed."""
        return Bootstrap(self.value - other.value, self.replicates - other.replicates)


def bootstrap_auc(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Area under the ROC curve of every finding, resampled by patient.

    Example:
        >>> score, label = np.arange(20.0)[:, None], (np.arange(20) % 3 == 0)[:, None]
        >>> result = bootstrap_auc(score, label, replicates=100)
        >>> result.replicates.shape, round(result.intervals()[0].value, 3)
        ((100, 1), 0.462)

    Args:
        score: (N, C) real; plus and minus infinity are legal ranks.
        label: (N, C) 1 present, 0 absent, negative or NaN unknown (left out finding by finding).
        patient: (N,) names or numbers; None if every case is a patient of its own.
        replicates: How many.
        seed: The same seed, replicates and patients draw the same samples, whatever the scores.
    """
    return _bootstrap_ranks(_auc, score, label, patient, (replicates, seed))


def bootstrap_average_precision(
    score: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Average precision of every finding, resampled by patient; arguments as for ``bootstrap_auc``.

    Example:
        >>> score, label = np.arange(20.0)[:, None], (np.arange(20) % 3 == 0)[:, None]
        >>> round(float(bootstrap_average_precision(score, label, replicates=10).value[0]), 3)
        0.386
    """
    return _bootstrap_ranks(_average_precision, score, label, patient, (replicates, seed))


def bootstrap_sensitivity(
    score: ArrayLike,
    label: ArrayLike,
    specificity: float,
    patient: ArrayLike | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Highest sensitivity of every finding at a specificity of at least so much, resampled by patient.

    The threshold is chosen anew in every replicate, so that the replicates vary with it too. Other arguments as for
    ``bootstrap_auc``.

    Example:
        >>> score, label = np.arange(20.0)[:, None], (np.arange(20) % 3 == 0)[:, None]
        >>> round(float(bootstrap_sensitivity(score, label, 0.5, replicates=10).value[0]), 3)  # 3 of 7
        0.429
    """

    def sensitivity(sums: _Sums) -> FloatArray:
        called = np.cumsum(sums.present[::-1], axis=0)[::-1]
        # Weights are whole numbers; a product such as 0.93 * 100 is not.
        is_spared = sums.below >= specificity * sums.absent - 1e-9
        return quotient(np.where(is_spared, called, 0.0).max(axis=0), np.where(sums.absent > 0, called[0], 0.0))

    return _bootstrap_ranks(sensitivity, score, label, patient, (replicates, seed))


def bootstrap_mean(
    value: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Means over cases (N, C), such as Dice over images, resampled by patient; NaN is left out.

    Other arguments as for ``bootstrap_auc``.

    Example:
        >>> limits = bootstrap_mean([[0.7], [0.8], [0.6], [0.7]]).intervals()[0]
        >>> round(limits.value, 2), round(limits.lower, 2), round(limits.upper, 2)
        (0.7, 0.62, 0.78)
    """
    values = np.asarray(value, dtype=np.float64)
    known = ~np.isnan(values)
    return bootstrap_ratio(np.where(known, values, 0.0), known, patient, replicates, seed)


def bootstrap_ratio(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """Ratios of sums over cases (N, C), resampled by patient. A replicate whose whole is 0 is undefined.

    The aggregated Dice is one: ``part`` is twice the intersection and ``whole`` the sum of areas, which must not be
    negative. Other arguments as for ``bootstrap_auc``.

    Example:
        >>> bootstrap_ratio([[20], [60], [10]], [[40], [80], [40]]).value.tolist()
        [0.5625]
    """
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    require_dimensions(parts, 2, "values")
    patients, number = patient_numbers(patient, len(parts))
    sums = np.zeros((2, patients, parts.shape[1]))
    for total, source in zip(sums, (parts, wholes), strict=True):
        np.add.at(total, number, source)
    drawn = [quotient(w.T @ sums[0], w.T @ sums[1]) for w in patient_weights(patients, replicates, seed)]
    ones = np.ones((1, patients))
    return Bootstrap(quotient(ones @ sums[0], ones @ sums[1])[0], np.concatenate(drawn))


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

    present: IntArray  # patients of the present cases by rising score
    present_starts: IntArray  # where each group begins among them
    absent: IntArray  # patients of the absent cases by rising score
    absent_starts: IntArray  # where these are cut, so that the limits of every group are limits of segments
    below: IntArray  # for each group, the number of segments below its score
    upto: IntArray  # and of those not above it


@dataclass(frozen=True)
class _Sums:
    """Weights of one finding: (groups, r) present cases, absent ones below and not above a group; (r,) all absent."""

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
    values, labels = checked_cases(score, label, 2)
    patients, number = patient_numbers(patient, len(values))
    ranked = [_ranked(*column, number) for column in zip(values.T, labels.columns, strict=True)]

    def statistics(weights: FloatArray) -> FloatArray:
        """(P, r) weights in, (r, C) out; NaN if a class is missing."""
        missing = np.full(weights.shape[1], np.nan)
        columns = [missing if finding is None else statistic(_summed(finding, weights)) for finding in ranked]
        return np.stack(columns, axis=1)

    replicates = np.concatenate([statistics(weights) for weights in patient_weights(patients, *draws)])
    return Bootstrap(statistics(np.ones((patients, 1)))[0], replicates)


def _ranked(score: FloatArray, labels: Labels, number: IntArray) -> _Ranked | None:
    """None if a class is missing."""
    present, absent = np.flatnonzero(labels.present), np.flatnonzero(labels.absent)
    if not present.size or not absent.size:
        return None
    present, absent = present[np.argsort(score[present])], absent[np.argsort(score[absent])]
    ranks, absent_ranks = score[present], score[absent]
    groups = np.flatnonzero(np.concatenate([[True], ranks[1:] != ranks[:-1]]))
    left, right = (np.searchsorted(absent_ranks, ranks[groups], side=side) for side in ("left", "right"))
    cuts = np.unique(np.concatenate([[0], left, right]))
    below, upto = np.searchsorted(cuts, left), np.searchsorted(cuts, right)
    return _Ranked(number[present], groups, number[absent], cuts[cuts < len(absent)], below, upto)


def _summed(finding: _Ranked, weights: FloatArray) -> _Sums:
    present = np.add.reduceat(np.take(weights, finding.present, axis=0), finding.present_starts, axis=0)
    segments = np.add.reduceat(np.take(weights, finding.absent, axis=0), finding.absent_starts, axis=0)
    running = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(segments, axis=0)])
    return _Sums(present, running[finding.below], running[finding.upto], running[-1])


def _auc(sums: _Sums) -> FloatArray:
    pairs = np.einsum("gr,gr->r", sums.present, sums.below + sums.upto)
    return quotient(pairs, 2 * sums.present.sum(axis=0) * sums.absent)


def _average_precision(sums: _Sums) -> FloatArray:
    called_present = np.cumsum(sums.present[::-1], axis=0)[::-1]
    precision = quotient(called_present, called_present + sums.absent - sums.below)
    gained = np.einsum("gr,gr->r", sums.present, np.nan_to_num(precision))
    return quotient(gained, called_present[0])
