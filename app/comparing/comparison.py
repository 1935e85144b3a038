"""Two or more models on the same cases, each compared with the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.comparing.cases import MEASURES, Cases, aligned_values, read_cases
from app.comparing.run_files import CASES, RunFiles
from app.pages.numbers import counted
from evaluation import compare_means, compare_predictions, holm, read_predictions
from evaluation.cases import FindingResult, Interval
from evaluation.compare import Comparison, ComparisonRow

LEVEL = 0.95
SPLIT = "data.split_fingerprint"
ALPHA = 0.05
"""Conclusions call a difference shown if its corrected p is below it."""


@dataclass(frozen=True)
class ModelRow:
    """One finding of one model, compared with the reference.

    Attributes:
        model: Index of the model; the reference is 0.
        difference: Model - reference.
        p: Two-sided, uncorrected.
        p_holm: Corrected over all rows of the measure; NaN if the row is the only question of its kind.
    """

    finding: str
    model: int
    reference: FindingResult
    result: FindingResult
    difference: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class MeasureComparison:
    """One measure of all models.

    Attributes:
        key: ``auc``, ``dice``, ...
        test: How differences are tested.
        rows: One per finding and model, ordered by finding.
        macro: One per model for the mean over findings; empty for a single finding and for means without a test.
    """

    key: str
    title: str
    test: str
    images: int
    patients: int
    rows: tuple[ModelRow, ...]
    macro: tuple[ModelRow, ...]

    @property
    def all_rows(self) -> tuple[ModelRow, ...]:
        """The rows of findings, then those of the mean over findings."""
        return (*self.rows, *self.macro)


@dataclass(frozen=True)
class RunComparison:
    """A comparison of runs; the first is the reference. ``notes`` say what was left out, and why."""

    runs: tuple[RunFiles, ...]
    measures: tuple[MeasureComparison, ...]
    notes: tuple[str, ...]

    @property
    def letters(self) -> str:
        """The models' names in tables and pictures: ABC..."""
        return "ABCDEFGH"[: len(self.runs)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models; if two have the same name, the words that named them on the command line."""
        names = [run.name for run in self.runs]
        return tuple(run.name if names.count(run.name) == 1 else run.word for run in self.runs)


def compare_runs(runs: Sequence[RunFiles]) -> RunComparison:
    """Compare every run with the first.

    Args:
        runs: Two to eight.

    Raises:
        DifferentCasesError: Not all are about the same cases with the same labels; says what differs.
        ValueError: There are fewer than two or more than eight, or a file cannot be read.
    """
    if not 2 <= len(runs) <= 8:
        raise ValueError(f"two to eight runs can be compared, not {len(runs)}")
    comparison = RunComparison(tuple(runs), (), ())
    labels = [f"{letter} ({name})" for letter, name in zip(comparison.letters, comparison.names, strict=True)]
    areas = _areas(runs, labels)
    located, notes = _located(runs, labels)
    splits = {run.run.tags.get(SPLIT, "") for run in runs if run.run is not None} - {""}
    if len(splits) > 1:
        notes.append(
            "The runs used different splits of their data: one model may have been trained on cases it is tested on."
        )
    return replace(comparison, measures=(areas, *located), notes=tuple(notes))


def conclusions(comparison: RunComparison, measure: MeasureComparison) -> list[str]:
    """One sentence per model: for which findings it is better or worse after Holm's correction."""
    sentences = []
    for model in range(1, len(comparison.runs)):
        rows = [row for row in measure.rows if row.model == model]
        tested = [row for row in rows if not math.isnan(row.p_holm)]
        shown = [row for row in tested if row.p_holm < ALPHA]
        better = [row.finding for row in shown if row.difference.value > 0]
        worse = [row.finding for row in shown if row.difference.value < 0]
        a, b = comparison.letters[0], comparison.letters[model]
        if tested and all(row.difference == Interval(0.0, 0.0, 0.0) for row in tested):
            sentences.append(f"{b} and {a} do not differ at all: every difference is exactly 0.")
            continue
        parts = [f"better than {a} for {', '.join(better)}"] if better else []
        parts += [f"worse than {a} for {', '.join(worse)}"] if worse else []
        sentence = f"{b} is {' and '.join(parts)}" if parts else f"No difference between {b} and {a} is shown"
        others, untested = len(tested) - len(better) - len(worse), len(rows) - len(tested)
        if parts and others:
            sentence += f"; no difference is shown for {counted(others, 'other finding')}"
        if untested:
            sentence += f"; {counted(untested, 'finding')} cannot be tested"
        sentences.append(f"{sentence}.")
    return sentences


def _areas(runs: Sequence[RunFiles], labels: list[str]) -> MeasureComparison:
    tables = [read_predictions(run.predictions) for run in runs]
    comparisons = [
        compare_predictions(tables[0], table, (labels[0], label), level=LEVEL)
        for table, label in zip(tables[1:], labels[1:], strict=True)
    ]
    counts = len(tables[0].image), len(np.unique(tables[0].patient))
    test = "DeLong's for paired areas, cases of one patient taken together"
    return _measure("auc", "Area under the ROC curve", test, counts, comparisons)


def _located(runs: Sequence[RunFiles], labels: list[str]) -> tuple[list[MeasureComparison], list[str]]:
    """The measures of located cases that all runs have, and a note on each that only some have."""
    paths = [run.file(CASES) for run in runs]
    tables = [Cases({}, {}) if path is None else read_cases(path) for path in paths]
    measures, notes = [], []
    for key, title in MEASURES.items():
        lacking = [label for table, label in zip(tables, labels, strict=True) if key not in table.value]
        if not lacking:
            measures.append(_of_cases(key, title, tables, labels))
        elif len(lacking) < len(tables):
            notes.append(f"{title} is not compared: {', '.join(lacking)} left no {CASES} with it.")
    return measures, notes


def _of_cases(key: str, title: str, tables: list[Cases], labels: list[str]) -> MeasureComparison:
    findings, patient, values = aligned_values(tables, labels, key)
    comparisons = [compare_means(values[0], other, findings, patient) for other in values[1:]]
    counts = len(patient), len(np.unique(patient))
    test = "permutation that exchanges the models patient by patient"
    return _measure(key, f"{title}, mean over located images", test, counts, comparisons)


def _measure(
    key: str, title: str, test: str, counts: tuple[int, int], comparisons: Sequence[Comparison]
) -> MeasureComparison:
    by_finding = zip(*(comparison.rows for comparison in comparisons), strict=True)
    rows = [_row(row, model) for finding in by_finding for model, row in enumerate(finding, start=1)]
    macros = [comparison.macro for comparison in comparisons]
    several = len({row.finding for row in rows}) > 1
    macro = [_row(row, model) for model, row in enumerate(macros, start=1) if row is not None and several]
    corrected = _corrected(macro) if len(macro) > 1 else tuple(macro)
    return MeasureComparison(key, title, test, *counts, _corrected(rows), corrected)


def _row(row: ComparisonRow, model: int) -> ModelRow:
    return ModelRow(row.finding, model, row.first, row.second, opposite(row.difference), row.p, math.nan)


def opposite(difference: Interval) -> Interval:
    """The difference the other way round: B - A for A - B.

    Example:
        >>> opposite(Interval(0.5, 0.25, 0.75))
        Interval(value=-0.5, lower=-0.75, upper=-0.25)
    """
    # 0.0 - x, because -x would turn exactly no difference into a negative zero.
    return Interval(0.0 - difference.value, 0.0 - difference.upper, 0.0 - difference.lower)


def _corrected(rows: Sequence[ModelRow]) -> tuple[ModelRow, ...]:
    adjusted = holm([row.p for row in rows]).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))
