"""Paired permutation tests for values of images, and Holm's correction of p-values over findings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray, require_dimensions
from evaluation.patients import patient_numbers

EXACT_UP_TO = 12  # patients; 4,096 swaps are enumerated, more are sampled
SWAPS_AT_ONCE = 256


@dataclass(frozen=True)
class PermutationTest:
    """A difference A - B and how rarely exchanging A and B gives one as large.

    Attributes:
        difference: A - B; NaN without a case.
        p: two-sided; exactly 1 when A and B agree everywhere.
        swaps: exchanges looked at: all of them (exact) or as many as asked for (sampled).
        exact: whether all were looked at.
    """

    difference: float
    p: float
    swaps: int
    exact: bool


def paired_permutation_test(
    first: ArrayLike, second: ArrayLike, patient: ArrayLike | None = None, replicates: int = 10_000, seed: int = 0
) -> PermutationTest:
    """Test whether two means over the same cases differ, by exchanging A and B patient by patient.

    Serves Dice of images and right or wrong localisations of boxes (0 and 1, where it is McNemar's test).

    Args:
        first: (N,) values of A; NaN in either leaves the case out.
        second: (N,) values of B on the same cases.
        patient: (N,) or None when every case is a patient of its own.
        replicates: exchanges to sample where there are more than 12 patients.
        seed: of the sampling.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    require_dimensions(one, 1, "values")
    if one.shape != two.shape:
        raise ValueError(f"A has shape {one.shape} and B {two.shape}; they must be the same cases")
    known = ~(np.isnan(one) | np.isnan(two))
    count = known.astype(np.float64)
    return paired_ratio_permutation_test(
        (np.where(known, one, 0.0), count), (np.where(known, two, 0.0), count), patient, replicates, seed
    )


def paired_ratio_permutation_test(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    patient: ArrayLike | None = None,
    replicates: int = 10_000,
    seed: int = 0,
) -> PermutationTest:
    """Test whether two ratios of sums over the same cases differ, such as aggregated Dice.

    Args:
        first: ``(part, whole)`` of A, each (N,): for Dice twice the intersection and the sum of areas.
        second: ``(part, whole)`` of B.
        patient: (N,) or None.
        replicates: exchanges to sample where there are more than 12 patients.
        seed: of the sampling.
    """
    table = np.stack([np.asarray(column, dtype=np.float64) for column in (*first, *second)], axis=1)
    patients, number = patient_numbers(patient, len(table))
    sums = np.zeros((patients, 4))
    np.add.at(sums, number, table)
    sums = sums[sums.any(axis=1)]
    if not sums[:, 1].sum() > 0 or not sums[:, 3].sum() > 0:
        return PermutationTest(float("nan"), float("nan"), 0, True)
    exact = len(sums) <= EXACT_UP_TO
    swaps = 2 ** len(sums) if exact else replicates
    observed = _differences(np.zeros((1, len(sums))), sums)[0]
    extreme = 0
    generator = np.random.default_rng(seed)
    for start in range(0, swaps, SWAPS_AT_ONCE):
        count = min(SWAPS_AT_ONCE, swaps - start)
        # An exchange looked at in full is a bit pattern; a sampled one is a row of coin flips.
        flips = _patterns(start, count, len(sums)) if exact else generator.integers(0, 2, (count, len(sums)))
        swap = flips.astype(np.float64)
        # Exchanges that equal the observed one but for rounding count as being as large.
        extreme += int((np.abs(_differences(swap, sums)) >= abs(observed) * (1 - 1e-9)).sum())
    p = extreme / swaps if exact else (extreme + 1) / (swaps + 1)
    return PermutationTest(float(observed), p, swaps, exact)


def holm(p: ArrayLike) -> FloatArray:
    """Holm's correction: p-values that keep the chance of any false finding among them at the level tested.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Args:
        p: (K,) in [0, 1]; NaN is no test, is not counted and stays NaN.

    Returns:
        (K,) never smaller than ``p``, at most 1.
    """
    values = np.asarray(p, dtype=np.float64)
    require_dimensions(values, 1, "p")
    odd = (values < 0) | (values > 1)
    if odd.any():
        raise ValueError(f"p-values must lie in [0, 1], not be {values[odd][0]}")
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    stepped = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def _differences(swap: FloatArray, sums: FloatArray) -> FloatArray:
    """(r, P) 0 or 1 for exchanged, (P, 4) sums in; (r,) differences of ratios out."""
    part = sums[:, 0] - sums[:, 2]
    whole = sums[:, 1] - sums[:, 3]
    part_moved, whole_moved = swap @ part, swap @ whole
    one = (sums[:, 0].sum() - part_moved) / np.maximum(sums[:, 1].sum() - whole_moved, 1e-300)
    two = (sums[:, 2].sum() + part_moved) / np.maximum(sums[:, 3].sum() + whole_moved, 1e-300)
    return np.asarray(one - two)


def _patterns(start: int, count: int, patients: int) -> IntArray:
    return np.asarray((np.arange(start, start + count)[:, None] >> np.arange(patients)) & 1)
