"""Paired permutation tests for values of images, and Holm's correction of p-values over findings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, require_dimensions
from evaluation.patients import patient_numbers

EXACT_UP_TO = 12  # patients: all 4,096 exchanges are made; with more patients exchanges are sampled
AT_ONCE = 256


@dataclass(frozen=True)
class PermutationTest:
    """A difference A - B, and how rarely exchanging A and B gives one as large.

    Attributes:
        difference: A - B; NaN without a case.
        p: Two-sided; exactly 1 if A and B agree everywhere.
        exchanges: Number of exchanges made: all of them (exact) or as many as asked for (sampled).
        exact: Whether all were made.
    """

    difference: float
    p: float
    exchanges: int
    exact: bool


def paired_permutation_test(
    first: ArrayLike, second: ArrayLike, patient: ArrayLike | None = None, replicates: int = 10_000, seed: int = 0
) -> PermutationTest:
    """Test whether two means over the same cases differ, by exchanging A and B patient by patient.

    It serves Dice of images as well as localisations that are right (1) or wrong (0), for which it is McNemar's test.
    ``scipy.stats.permutation_test`` exchanges single cases only.

    Example:
        >>> result = paired_permutation_test([0.8, 0.9, 0.7], [0.6, 0.8, 0.6])
        >>> round(result.difference, 3), result.p, result.exchanges  # 2 of 8: as seen, and all exchanged
        (0.133, 0.25, 8)

    Args:
        first: (N,) values of A; NaN in A or B leaves the case out.
        second: (N,) values of B on the same cases.
        patient: (N,) or None if every case is a patient of its own.
        replicates: Number of exchanges to sample with more than 12 patients.
        seed: Seed of the sampling.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    require_dimensions(one, 1, "values")
    if one.shape != two.shape:
        raise ValueError(f"A has shape {one.shape} and B {two.shape}; they must be the same cases")
    known = ~(np.isnan(one) | np.isnan(two))
    a, b = ((np.where(known, side, 0.0), known) for side in (one, two))
    return paired_ratio_permutation_test(a, b, patient, replicates, seed)


def paired_ratio_permutation_test(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    patient: ArrayLike | None = None,
    replicates: int = 10_000,
    seed: int = 0,
) -> PermutationTest:
    """Test whether two ratios of sums over the same cases differ, such as the aggregated Dice.

    A and B are ``(part, whole)``, each (N,): for Dice twice the intersection and the sum of areas. Other arguments as
    for ``paired_permutation_test``.

    Example:
        >>> whole = [10, 40, 20]
        >>> result = paired_ratio_permutation_test(([8, 36, 14], whole), ([6, 32, 12], whole))
        >>> round(result.difference, 3), result.p
        (0.114, 0.25)
    """
    table = np.stack([np.asarray(column, dtype=np.float64) for column in (*first, *second)], axis=1)
    patients, number = patient_numbers(patient, len(table))
    sums = np.zeros((patients, 4))
    np.add.at(sums, number, table)
    sums = sums[sums.any(axis=1)]
    if not sums[:, 1].sum() > 0 or not sums[:, 3].sum() > 0:
        return PermutationTest(float("nan"), float("nan"), 0, True)
    is_exact = len(sums) <= EXACT_UP_TO
    exchanges = 2 ** len(sums) if is_exact else replicates
    observed = _differences(np.zeros((1, len(sums))), sums)[0]
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, exchanges, AT_ONCE):
        pattern = np.arange(start, min(start + AT_ONCE, exchanges))[:, None]
        if is_exact:
            exchanged = (pattern >> np.arange(len(sums))) & 1
        else:
            exchanged = generator.integers(0, 2, (len(pattern), len(sums)))
        # Differences that equal the observed one but for rounding count as being as large.
        extreme += int((np.abs(_differences(exchanged.astype(float), sums)) >= abs(observed) * (1 - 1e-9)).sum())
    p = extreme / exchanges if is_exact else (extreme + 1) / (exchanges + 1)
    return PermutationTest(float(observed), p, exchanges, is_exact)


def holm(p: ArrayLike) -> FloatArray:
    """Holm's correction: p-values that keep the chance of any false finding among them at the level tested.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Example:
        >>> holm([0.02, 0.3, 0.01]).tolist()
        [0.04, 0.3, 0.03]

    Args:
        p: (K,) in [0, 1]; NaN stands for no test, does not count and stays NaN.

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


def _differences(exchanged: FloatArray, sums: FloatArray) -> FloatArray:
    """Differences of ratios (r,) if the patients with 1 in (r, P) are exchanged in the sums (P, 4)."""
    moved = exchanged @ (sums[:, :2] - sums[:, 2:])
    total = sums.sum(axis=0)
    one, two = total[:2] - moved, total[2:] + moved
    return np.asarray(one[:, 0] / np.maximum(one[:, 1], 1e-300) - two[:, 0] / np.maximum(two[:, 1], 1e-300))
