"""Models compared on the same cases, finding by finding: areas by DeLong's test, means and ratios by permutation."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from evaluation.auc_tests import NO_VARIANCE, AucComparison, compared, difference_interval, no_difference, rank_alike
from evaluation.cases import (
    UNDEFINED,
    BoolArray,
    Counts,
    FindingResult,
    FloatArray,
    IntArray,
    Interval,
    Labels,
    TextArray,
)
from evaluation.delong import area_covariance
from evaluation.distributions import t_two_sided_p
from evaluation.margins import MarginTest, margin_test
from evaluation.means import ratio_difference, ratio_interval
from evaluation.patients import counted, patient_numbers
from evaluation.permutation import holm, paired_ratio_permutation_test
from evaluation.predictions import PredictionTable
from evaluation.several_areas import AreaCovariance, mean_area

MACRO = "macro average"
SHOWN = 3  # examples in an error message


class DifferentCasesError(ValueError):
    """Two tables are not about the same cases with the same labels; the message says what differs."""


@dataclass(frozen=True)
class ComparisonRow:
    """One finding measured for two models.

    Attributes:
        finding: Its name.
        first: A with its interval; for means and ratios ``present`` counts the cases and ``absent`` is 0, for the mean
            over findings ``present`` counts the findings that have a value and ``unknown`` those that do not.
        second: B.
        difference: A - B with its interval.
        p: Two-sided, of this finding alone.
        p_holm: Corrected over the findings of the comparison; NaN for the macro average, which is a single question.
        margin: B against A within a margin, uncorrected; None if no margin was declared.
    """

    finding: str
    first: FindingResult
    second: FindingResult
    difference: Interval
    p: float
    p_holm: float
    margin: MarginTest | None = None


@dataclass(frozen=True)
class Comparison:
    """Two models compared.

    Attributes:
        rows: One for each finding, in A's order.
        macro: The mean over findings that have a value in both, or None if there is no such mean.
    """

    rows: tuple[ComparisonRow, ...]
    macro: ComparisonRow | None


def compare_predictions(
    first: PredictionTable,
    second: PredictionTable,
    names: tuple[str, str] = ("A", "B"),
    by_patient: bool = True,
    level: float = 0.95,
    margin: float | None = None,
) -> Comparison:
    """Compare areas under the ROC curve by DeLong's paired test, with Holm's correction over findings.

    Scores that rank all cases of a finding alike differ by exactly 0 with p exactly 1.

    Example:
        >>> image, label = np.arange(20).astype(str), (np.arange(20) % 2 == 0)[:, None].astype(float)
        >>> score = np.arange(20.0)[:, None]
        >>> first = PredictionTable(("Nodule",), image, image, label, score + 5 * label)
        >>> second = PredictionTable(("Nodule",), image, image, label, score)
        >>> [row] = compare_predictions(first, second).rows
        >>> round(row.first.value, 2), round(row.second.value, 2), round(row.difference.value, 2)
        (0.68, 0.45, 0.23)

    Args:
        first: Table A.
        second: Table B; its rows may be in another order.
        names: Of A and B in error messages.
        by_patient: Take the cases of a patient together; False treats every image as independent.
        level: Confidence.
        margin: The largest difference that does not matter, declared before; adds tests of non-inferiority and
            equivalence.

    Raises:
        DifferentCasesError: The tables have other images, findings, patients or labels.
    """
    other = aligned(first, second, names)
    patient = patient_numbers(first.patient, len(first.image))[1] if by_patient else None
    scores, labels = np.hstack([first.rank, other.rank]), np.hstack([first.label, first.label])
    areas = area_covariance(scores, labels, patient)
    alike = [_alike(first, other, c) for c in range(len(first.findings))]
    rows = []
    for c, finding in enumerate(first.findings):
        result = _areas_at(areas, c, alike[c], level)
        within = within_margin(partial(_difference_at, areas, c, alike[c]), margin)
        rows.append(ComparisonRow(finding, result.first, result.second, result.difference, result.p, math.nan, within))
    return Comparison(corrected(rows), _macro(areas, all(alike), level, margin))


def compare_means(
    first: ArrayLike,
    second: ArrayLike,
    findings: tuple[str, ...],
    patient: ArrayLike | None = None,
    margin: float | None = None,
) -> Comparison:
    """Compare means over the same images: Dice, IoU, or localisations that are right (1) or wrong (0).

    Intervals are Student's over patients. p is that of the permutation test, corrected by Holm over findings.

    Example:
        >>> [row] = compare_means([[0.8], [0.9], [0.7]], [[0.6], [0.8], [0.7]], ("Nodule",)).rows
        >>> round(row.difference.value, 2), row.p
        (0.1, 0.5)

    Args:
        first: (N, C) values of A; NaN in A or B leaves the image out of that finding.
        second: (N, C) values of B on the same images.
        findings: C names.
        patient: (N,) or None if every image is a patient of its own.
        margin: As for ``compare_predictions``; by Student's intervals.
    """
    one, two, known = both_known(first, second)
    a, b = ((np.where(known, side, 0.0), known) for side in (one, two))
    return compare_ratios(a, b, findings, patient, margin)


def compare_ratios(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    findings: tuple[str, ...],
    patient: ArrayLike | None = None,
    margin: float | None = None,
) -> Comparison:
    """Compare ratios of sums over the same images, such as the aggregated Dice; otherwise like ``compare_means``.

    A and B are ``(part, whole)``, each (N, C): for Dice twice the intersection and the sum of areas.

    Example:
        >>> whole = [[10], [40], [20]]
        >>> [row] = compare_ratios(([[8], [36], [14]], whole), ([[6], [32], [12]], whole), ("Nodule",)).rows
        >>> round(row.first.value, 3), round(row.second.value, 3), row.p
        (0.829, 0.714, 0.25)
    """
    one, two = ([np.asarray(table, dtype=np.float64) for table in side] for side in (first, second))
    rows = []
    for c, finding in enumerate(findings):
        a, b = (one[0][:, c], one[1][:, c]), (two[0][:, c], two[1][:, c])
        is_counted = (a[1] > 0) | (b[1] > 0)
        counts = counted(Labels(is_counted, np.zeros_like(is_counted)), patient)
        first_result, second_result = (FindingResult.of(ratio_interval(*side, patient), counts) for side in (a, b))
        difference_at = partial(ratio_difference, a, b, patient)
        difference, p = difference_at(), paired_ratio_permutation_test(a, b, patient).p
        within = within_margin(difference_at, margin)
        rows.append(ComparisonRow(finding, first_result, second_result, difference, p, math.nan, within))
    return Comparison(corrected(rows), None)


def aligned(first: PredictionTable, second: PredictionTable, names: tuple[str, str] = ("A", "B")) -> PredictionTable:
    """Table B with images and findings in the order of A.

    Raises:
        DifferentCasesError: Images, findings, patients or known labels differ. Uncertain and not said are both unknown
            and count as equal.
    """
    problems = only_in(first.findings, second.findings, names, "findings")
    problems += only_in(first.image.tolist(), second.image.tolist(), names, "images")
    if not problems:
        column = [second.findings.index(name) for name in first.findings]
        other = second.rows(_index_of(first.image, second.image)).columns(column)
        problems = _conflicts(first, other)
        if not problems:
            return other
    raise DifferentCasesError(f"{names[0]} and {names[1]} are not about the same cases: " + "; ".join(problems))


def both_known(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The values (N, C) of A and of B, and where neither is NaN.

    Raises:
        ValueError: The shapes differ or have other axes.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 2:
        raise ValueError(f"A has shape {one.shape} and B {two.shape}; both must be the same (N, C)")
    return one, two, ~(np.isnan(one) | np.isnan(two))


def within_margin(difference_at: Callable[[float], Interval], margin: float | None) -> MarginTest | None:
    """``margin_test`` if a margin was declared."""
    return None if margin is None else margin_test(difference_at, margin)


def corrected(rows: list[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    """The rows with Holm's correction over all of them."""
    adjusted = holm([row.p for row in rows]).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def _areas_at(areas: AreaCovariance, c: int, is_alike: bool, level: float) -> AucComparison:
    """The c-th finding of both models, whose areas stand in the first and the second half."""
    result = compared(areas, c, c + len(areas.auc) // 2, level)
    if is_alike and not math.isnan(result.difference.value):
        return no_difference(result.first, result.second)
    return result


def _difference_at(areas: AreaCovariance, c: int, is_alike: bool, level: float) -> Interval:
    return _areas_at(areas, c, is_alike, level).difference


def _alike(first: PredictionTable, second: PredictionTable, c: int) -> bool:
    known = first.label[:, c] >= 0
    return rank_alike(first.rank[known, c], second.rank[known, c])


def _macro(areas: AreaCovariance, alike: bool, level: float, margin: float | None) -> ComparisonRow:
    """The first half of the areas are A's findings, the second half B's."""
    findings = len(areas.auc) // 2
    is_undefined = np.isnan(np.diag(areas.covariance))
    kept = ~(is_undefined[:findings] | is_undefined[findings:])
    count = int(kept.sum())
    counts = Counts(count, 0, findings - count, count, 0)
    if not count:
        nothing = FindingResult.of(UNDEFINED, counts)
        return ComparisonRow(MACRO, nothing, nothing, UNDEFINED, math.nan, math.nan)
    weight, none = np.where(kept, 1 / count, 0.0), np.zeros_like(kept)
    one, two = (mean_area(areas, np.concatenate(side), level) for side in ((kept, none), (none, kept)))
    contrast = areas.contrast(np.concatenate([weight, -weight]))
    difference, p = _difference(*contrast, alike, level)
    within = within_margin(lambda at: _difference(*contrast, alike, at)[0], margin)
    results = FindingResult.of(one, counts), FindingResult.of(two, counts)
    return ComparisonRow(MACRO, *results, difference, p, math.nan, within)


def _difference(value: float, variance: float, freedom: float, alike: bool, level: float) -> tuple[Interval, float]:
    if alike:
        return Interval(0.0, 0.0, 0.0), 1.0
    if not variance > NO_VARIANCE:
        return Interval(value, math.nan, math.nan), math.nan
    p = t_two_sided_p(value / math.sqrt(variance), freedom)
    return difference_interval(value, variance, level, freedom), p


def only_in(first: Iterable[str], second: Iterable[str], names: tuple[str, str], kind: str) -> list[str]:
    """A sentence for each of two models that has cases which the other lacks, with examples.

    Example:
        >>> only_in(["a.png", "b.png"], ["a.png"], ("A", "B"), "images")
        ['1 images only in A (b.png)']
    """
    one, two = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    problems = []
    for name, own, others in ((names[0], one, set(two)), (names[1], two, set(one))):
        only = [value for value in own if value not in others]
        if only:
            problems.append(f"{len(only)} {kind} only in {name} ({_some(only)})")
    return problems


def _conflicts(first: PredictionTable, second: PredictionTable) -> list[str]:
    problems = []
    patients = np.flatnonzero(first.patient != second.patient)
    if patients.size:
        problems.append(f"{patients.size} images with another patient ({_some(first.image[patients].tolist())})")
    one, two = (np.maximum(np.nan_to_num(table.label, nan=-1), -1) for table in (first, second))
    image, finding = np.nonzero(one != two)
    if image.size:
        examples = [
            f"{first.image[n]}, {first.findings[c]}: {one[n, c]:g} and {two[n, c]:g}"
            for n, c in zip(image[:SHOWN].tolist(), finding[:SHOWN].tolist(), strict=True)
        ]
        problems.append(f"{image.size} other labels ({_some(examples, image.size)})")
    return problems


def _some(values: list[str], total: int | None = None) -> str:
    more = (len(values) if total is None else total) - SHOWN
    return ", ".join(values[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _index_of(first: TextArray, second: TextArray) -> IntArray:
    """The index in ``second`` of each name of ``first``."""
    order = np.argsort(second)
    return np.asarray(order[np.searchsorted(second[order], first)])
