"""Models compared on the same cases, finding by finding: areas by DeLong, Dice and localisation by exchanging them."""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.auc_tests import compared, no_difference, rank_alike
from evaluation.cases import BoolArray, FindingResult, IntArray, Interval, TextArray
from evaluation.delong import AreaCovariance, area_covariance, bounded_interval
from evaluation.distributions import normal_quantile, two_sided_p
from evaluation.means import ratio_difference, ratio_interval
from evaluation.patients import patient_numbers
from evaluation.permutation import holm, paired_ratio_permutation_test
from evaluation.predictions import PredictionTable

MACRO = "macro average"
SHOWN = 3  # examples of what differs in a refusal


class DifferentCasesError(ValueError):
    """Two tables are not about the same cases with the same labels; the text says what differs."""


@dataclass(frozen=True)
class ComparisonRow:
    """One finding measured for two models.

    Attributes:
        finding: its name.
        first: A with its interval; for means and ratios ``present`` counts the cases and ``absent`` is 0.
        second: B.
        difference: A - B with its interval.
        p: two-sided, of this finding alone.
        p_holm: corrected over the findings of the comparison; NaN for the macro average, which is one question.
    """

    finding: str
    first: FindingResult
    second: FindingResult
    difference: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """Two models compared.

    Attributes:
        names: of A and B.
        rows: one a finding, in A's order.
        macro: the mean over findings with a value in both, or None where no mean was asked for.
    """

    names: tuple[str, str]
    rows: tuple[ComparisonRow, ...]
    macro: ComparisonRow | None


def compare_predictions(
    first: PredictionTable,
    second: PredictionTable,
    names: tuple[str, str] = ("A", "B"),
    by_patient: bool = True,
    level: float = 0.95,
) -> Comparison:
    """Compare areas under the ROC curve by DeLong's paired test, with Holm's correction over findings.

    Scores that rank all cases of a finding alike differ by exactly 0 with p exactly 1.

    Args:
        first: table A.
        second: table B; its rows may come in another order.
        names: how to call A and B in a refusal.
        by_patient: take the cases of a patient together; False treats every image as independent.
        level: confidence.

    Raises:
        DifferentCasesError: the tables have other images, findings, patients or labels.
    """
    other = aligned(first, second, names)
    patient = patient_numbers(first.patient, len(first.image))[1] if by_patient else None
    scores, labels = np.hstack([first.rank, other.rank]), np.hstack([first.label, first.label])
    areas = area_covariance(scores, labels, patient)
    alike = [_alike(first, other, c) for c in range(len(first.findings))]
    rows = []
    for c, finding in enumerate(first.findings):
        result = compared(areas, c, c + len(alike), level)
        if alike[c] and not math.isnan(result.difference.value):
            result = no_difference(result.first, result.second)
        rows.append(ComparisonRow(finding, result.first, result.second, result.difference, result.p, math.nan))
    return Comparison(names, _corrected(rows), _macro(areas, all(alike), level))


def compare_all(
    tables: Mapping[str, PredictionTable], by_patient: bool = True, level: float = 0.95
) -> tuple[Comparison, ...]:
    """``compare_predictions`` of every two of two or more tables; p is corrected within each comparison."""
    if len(tables) < 2:
        raise ValueError(f"a comparison needs two tables or more, not {len(tables)}")
    return tuple(
        compare_predictions(tables[one], tables[two], (one, two), by_patient, level)
        for one, two in itertools.combinations(tables, 2)
    )


