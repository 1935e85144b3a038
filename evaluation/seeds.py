"""Two methods of several training runs each, compared on the same cases: patients and seeds both vary.

Runs of one method that differ by their seed are to methods what readers are to modalities, so this is Obuchowski and
Rockette's analysis of many readers and cases with readers nested in modalities: Obuchowski and Rockette,
Communications in Statistics 24, 1995; Hillis, Statistics in Medicine 33, 2014. We depart from it in two points. Each
method has a variance over runs of its own, as in Welch's test, since methods differ in how much their seeds matter.
And the part that patients add has degrees of freedom, the patients of the rarer class less one.

The question is which method is better for new patients and new seeds, with the same training data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.area_limits import satterthwaite
from evaluation.auc_tests import NO_VARIANCE
from evaluation.cases import UNDEFINED, Counts, FindingResult, FloatArray, IntArray, Interval, Labels
from evaluation.compare import MACRO, Comparison, ComparisonRow, aligned, corrected, within_margin
from evaluation.delong import area_covariance
from evaluation.distributions import require_level, t_quantile, t_two_sided_p, unit_interval
from evaluation.patients import counted, patient_numbers
from evaluation.predictions import PredictionTable
from evaluation.several_areas import AreaCovariance

FEWEST = 2
"""Runs of a method that show how its seeds vary."""


@dataclass(frozen=True)
class Spread:
    """A mean over runs, or a difference of two such means, with the variance that runs and patients give it.

    Attributes:
        value: The mean or difference.
        variance: Of ``value`` over new patients and new seeds.
        freedom: Satterthwaite's degrees of freedom of ``variance``.
    """

    value: float
    variance: float
    freedom: float

    def reach(self, level: float) -> float:
        """Half the width of Student's interval; NaN without a variance."""
        require_level(level)
        if not self.variance > NO_VARIANCE:
            return math.nan
        return t_quantile(level, self.freedom) * math.sqrt(self.variance)

    def interval(self, level: float) -> Interval:
        """Student's interval; exactly 0 with limits 0 if nothing differs, limits of NaN if nothing varies otherwise."""
        if self.value == 0 and self.variance <= NO_VARIANCE:
            return Interval(0.0, 0.0, 0.0)
        half = self.reach(level)
        return Interval(self.value, self.value - half, self.value + half)

    @property
    def p(self) -> float:
        """Two-sided p-value of "the value is 0"."""
        if not self.variance > NO_VARIANCE:
            return 1.0 if self.value == 0 and self.variance >= 0 else math.nan
        return t_two_sided_p(self.value / math.sqrt(self.variance), self.freedom)


@dataclass(frozen=True)
class RunValues:
    """A measure of K runs on the same cases, the first method's runs first.

    Attributes:
        value: (K,).
        covariance: (K, K) over patients, the runs as they are.
        runs: How many of the K are the first method's.
        patients: How many the covariance rests on, those of the rarer class for areas.
    """

    value: FloatArray
    covariance: FloatArray
    runs: int
    patients: int

    def mean(self, method: int) -> Spread:
        """The mean over runs of the first (0) or second (1) method."""
        return self._spread(float(self._values(method).mean()), [method], max(self._within(method), 0.0))

    def difference(self) -> Spread:
        """First - second. Patients add nothing where chance makes their part negative."""
        between = float(self.covariance[: self.runs, self.runs :].mean())
        shared = max(self._within(0) + self._within(1) - 2 * between, 0.0)
        return self._spread(float(self._values(0).mean() - self._values(1).mean()), [0, 1], shared)

    def _spread(self, value: float, methods: list[int], shared: float) -> Spread:
        """The variance: of each method that over runs divided by their number, and what patients add to all runs."""
        runs = [self._values(method) for method in methods]
        parts = [*(float(each.var(ddof=1)) / len(each) for each in runs), shared]
        freedom = [*(len(each) - 1 for each in runs), self.patients - 1]
        return Spread(value, sum(parts), satterthwaite(parts, freedom))

    def _values(self, method: int) -> FloatArray:
        return self.value[self.runs :] if method else self.value[: self.runs]

    def _within(self, method: int) -> float:
        """Mean covariance of two different runs of a method."""
        side = slice(self.runs, None) if method else slice(self.runs)
        block = self.covariance[side, side]
        count = len(block)
        return float(block.sum() - np.trace(block)) / (count * (count - 1))


def compare_repeated_predictions(
    first: Sequence[PredictionTable],
    second: Sequence[PredictionTable],
    names: tuple[str, str] = ("A", "B"),
    level: float = 0.95,
    margin: float | None = None,
) -> Comparison:
    """Compare the mean areas of two methods over their runs, with Holm's correction over findings.

    Example:
        >>> random, image = np.random.default_rng(0), np.arange(60).astype(str)
        >>> label = (np.arange(60) % 3 == 0)[:, None].astype(float)
        >>> def run(strength):
        ...     return PredictionTable(("Nodule",), image, image, label, random.normal(size=(60, 1)) + strength * label)
        >>> [row] = compare_repeated_predictions([run(2), run(2), run(2)], [run(0), run(0), run(0)]).rows
        >>> round(row.first.value, 2), round(row.second.value, 2), round(row.p, 4)
        (0.88, 0.56, 0.0001)

    Args:
        first: Tables of A's runs, two or more.
        second: Tables of B's runs.
        names: Of A and B in error messages.
        level: Confidence.
        margin: As for ``compare_predictions``.

    Raises:
        DifferentCasesError: A table has other images, findings, patients or labels than the first.
        ValueError: A method has fewer than two runs.
    """
    reference, *others = _aligned(first, second, names)
    tables, findings = [reference, *others], reference.findings
    patient = patient_numbers(reference.patient, len(reference.image))[1]
    scores, labels = np.hstack([table.rank for table in tables]), np.hstack([reference.label] * len(tables))
    areas = area_covariance(scores, labels, patient)
    rows, columns = [], np.arange(len(areas.auc)).reshape(len(tables), len(findings))
    for c, finding in enumerate(findings):
        at = columns[:, c]
        runs = RunValues(areas.auc[at], areas.covariance[np.ix_(at, at)], len(first), _rarer(areas.counts[c]))
        rows.append(_row(finding, runs, areas.result(c), level, margin))
    return Comparison(corrected(rows), _macro(areas, columns, len(first), level, margin))


