"""Two or more models on the same cases, each compared with the first. A model is one run, or several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.comparing.calls import SHARES, called_alike, recorded_thresholds, right_calls, without_thresholds
from app.comparing.cases import MEASURES, Cases, aligned_values, read_cases
from app.comparing.declared_margins import ANY, margin_of
from app.comparing.measured_alike import measured_alike
from app.comparing.methods import Method
from app.comparing.run_files import CASES, LESIONS, RunFiles
from evaluation import PredictionTable, compare_calls, compare_means, compare_predictions, holm, read_predictions
from evaluation.cases import FindingResult, Interval
from evaluation.compare import Comparison, ComparisonRow, aligned
from evaluation.margins import MarginTest, holm_margins, opposite
from evaluation.seeds import compare_repeated_means, compare_repeated_predictions

Tables = Sequence[Sequence[PredictionTable]]
LEVEL = 0.95
SPLIT = "data.split_fingerprint"
FEW_RUNS = 2
AFROC = "Area under the AFROC curve (JAFROC)"
RANKED = ("auc", "afroc")
"""Measures of present cases against absent ones, or of lesions against normal images."""
CALLS_TEST = "McNemar's exact test; if patients have several images, exact by exchanging the models patient by patient"
CALLS_NOTE = (
    "Sensitivity and specificity are those at the thresholds that each run recorded. What a model gains in one by a "
    "lower or higher threshold it loses in the other: read them together."
)
SEEDS_TEST = "Student's, where patients and seeds both vary (Obuchowski and Rockette, seeds as readers)"


@dataclass(frozen=True)
class ModelRow:
    """One finding of one model, compared with the reference.

    Attributes:
        model: Index of the model; the reference is 0.
        difference: Model - reference.
        p: Two-sided, uncorrected.
        p_holm: Corrected over all rows of the measure; NaN if the row is the only question of its kind.
        margin: The model against the reference within the declared margin, if there is one, uncorrected.
        margin_holm: The same, corrected like ``p_holm``; uncorrected if the row is the only question of its kind.
    """

    finding: str
    model: int
    reference: FindingResult
    result: FindingResult
    difference: Interval
    p: float
    p_holm: float
    margin: MarginTest | None = None
    margin_holm: MarginTest | None = None


@dataclass(frozen=True)
class MeasureComparison:
    """One measure of all models.

    Attributes:
        key: ``auc``, ``dice``, ...
        test: How differences are tested.
        rows: One per finding and model, ordered by finding.
        macro: One per model for the mean over findings; empty for a single finding and for means without a test.
        margin: The largest difference that does not matter, if it was declared.
    """

    key: str
    title: str
    test: str
    images: int
    patients: int
    rows: tuple[ModelRow, ...]
    macro: tuple[ModelRow, ...]
    margin: float | None = None

    @property
    def all_rows(self) -> tuple[ModelRow, ...]:
        """The rows of findings, then those of the mean over findings."""
        return (*self.rows, *self.macro)


@dataclass(frozen=True)
class RunComparison:
    """A comparison of methods; the first is the reference. ``notes`` say what was left out, and what to beware of."""

    methods: tuple[Method, ...]
    measures: tuple[MeasureComparison, ...]
    notes: tuple[str, ...]

    @property
    def runs(self) -> tuple[RunFiles, ...]:
        """The runs of all methods."""
        return tuple(run for method in self.methods for run in method.runs)

    @property
    def letters(self) -> str:
        """The models' names in tables and pictures: ABC..."""
        return "ABCDEFGH"[: len(self.methods)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models; if two have the same name, the words that named them on the command line."""
        names = [method.name for method in self.methods]
        return tuple(each.name if names.count(each.name) == 1 else each.word for each in self.methods)


def compare_methods(methods: Sequence[Method], margins: Mapping[str, float] | None = None) -> RunComparison:
    """Compare every method with the first.

    Args:
        methods: Two to eight, as ``open_methods`` gives them.
        margins: As ``parse_margins`` gives them.

    Raises:
        DifferentCasesError: Not all are about the same cases with the same labels; says what differs.
        ValueError: A file cannot be read.
    """
    comparison = RunComparison(tuple(methods), (), ())
    labels = [f"{letter} ({name})" for letter, name in zip(comparison.letters, comparison.names, strict=True)]
    tables = [[read_predictions(run.predictions) for run in method.runs] for method in methods]
    areas = _areas(("auc", "Area under the ROC curve"), tables, labels, margin_of(margins or {}, "auc"))
    calls, note = _calls(methods, tables, labels, margins or {})
    problem, warnings = measured_alike(methods, labels)
    located, notes = _located(methods, labels, problem, margins or {})
    notes += [note] if note else []
    lesions, more = _lesions(methods, labels, problem, margin_of(margins or {}, "afroc"))
    notes += more
    splits = {run.run.tags.get(SPLIT, "") for run in comparison.runs if run.run is not None} - {""}
    if len(splits) > 1:
        notes.append(
            "The runs used different splits of their data: one model may have been trained on cases it is tested on."
        )
    if min(len(method.runs) for method in methods) == FEW_RUNS:
        notes.append(
            "A method has two runs: if seeds matter much more in one method than in another, tests then err more often "
            "than they say. Three runs or more of each are safe."
        )
    measures = areas, *calls, *located, *lesions
    unused = (margins or {}).keys() - {measure.key for measure in measures} - {ANY}
    if unused:
        notes.append(f"The margin of {', '.join(sorted(unused))} was not used: no such measure is compared.")
    return replace(comparison, measures=measures, notes=(*notes, *warnings))


def _areas(about: tuple[str, str], tables: Tables, labels: list[str], margin: float | None) -> MeasureComparison:
    """Areas of methods, each with the tables of its runs; ``about`` is the key and the title."""
    reference, is_single = tables[0], len(tables[0]) == 1
    comparisons = []
    for table, label in zip(tables[1:], labels[1:], strict=True):
        names = labels[0], label
        if is_single:
            comparisons.append(compare_predictions(reference[0], table[0], names, level=LEVEL, margin=margin))
        else:
            comparisons.append(compare_repeated_predictions(reference, table, names, LEVEL, margin))
    counts = len(reference[0].image), len(np.unique(reference[0].patient))
    test = "DeLong's for paired areas, cases of one patient taken together" if is_single else SEEDS_TEST
    return _measure((*about, test), counts, comparisons, margin)


def _lesions(
    methods: Sequence[Method], labels: list[str], problem: str, margin: float | None
) -> tuple[list[MeasureComparison], list[str]]:
    """The area under the AFROC curve if all runs say how lesions and normal images were marked, else a note."""
    paths = [[run.file(LESIONS) for run in method.runs] for method in methods]
    if not any(path for of_method in paths for path in of_method):
        return [], []
    lacking = [label for label, of_method in zip(labels, paths, strict=True) if None in of_method]
    if lacking:
        return [], [f"{AFROC} is not compared: {', '.join(lacking)} left no {LESIONS}."]
    if problem:
        return [], [f"{AFROC} is not compared, as regions were not measured alike ({problem})."]
    tables = [[read_predictions(path) for path in of_method if path] for of_method in paths]
    return [_areas(("afroc", AFROC), tables, labels, margin)], []


def _calls(
    methods: Sequence[Method], tables: Tables, labels: list[str], margins: Mapping[str, float]
) -> tuple[list[MeasureComparison], str]:
    """Sensitivity and specificity at each run's own thresholds, and a note on what was not, or only so, compared."""
    first, names = tables[0][0], [label for method, label in zip(methods, labels, strict=True) for _ in method.runs]
    same = [
        [aligned(first, table, (labels[0], label)) for table in of] for of, label in zip(tables, labels, strict=True)
    ]
    kept = [
        [recorded_thresholds(run, table) for run, table in zip(method.runs, of, strict=True)]
        for method, of in zip(methods, same, strict=True)
    ]
    note = without_thresholds([each for of in kept for each in of], names)
    if any(each is None for of in kept for each in of):
        return [], note
    measures = []
    for key, title in SHARES.items():
        runs = [
            [right_calls(table, each, key) for table, each in zip(of, thresholds, strict=True) if each is not None]
            for of, thresholds in zip(same, kept, strict=True)
        ]
        margin = margin_of(margins, key)
        if len(runs[0]) == 1:
            comparisons = [
                compare_calls(*pair, first.findings, first.patient, margin, called_alike(first, other[0], pair))
                for other, pair in zip(same[1:], ((runs[0][0], each[0]) for each in runs[1:]), strict=True)
            ]
        else:
            comparisons = [
                compare_repeated_means(runs[0], other, first.findings, first.patient, margin) for other in runs[1:]
            ]
        about = (key, f"{title} at each run's own threshold", CALLS_TEST if len(runs[0]) == 1 else SEEDS_TEST)
        counts = len(first.image), len(np.unique(first.patient))
        measures.append(_measure(about, counts, comparisons, margin))
    return measures, CALLS_NOTE


def _located(
    methods: Sequence[Method], labels: list[str], problem: str, margins: Mapping[str, float]
) -> tuple[list[MeasureComparison], list[str]]:
    """The measures of located cases that all runs have, and a note on each that is not compared."""
    runs = [(run, label) for method, label in zip(methods, labels, strict=True) for run in method.runs]
    paths = [run.file(CASES) for run, _ in runs]
    tables = [Cases({}, {}) if path is None else read_cases(path) for path in paths]
    measures, notes = [], []
    for key, title in MEASURES.items():
        lacking = dict.fromkeys(label for table, (_, label) in zip(tables, runs, strict=True) if key not in table.value)
        if lacking and any(key in table.value for table in tables):
            notes.append(f"{title} is not compared: {', '.join(lacking)} left no {CASES} with it.")
        elif not lacking and problem:
            notes.append(f"{title} is not compared, as regions were not measured alike ({problem}).")
        elif not lacking:
            names = [f"{label}, {run.name}" if len(runs) > len(methods) else label for run, label in runs]
            sizes = [len(method.runs) for method in methods]
            measures.append(_of_cases((key, title), tables, names, sizes, margin_of(margins, key)))
    return measures, notes


def _of_cases(
    measure: tuple[str, str], tables: list[Cases], names: list[str], sizes: list[int], margin: float | None
) -> MeasureComparison:
    """A measure of methods with so many runs each, whose tables follow one another."""
    key, title = measure
    findings, patient, values = aligned_values(tables, names, key)
    ends = np.cumsum(sizes).tolist()
    runs = [values[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    if len(runs[0]) == 1:
        comparisons = [compare_means(runs[0][0], other[0], findings, patient, margin) for other in runs[1:]]
        test = "permutation that exchanges the models patient by patient"
    else:
        comparisons = [compare_repeated_means(runs[0], other, findings, patient, margin) for other in runs[1:]]
        test = SEEDS_TEST
    counts = len(patient), len(np.unique(patient))
    return _measure((key, f"{title}, mean over located images", test), counts, comparisons, margin)


def _measure(
    about: tuple[str, str, str], counts: tuple[int, int], comparisons: Sequence[Comparison], margin: float | None
) -> MeasureComparison:
    """A measure with its key, title and test, from one comparison per model."""
    by_finding = zip(*(comparison.rows for comparison in comparisons), strict=True)
    rows = [_row(row, model) for finding in by_finding for model, row in enumerate(finding, start=1)]
    macros = [comparison.macro for comparison in comparisons]
    several = len({row.finding for row in rows}) > 1
    macro = [_row(row, model) for model, row in enumerate(macros, start=1) if row is not None and several]
    corrected = _corrected(macro) if len(macro) > 1 else tuple(replace(row, margin_holm=row.margin) for row in macro)
    return MeasureComparison(*about, *counts, _corrected(rows), corrected, margin)


def _row(row: ComparisonRow, model: int) -> ModelRow:
    difference = opposite(row.difference)
    return ModelRow(row.finding, model, row.first, row.second, difference, row.p, math.nan, row.margin)


def _corrected(rows: Sequence[ModelRow]) -> tuple[ModelRow, ...]:
    adjusted = holm([row.p for row in rows]).tolist()
    within = holm_margins([row.margin for row in rows])
    return tuple(replace(row, p_holm=p, margin_holm=each) for row, p, each in zip(rows, adjusted, within, strict=True))
