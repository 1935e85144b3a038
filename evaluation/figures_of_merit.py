"""Figures of merit of several sets of scores on the same cases, and how they vary together over patients.

Areas compare each lesion (or present case) with each absent image, with a weight for each lesion; shares count units.
With weights of 1 the covariance is that of ``delong.area_covariance``; the weights, the jackknife, and units that are
not cases (several lesions in an image, images without one) are what that lacks.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, Interval, checked_scores
from evaluation.distributions import exact_interval, logit_interval, normal_quantile
from evaluation.resampling import Bootstrap, patient_weights
from evaluation.roc import quotient

ROUNDING = 1e-12


@dataclass(frozen=True)
class Figures:
    """K figures of merit on the same P patients.

    Attributes:
        value: (K,), NaN if undefined.
        influence: (P, K) what each patient adds to the linearised figure, scaled so that products sum to the
            covariance; NaN with fewer than two patients of a class.
        without: (P, K) the figures without each patient; those of a patient that does not count are ``value``.
        counted: (P,) whether a patient has a unit that counts.
    """

    value: FloatArray
    influence: FloatArray
    without: FloatArray
    counted: BoolArray

    def covariance(self) -> FloatArray:
        """(K, K) from the influences, as DeLong, DeLong and Clarke-Pearson; patients after Obuchowski (1997)."""
        return self.influence.T @ self.influence

    def jackknife_covariance(self) -> FloatArray:
        """(K, K) from the figures without each patient."""
        without = self.without[self.counted]
        deviation = without - without.mean(axis=0)
        return (len(without) - 1) / len(without) * (deviation.T @ deviation)


@dataclass(frozen=True)
class Units:
    """What is compared: present units (lesions or cases) with absent ones (images or cases), for K sets of scores.

    Attributes:
        present: (L, K) scores; minus infinity for a lesion that was not marked.
        present_patient: (L,) number of each present unit's patient.
        weight: (L,) above 0.
        absent: (A, K) scores; minus infinity for an image without a mark.
        absent_patient: (A,) number of each absent unit's patient.
        patients: Number of patients.
    """

    present: FloatArray
    present_patient: IntArray
    weight: FloatArray
    absent: FloatArray
    absent_patient: IntArray
    patients: int


def areas(units: Units) -> Figures:
    """How often a present unit scores above an absent one, ties half, by weight.

    Example:
        >>> zero, one = np.array([0, 1]), np.array([2, 3])
        >>> units = Units(np.array([[0.9], [0.4]]), zero, np.ones(2), np.array([[0.1], [0.6]]), one, patients=4)
        >>> areas(units).value.tolist()
        [0.75]

    Raises:
        ValueError: A score is NaN.
    """
    present, absent, weight = checked_scores(units.present), checked_scores(units.absent), units.weight[:, None]
    columns = present.shape[1]
    if not len(present) or not len(absent):
        undefined = np.full((units.patients, columns), np.nan)
        return Figures(np.full(columns, np.nan), undefined, undefined, np.zeros(units.patients, bool))
    won, lost = _wins(present, absent, units.weight)
    of_present = _by_patient(weight * won, units.present_patient, units.patients)
    of_absent = _by_patient(lost, units.absent_patient, units.patients)
    total, count = units.weight.sum(), len(absent)
    value = (units.weight @ won) / (total * count)
    held = _by_patient(weight, units.present_patient, units.patients)
    number = _by_patient(np.ones((count, 1)), units.absent_patient, units.patients)
    influence = _scaled(of_present / count - held * value, held > 0) / total
    influence += _scaled(of_absent / total - number * value, number > 0) / count
    left = total * count * value - of_present - of_absent + _within(units)
    without = quotient(left, (total - held) * (count - number))
    return Figures(value, influence, without, ((held > 0) | (number > 0))[:, 0])


def bootstrap_areas(units: Units, replicates: int = 1000, seed: int = 0) -> Bootstrap:
    """``areas``, resampled by patient; the same seed, replicates and number of patients draw the same samples.

    Example:
        >>> zero, one = np.array([0, 1]), np.array([2, 3])
        >>> units = Units(np.array([[0.9], [0.4]]), zero, np.ones(2), np.array([[0.1], [0.6]]), one, patients=4)
        >>> bootstrap_areas(units, replicates=10).value.tolist()
        [0.75]
    """
    present, absent = checked_scores(units.present), checked_scores(units.absent)
    columns = []
    for high, low in zip(present.T, absent.T, strict=True):
        order = np.argsort(low)
        columns.append((order, *(np.searchsorted(low[order], high, side) for side in ("left", "right"))))

    def resampled(drawn: FloatArray) -> FloatArray:
        """(r, K) areas if patients are drawn (P, r) times."""
        weight = drawn[units.present_patient] * units.weight[:, None]
        count = drawn[units.absent_patient]
        pairs = weight.sum(axis=0) * count.sum(axis=0)
        won = []
        for order, left, right in columns:
            below = np.concatenate([np.zeros((1, drawn.shape[1])), np.cumsum(count[order], axis=0)])
            won.append(np.einsum("lr,lr->r", weight, below[left] + below[right]) / 2)
        return quotient(np.stack(won, axis=1), pairs[:, None])

    parts = [resampled(drawn) for drawn in patient_weights(units.patients, replicates, seed)]
    return Bootstrap(resampled(np.ones((units.patients, 1)))[0], np.concatenate(parts))


def bootstrap_intervals(bootstrap: Bootstrap, trials: int, level: float = 0.95) -> tuple[Interval, ...]:
    """Intervals of bootstrapped shares on the logit scale, by the standard deviation of their replicates.

    Near 0 and 1 they cover better than percentiles, which cannot reach beyond the sample. If the value is 0 or 1, or
    replicates do not vary, the interval is Clopper and Pearson's.

    Example:
        >>> result = Bootstrap(np.array([0.8]), np.array([[0.7], [0.8], [0.9]]))
        >>> [limits] = bootstrap_intervals(result, trials=20)
        >>> round(limits.lower, 2), round(limits.upper, 2)
        (0.6, 0.92)

    Args:
        bootstrap: Of values in [0, 1].
        trials: Number of patients of the rarer class.
        level: Confidence.
    """
    intervals = []
    for value, replicates in zip(bootstrap.value.tolist(), bootstrap.replicates.T, strict=True):
        defined = replicates[~np.isnan(replicates)]
        error = float(defined.std()) if len(defined) > 1 else 0.0
        if math.isnan(value) or not trials:
            intervals.append(Interval(value, math.nan, math.nan))
        elif error <= ROUNDING or not 0 < value < 1:
            limits = exact_interval(value * trials, trials, level)
            intervals.append(Interval(value, limits.lower, limits.upper))
        else:
            intervals.append(logit_interval(value, normal_quantile(level) * error / (value * (1 - value))))
    return tuple(intervals)


def shares(right: ArrayLike, patient: IntArray, patients: int) -> Figures:
    """Mean over units (N, K) of ones and zeros: sensitivity over present cases, specificity over absent ones.

    Example:
        >>> shares([[1, 0], [1, 1]], np.array([0, 1]), patients=2).value.tolist()
        [1.0, 0.5]
    """
    values = np.asarray(right, dtype=np.float64)
    mean = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    sums, number = _by_patient(values, patient, patients), _by_patient(np.ones((len(values), 1)), patient, patients)
    influence = _scaled(sums - number * mean, number > 0) / max(len(values), 1)
    without = quotient(values.sum(axis=0) - sums, len(values) - number)
    return Figures(mean, influence, without, (number > 0)[:, 0])


def _wins(present: FloatArray, absent: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(L, K) absent units below each present one, and (A, K) weight of the present ones above each absent one."""
    won, lost = np.empty(present.shape), np.empty(absent.shape)
    for k, (high, low) in enumerate(zip(present.T, absent.T, strict=True)):
        ordered = np.sort(low)
        won[:, k] = (np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")) / 2
        order = np.argsort(high)
        above = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
        sides = (np.searchsorted(high[order], low, side) for side in ("left", "right"))
        lost[:, k] = sum(above[side] for side in sides) / 2
    return won, lost


def _within(units: Units) -> FloatArray:
    """(P, K) weighted wins among the units of one patient, which leaving the patient out must not subtract twice."""
    wins = np.zeros((units.patients, units.present.shape[1]))
    for patient in np.intersect1d(units.present_patient, units.absent_patient):
        of_present, of_absent = units.present_patient == patient, units.absent_patient == patient
        won = _wins(units.present[of_present], units.absent[of_absent], units.weight[of_present])[0]
        wins[patient] = units.weight[of_present] @ won
    return wins


def _by_patient(values: FloatArray, patient: IntArray, patients: int) -> FloatArray:
    sums = np.zeros((patients, values.shape[1]))
    np.add.at(sums, patient, values)
    return sums


def _scaled(deviation: FloatArray, counted: BoolArray) -> FloatArray:
    """Deviations (P, K) times the root of n / (n - 1) for the n patients that count; NaN with fewer than two."""
    number = int(counted.sum())
    return deviation * (math.sqrt(number / (number - 1)) if number > 1 else math.nan)