def compare_repeated_means(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    findings: tuple[str, ...],
    patient: ArrayLike | None = None,
    margin: float | None = None,
) -> Comparison:
    """Compare the means of two methods over the same images and over their runs, such as of Dice.

    Example:
        >>> image = np.arange(10.0)[:, None] / 40
        >>> [row] = compare_repeated_means([image + 0.5, image + 0.52], [image + 0.4, image + 0.43], ("Nodule",)).rows
        >>> round(row.difference.value, 3), round(row.p, 3)
        (0.095, 0.045)

    Args:
        first: (N, C) values of each of A's runs, two or more; an image that has NaN in any run is left out of that
            finding.
        second: (N, C) values of each of B's runs.
        findings: C names.
        patient: (N,) or None if every image is a patient of its own.
        margin: As for ``compare_predictions``.
    """
    for method, name in ((first, "A"), (second, "B")):
        _require_runs(len(method), name)
    values = np.stack([np.asarray(run, dtype=np.float64) for run in (*first, *second)])
    patients, number = patient_numbers(patient, values.shape[1])
    rows = []
    for c, finding in enumerate(findings):
        known = np.asarray(~np.isnan(values[:, :, c]).any(axis=0))
        counts = counted(Labels(known, np.zeros_like(known)), patient)
        mean, covariance = _means(values[:, known, c], number[known], patients, counts.present_patients)
        runs = RunValues(mean, covariance, len(first), counts.present_patients)
        rows.append(_row(finding, runs, FindingResult.of(UNDEFINED, counts), 0.95, margin))
    return Comparison(corrected(rows), None)


def _require_runs(count: int, name: str) -> None:
    if count < FEWEST:
        raise ValueError(f"{name} has {count} run, but how seeds vary takes two runs or more of every method")


def _aligned(
    first: Sequence[PredictionTable], second: Sequence[PredictionTable], names: tuple[str, str]
) -> list[PredictionTable]:
    """All tables with images and findings in the order of the first."""
    tables = []
    for method, name in ((first, names[0]), (second, names[1])):
        _require_runs(len(method), name)
        for number, table in enumerate(method, start=1):
            tables.append(aligned(first[0], table, (f"{names[0]}, run 1", f"{name}, run {number}")))
    return tables


def _means(values: FloatArray, number: IntArray, patients: int, owners: int) -> tuple[FloatArray, FloatArray]:
    """Means (K,) of values (K, n), and their covariance (K, K) by patient, of whom ``owners`` have a case."""
    if owners < FEWEST:
        nothing = np.full(len(values), math.nan)
        return (values.mean(axis=1) if owners else nothing), nothing[:, None] + nothing
    mean = np.asarray(values.mean(axis=1))
    influence = np.stack([np.bincount(number, run, patients) for run in (values - mean[:, None]) / values.shape[1]])
    return mean, np.asarray(influence @ influence.T * (owners / (owners - 1)), dtype=np.float64)


def _rarer(counts: Counts) -> int:
    """Patients of the rarer class."""
    return min(counts.present_patients, counts.absent_patients)


def _macro(areas: AreaCovariance, columns: IntArray, runs: int, level: float, margin: float | None) -> ComparisonRow:
    """The mean over findings, of every run first; ``columns`` (K, C) are those of the areas."""
    kept = np.asarray(~np.isnan(np.diag(areas.covariance))[columns].any(axis=0))
    count = int(kept.sum())
    counts = Counts(count, 0, len(kept) - count, count, 0)
    if not count:
        nothing = FindingResult.of(UNDEFINED, counts)
        return ComparisonRow(MACRO, nothing, nothing, UNDEFINED, math.nan, math.nan)
    chosen = columns[:, kept]
    value = areas.auc[chosen].mean(axis=1)
    covariance = areas.covariance[np.ix_(chosen.ravel(), chosen.ravel())]
    blocks = covariance.reshape(len(columns), count, len(columns), count).mean(axis=(1, 3))
    patients = min(_rarer(areas.counts[c]) for c in np.flatnonzero(kept))
    return _row(MACRO, RunValues(value, blocks, runs, patients), FindingResult.of(UNDEFINED, counts), level, margin)


def _row(finding: str, runs: RunValues, about: FindingResult, level: float, margin: float | None) -> ComparisonRow:
    """One finding; ``about`` has its counts."""
    first, second = (_bounded(about, runs.mean(method), level) for method in (0, 1))
    difference = runs.difference()
    within = within_margin(difference.interval, margin)
    return ComparisonRow(finding, first, second, difference.interval(level), difference.p, math.nan, within)


def _bounded(about: FindingResult, mean: Spread, level: float) -> FindingResult:
    limits = unit_interval(mean.value, mean.reach(level))
    return replace(about, value=mean.value, lower=limits.lower, upper=limits.upper)
