"""Two models' calls of the same cases compared finding by finding: their sensitivities, or their specificities."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FindingResult, Interval, Labels
from evaluation.compare import Comparison, ComparisonRow, both_known, corrected, within_margin
from evaluation.paired_shares import compare_shares
from evaluation.patients import counted


def compare_calls(
    first: ArrayLike,
    second: ArrayLike,
    findings: Sequence[str],
    patient: ArrayLike | None = None,
    margin: float | None = None,
    alike: Sequence[bool] = (),
) -> Comparison:
    """Compare how often two models' calls are right; see ``compare_shares``. p is corrected by Holm over findings.

    Example:
        >>> [row] = compare_calls([[1], [1], [1], [0]], [[1], [0], [0], [np.nan]], ("Nodule",)).rows
        >>> row.first.value, round(row.second.value, 2), row.first.present, row.p
        (1.0, 0.33, 3, 0.5)

    Args:
        first: (N, C) whether A's call is right (1) or not (0): of present cases for sensitivity, of absent ones for
            specificity; NaN in A or B leaves the case out of that finding.
        second: (N, C) whether B's is.
        findings: C names.
        patient: (N,) or None if every case is a patient of its own.
        margin: As for ``compare_predictions``.
        alike: Of each finding, whether A and B are the same there (the same ranks and calls), so that they cannot
            differ in other cases either: the difference then is exactly 0. None if left out.
    """
    one, two, known = both_known(first, second)
    rows = []
    for c, finding in enumerate(findings):
        calls = one[:, c] == 1, two[:, c] == 1, known[:, c], patient
        result, counts = compare_shares(*calls), counted(Labels(known[:, c], np.zeros_like(known[:, c])), patient)
        is_alike = bool(alike) and alike[c] and counts.present > 0
        difference_at = partial(_difference_at, calls, is_alike)
        a, b = (FindingResult.of(side, counts) for side in (result.first, result.second))
        within = within_margin(difference_at, margin)
        rows.append(ComparisonRow(finding, a, b, difference_at(0.95), result.p, math.nan, within))
    return Comparison(corrected(rows), None)


def _difference_at(
    calls: tuple[BoolArray, BoolArray, BoolArray, ArrayLike | None], is_alike: bool, level: float
) -> Interval:
    return Interval(0.0, 0.0, 0.0) if is_alike else compare_shares(*calls, level).difference