def compare_means(
    first: ArrayLike,
    second: ArrayLike,
    findings: tuple[str, ...],
    patient: ArrayLike | None = None,
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Compare means over the same images: Dice, IoU, or right and wrong localisations as 1 and 0.

    Intervals are Student's over patients, p is of the permutation test, corrected by Holm over findings.

    Args:
        first: (N, C) values of A; NaN in A or B leaves the image out of that finding.
        second: (N, C) values of B on the same images.
        findings: C names.
        patient: (N,) or None when every image is a patient of its own.
        names: of A and B.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 2:
        raise ValueError(f"A has shape {one.shape} and B {two.shape}; both must be the same (N, C)")
    known = ~(np.isnan(one) | np.isnan(two))
    return compare_ratios(
        (np.where(known, one, 0.0), known), (np.where(known, two, 0.0), known), findings, patient, names
    )


def compare_ratios(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    findings: tuple[str, ...],
    patient: ArrayLike | None = None,
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Compare ratios of sums over the same images, such as aggregated Dice; otherwise as ``compare_means``.

    Args:
        first: ``(part, whole)`` of A, each (N, C): for Dice twice the intersection and the sum of areas.
        second: ``(part, whole)`` of B.
        findings: C names.
        patient: (N,) or None.
        names: of A and B.
    """
    one, two = ([np.asarray(table, dtype=np.float64) for table in side] for side in (first, second))
    rows = []
    for c, finding in enumerate(findings):
        a, b = (one[0][:, c], one[1][:, c]), (two[0][:, c], two[1][:, c])
        test = paired_ratio_permutation_test(a, b, patient)
        counted = (a[1] > 0) | (b[1] > 0)
        difference = ratio_difference(a, b, patient)
        sides = [_of_ratio(ratio_interval(*side, patient), counted) for side in (a, b)]
        rows.append(ComparisonRow(finding, sides[0], sides[1], difference, test.p, math.nan))
    return Comparison(names, _corrected(rows), None)


def aligned(first: PredictionTable, second: PredictionTable, names: tuple[str, str] = ("A", "B")) -> PredictionTable:
    """Table B with images and findings in the order of A.

    Raises:
        DifferentCasesError: images, findings, patients or known labels differ. Uncertain and not said are both unknown
            and count as equal.
    """
    problems = _only_in(first.findings, second.findings, names, "findings")
    problems += _only_in(first.image.tolist(), second.image.tolist(), names, "images")
    if not problems:
        order, column = _place(first.image, second.image), [second.findings.index(name) for name in first.findings]
        other = second.rows(order)
        other = replace(
            other,
            findings=first.findings,
            label=other.label[:, column],
            score=other.score[:, column],
            logit=None if other.logit is None else other.logit[:, column],
        )
        problems = _conflicts(first, other, names)
        if not problems:
            return other
    raise DifferentCasesError(f"{names[0]} and {names[1]} are not about the same cases: " + "; ".join(problems))


def _alike(first: PredictionTable, second: PredictionTable, c: int) -> bool:
    known = first.label[:, c] >= 0
    return rank_alike(first.rank[known, c], second.rank[known, c])


def _macro(areas: AreaCovariance, alike: bool, level: float) -> ComparisonRow:
    findings = len(areas.auc) // 2
    spread = np.diag(areas.covariance)
    kept = ~np.isnan(spread[:findings]) & ~np.isnan(spread[findings:])
    weight = np.where(kept, 1 / max(int(kept.sum()), 1), 0.0)
    side = np.concatenate([weight, 0 * weight]), np.concatenate([0 * weight, weight])
    area, covariance = np.nan_to_num(areas.auc), np.nan_to_num(areas.covariance)
    counts = int(kept.sum()), findings - int(kept.sum())
    if not kept.any():
        nothing = FindingResult(math.nan, math.nan, math.nan, 0, 0, findings)
        return ComparisonRow(MACRO, nothing, nothing, nothing.interval, math.nan, math.nan)
    one, two = (bounded_interval(float(w @ area), float(w @ covariance @ w), level) for w in side)
    cells = [FindingResult(x.value, x.lower, x.upper, counts[0], 0, counts[1]) for x in (one, two)]
    contrast = side[0] - side[1]
    difference, p = _difference(float(contrast @ area), float(contrast @ covariance @ contrast), alike, level)
    return ComparisonRow(MACRO, cells[0], cells[1], difference, p, math.nan)


def _difference(value: float, variance: float, alike: bool, level: float) -> tuple[Interval, float]:
    if alike:
        return Interval(0.0, 0.0, 0.0), 1.0
    if not variance > 1e-30:  # what rounding leaves of zero
        return Interval(value, math.nan, math.nan), math.nan
    half = normal_quantile(level) * math.sqrt(variance)
    return Interval(value, value - half, value + half), two_sided_p(value / math.sqrt(variance))


def _corrected(rows: list[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    adjusted = holm([row.p for row in rows]).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def _of_ratio(interval: Interval, counted: BoolArray) -> FindingResult:
    cases = int(counted.sum())
    return FindingResult(interval.value, interval.lower, interval.upper, cases, 0, counted.size - cases)


def _only_in(first: Iterable[str], second: Iterable[str], names: tuple[str, str], what: str) -> list[str]:
    one, two = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    problems = []
    for name, here, there in ((names[0], one, set(two)), (names[1], two, set(one))):
        only = [value for value in here if value not in there]
        if only:
            problems.append(f"{len(only)} {what} only in {name} ({_some(only)})")
    return problems


def _conflicts(first: PredictionTable, second: PredictionTable, names: tuple[str, str]) -> list[str]:
    problems = []
    patients = np.flatnonzero(first.patient != second.patient)
    if patients.size:
        problems.append(f"{patients.size} images with another patient ({_some(first.image[patients].tolist())})")
    known = np.maximum(np.nan_to_num(first.label, nan=-1), -1), np.maximum(np.nan_to_num(second.label, nan=-1), -1)
    image, finding = np.nonzero(known[0] != known[1])
    if image.size:
        shown = [
            f"{first.image[n]}, {first.findings[c]}: {known[0][n, c]:g} and {known[1][n, c]:g}"
            for n, c in zip(image[:SHOWN].tolist(), finding[:SHOWN].tolist(), strict=True)
        ]
        problems.append(f"{image.size} other labels ({_some(shown, image.size)})")
    return problems


def _some(values: list[str], total: int | None = None) -> str:
    more = (len(values) if total is None else total) - SHOWN
    return ", ".join(values[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _place(first: TextArray, second: TextArray) -> IntArray:
    """Where in ``second`` each name of ``first`` is."""
    order = np.argsort(second)
    return np.asarray(order[np.searchsorted(second[order], first)])
