"""Figures of merit of several sets of scores on the same cases, and how they vary together over patients.

Areas compare each lesion (or present case) with each absent image, with a weight for each lesion; shares count units.
With weights of 1 the covariance is that of ``delong.area_covariance``; the weights, the jackknife, and units that are
not cases (several lesions in an image, images without one) are what that lacks.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, checked_scores


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
    without = _quotient(left, (total - held) * (count - number))
    return Figures(value, influence, without, ((held > 0) | (number > 0))[:, 0])


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
    without = _quotient(values.sum(axis=0) - sums, np.broadcast_to(len(values) - number, sums.shape))
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


def _quotient(part: FloatArray, whole: FloatArray) -> FloatArray:
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
