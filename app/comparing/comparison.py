"""Two or more models on the same cases, each against the first: areas by DeLong, Dice and localisation by exchange."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.comparing.cases import MEASURES, Cases, aligned_values, read_cases
from app.comparing.results import CASES, Result
from app.pages.numbers import counted
from evaluation import compare_means, compare_predictions, holm, read_predictions
from evaluation.cases import FindingResult, Interval
from evaluation.compare import Comparison, ComparisonRow

LEVEL = 0.95
SPLIT = "data.split_fingerprint"
ALPHA = 0.05
"""Below it a corrected p counts as a difference in sentences."""


@dataclass(frozen=True)
class Row:
    """One finding of one model against the reference.

    Attributes:
        finding: its name.
        model: place of the model among those compared, from 1; the reference is 0.
        reference: value of the reference with interval and counts.
        result: value of the model.
        difference: model - reference, so that more is better for the model.
        p: two-sided, of this row alone.
        p_holm: corrected over all rows of the measure; NaN where the row is the only question of its kind.
    """

    finding: str
    model: int
    reference: FindingResult
    result: FindingResult
    difference: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class Measured:
    """One measure of all models.

    Attributes:
        key: ``auc``, ``dice``, ...
        title: as a heading says it.
        test: how differences are tested.
        images: how many.
        patients: how many.
        rows: findings in order, and models in order within each.
        macro: of the mean over findings, one a model; empty where there is one finding, or no mean with a test.
    """

    key: str
    title: str
    test: str
    images: int
    patients: int
    rows: tuple[Row, ...]
    macro: tuple[Row, ...]


@dataclass(frozen=True)
class Study:
    """A comparison of models.

    Attributes:
        results: the models; the first is the reference.
        measures: what was measured.
        notes: what was left out and why, in sentences.
    """

    results: tuple[Result, ...]
    measures: tuple[Measured, ...]
    notes: tuple[str, ...]

    @property
    def letters(self) -> tuple[str, ...]:
        """A, B, C, ...: how tables and pictures call the models."""
        return tuple(chr(ord("A") + place) for place in range(len(self.results)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models; where two would be called alike, as they were asked for."""
        names = [result.name for result in self.results]
        return tuple(result.name if names.count(result.name) == 1 else result.word for result in self.results)


def compare_results(results: Sequence[Result]) -> Study:
    """Compare every model with the first.

    Args:
        results: two to eight models.

    Raises:
        DifferentCasesError: not all are about the same cases with the same labels; the text says what differs.
        ValueError: fewer than two or more than eight models, or a file that cannot be read as what it should be.
    """
    if not 2 <= len(results) <= 8:
        raise ValueError(f"two to eight runs can be compared, not {len(results)}")
    study = Study(tuple(results), (), ())
    labels = [f"{letter} ({name})" for letter, name in zip(study.letters, study.names, strict=True)]
    areas = _areas(results, labels)
    located, notes = _located(results, labels)
    return replace(study, measures=(areas, *located), notes=(*notes, *_other_splits(results)))


def _other_splits(results: Sequence[Result]) -> list[str]:
    splits = {result.run.parameters.get(SPLIT, "") for result in results if result.run is not None} - {""}
    if len(splits) < 2:
        return []
    return ["The runs used different splits of their data: one model may have been trained on cases it is tested on."]


def _areas(results: Sequence[Result], labels: list[str]) -> Measured:
    tables = [read_predictions(result.predictions) for result in results]
    comparisons = [
        compare_predictions(tables[0], table, (labels[0], label), level=LEVEL)
        for table, label in zip(tables[1:], labels[1:], strict=True)
    ]
    images, patients = len(tables[0].image), len(np.unique(tables[0].patient))
    test = "DeLong's test for paired areas, cases of one patient taken together"
    return _measured("auc", "Area under the ROC curve", test, (images, patients), comparisons)


def _located(results: Sequence[Result], labels: list[str]) -> tuple[list[Measured], list[str]]:
    """The measures of located cases that all models have, and a note on each that only some have."""
    paths = [result.file(CASES) for result in results]
    tables = [None if path is None else read_cases(path) for path in paths]
    measures, notes = [], []
    for key, title in MEASURES.items():
        with_it = [table for table in tables if table is not None and key in table.value]
        if len(with_it) == len(tables):
            measures.append(_of_cases(key, title, with_it, labels))
        elif with_it:
            lacking = [
                label for table, label in zip(tables, labels, strict=True) if table is None or key not in table.value
            ]
            notes.append(f"{title} is not compared: {', '.join(lacking)} left no {CASES} with it.")
    return measures, notes


def _of_cases(key: str, title: str, tables: list[Cases], labels: list[str]) -> Measured:
    findings, patient, values = aligned_values(tables, labels, key)
    comparisons = [
        compare_means(values[0], other, findings, patient, (labels[0], label))
        for other, label in zip(values[1:], labels[1:], strict=True)
    ]
    counts = len(patient), len(np.unique(patient))
    test = "permutation test that exchanges the models patient by patient"
    return _measured(key, f"{title}, mean over located images", test, counts, comparisons)


def _measured(key: str, title: str, test: str, counts: tuple[int, int], comparisons: Sequence[Comparison]) -> Measured:
    by_finding = zip(*(comparison.rows for comparison in comparisons), strict=True)
    rows = [_row(row, model) for finding in by_finding for model, row in enumerate(finding, start=1)]
    macros = [comparison.macro for comparison in comparisons]
    several = len({row.finding for row in rows}) > 1
    macro = [_row(row, model) for model, row in enumerate(macros, start=1) if row is not None and several]
    return Measured(key, title, test, *counts, _corrected(rows), _corrected(macro) if len(macro) > 1 else tuple(macro))


def _row(row: ComparisonRow, model: int) -> Row:
    """``evaluation`` gives reference - model; a reader wants to know what the model adds."""
    # 0.0 - x, because -x would make exactly no difference a negative zero.
    difference = Interval(0.0 - row.difference.value, 0.0 - row.difference.upper, 0.0 - row.difference.lower)
    return Row(row.finding, model, row.first, row.second, difference, row.p, math.nan)


def _corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    adjusted = holm([row.p for row in rows]).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def verdict(study: Study, measured: Measured) -> list[str]:
    """In words, one sentence a model: for which findings it is better or worse after Holm's correction."""
    sentences = []
    for model in range(1, len(study.results)):
        rows = [row for row in measured.rows if row.model == model]
        tested = [row for row in rows if not math.isnan(row.p_holm)]
        better = [row.finding for row in tested if row.p_holm < ALPHA and row.difference.value > 0]
        worse = [row.finding for row in tested if row.p_holm < ALPHA and row.difference.value < 0]
        a, b = study.letters[0], study.letters[model]
        if all(row.difference == Interval(0.0, 0.0, 0.0) for row in tested) and tested:
            sentences.append(f"{b} and {a} do not differ at all: every difference is exactly 0.")
            continue
        parts = [f"better than {a} for {', '.join(better)}"] if better else []
        parts += [f"worse than {a} for {', '.join(worse)}"] if worse else []
        rest = len(tested) - len(better) - len(worse)
        said = f"{b} is {' and '.join(parts)}" if parts else f"No difference between {b} and {a} is shown"
        others = f"; no difference is shown for {counted(rest, 'other finding')}" if parts and rest else ""
        untested = len(rows) - len(tested)
        left = f"; {counted(untested, 'finding')} cannot be tested" if untested else ""
        sentences.append(f"{said}{others}{left}.")
    return sentences
