"""The metrics of a run as tables: one row per finding, measures of one kind side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from app.pages import numbers
from app.pages.document import Folded, Heading, Note, Part, Table
from evaluation.cases import Interval

NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
    "calibration_error_debiased": "debiased calibration error",
    "calibration_intercept": "intercept",
    "calibration_slope": "slope",
    "brier": "Brier score",
    "brier_scaled": "scaled Brier score",
    "f1": "F1",
    "partial_auc": "partial AUC (McClish's)",
    "positive_likelihood_ratio": "likelihood ratio of a call",
    "negative_likelihood_ratio": "likelihood ratio of no call",
    "precision_at_prevalence": "precision",
    "negative_predictive_value_at_prevalence": "negative predictive value",
    "iou": "IoU",
    "iou_accuracy": "IoU accuracy",
    "ior_accuracy": "IoR accuracy",
    "dice": "Dice, mean over images",
    "dice_aggregated": "Dice, all pixels together",
    "lroc_area": "LROC area",
    "afroc_area": "AFROC area (JAFROC)",
    "weighted_afroc_area": "weighted AFROC area",
    "froc_sensitivity": "FROC: lesions found",
    "hausdorff_95": "95% Hausdorff distance",
    "normalised_surface_distance": "normalised surface distance",
}
"""Words for measures, if not those of their names."""
KINDS = {
    "Present or absent": ("auc", "average_precision"),
    "At the threshold chosen beforehand": ("sensitivity", "specificity", "precision", "f1", "accuracy"),
    "What a call, or none, means": (
        "negative_predictive_value",
        "positive_likelihood_ratio",
        "negative_likelihood_ratio",
    ),
    "Where findings are as frequent as stated": ("precision_at_prevalence", "negative_predictive_value_at_prevalence"),
    "Calibration": (
        *("brier", "brier_scaled", "calibration_error", "calibration_error_debiased"),
        *("calibration_intercept", "calibration_slope"),
    ),
    "Where it is": ("dice", "dice_aggregated", "hit_rate"),
    "Lesions against normal images": ("lroc_area", "afroc_area", "weighted_afroc_area"),
    "Its boundary": ("hausdorff_95", "normalised_surface_distance"),
}
"""Measures that share a table, findings down and measures across, in this order. Others share the last table."""
OTHERS = "Other measures"
HEADLINES = ("auc", "average_precision", "dice")
BY_GROUP = "auc_by"
"""Prefix of areas by group; the report shows them with their tests, among the subgroups."""
HIDDEN = ("logit_threshold", "findings")
"""Numbers beside a value that have no column: the same as another one, or said with the name of the macro average."""
PATIENTS_OF = {"present_patients": "present", "absent_patients": "absent", "patients": "images"}
"""Numbers of patients, and the numbers of cases that they are equal to if every patient has a single image."""
MOST_LEVELS = 10
"""Columns of a table of one measure at several levels, such as T."""
Columns = list[tuple[str, ...]]


@dataclass(frozen=True)
class MetricValue:
    """A value of ``metrics.json``.

    Attributes:
        path: Names from the measure to the finding, such as ("auc_by_view", "PA", "Nodule").
        interval: The value with its limits; NaN if undefined or absent.
        counts: The other numbers of its entry: whole ones (present, absent, unknown, images, ...) and thresholds.
    """

    path: tuple[str, ...]
    interval: Interval
    counts: Mapping[str, float]


def metric_values(metrics: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[MetricValue]:
    """Every entry of ``metrics.json`` that has a ``value``.

    Example:
        >>> [value.path for value in metric_values({"section": "test", "auc": {"Nodule": {"value": 0.75}}})]
        [('auc', 'Nodule')]
    """
    for name, entry in metrics.items():
        if not isinstance(entry, dict):
            continue
        if "value" not in entry:
            yield from metric_values(entry, (*path, name))
            continue
        interval = Interval(*(_number(entry.get(key)) for key in ("value", "lower", "upper")))
        counts = {key: _number(value) for key, value in entry.items() if key not in vars(interval)}
        yield MetricValue((*path, name), interval, {key: x for key, x in counts.items() if not math.isnan(x)})


def headlines(values: Sequence[MetricValue]) -> list[tuple[str, str, str]]:
    """Name, value and interval of the measures that matter most: the mean over findings, or the only finding."""
    entries = []
    for measure in HEADLINES:
        by_finding = _by_finding(values, measure)
        if "macro" not in by_finding:
            continue
        name = "macro" if len(by_finding) != 2 else next(finding for finding in by_finding if finding != "macro")
        interval = by_finding[name].interval
        limits = "" if math.isnan(interval.lower) else f", 95%: {interval.lower:.3f} to {interval.upper:.3f}"
        entries.append((_capitalised(measure_name(measure)), numbers.value(interval.value), _macro(name) + limits))
    return entries


def metric_parts(values: Sequence[MetricValue]) -> list[Part]:
    """Tables of findings by measures, one for each kind, then a table for each measure that has several levels."""
    parts = _parts(values, {*itertools.chain.from_iterable(KINDS.values()), *_flat_measures(values)})
    return [*parts, Note(f"Intervals are of 95%, cases of one patient taken together. {numbers.FEW_NOTE}")]


def measure_name(measure: str) -> str:
    """How a measure of ``metrics.json`` is called.

    Example:
        >>> measure_name("auc"), measure_name("hit_rate")
        ('AUC', 'hit rate')
    """
    return NAMES.get(measure, _plain(measure))


def _parts(values: Sequence[MetricValue], measures: AbstractSet[str]) -> list[Part]:
    """Tables; what holds measures itself, such as a report by study, is folded under its name."""
    reports = dict.fromkeys(v.path[0] for v in values if v.path[0] not in measures and measures & {*v.path[1:-1]})
    own = _with_single_levels([v for v in values if v.path[0] not in reports and not v.path[0].startswith(BY_GROUP)])
    parts: list[Part] = []
    shown: Columns = []
    flat = _flat_measures(own)
    kinds = KINDS | {OTHERS: tuple(name for name in flat if name not in itertools.chain.from_iterable(KINDS.values()))}
    for kind, names in kinds.items():
        if used := {name: flat[name] for name in names if name in flat}:
            parts += [Heading(kind), _side_by_side(used, shown)]
    levelled = [value for value in own if len(value.path) > 2]
    for name, of_measure in itertools.groupby(levelled, key=lambda value: value.path[0]):
        parts += [Heading(_capitalised(measure_name(name))), _at_levels(list(of_measure))]
    for name in reports:
        inner = [replace(value, path=value.path[1:]) for value in values if value.path[0] == name]
        parts.append(Folded(_capitalised(_plain(name)), _parts(inner, measures)))
    return parts


def _with_single_levels(values: Sequence[MetricValue]) -> list[MetricValue]:
    """The values; of a measure at a single level, such as a specificity of 0.9, the level becomes part of its name."""
    levels: dict[str, set[tuple[str, ...]]] = {}
    for value in values:
        levels.setdefault(value.path[0], set()).add(value.path[1:-1])
    single = {name: " ".join(*each) for name, each in levels.items() if len(each) == 1 and each != {()}}
    return [
        replace(value, path=(f"{measure_name(name)} ({single[name]})", value.path[-1])) if name in single else value
        for value in values
        for name in value.path[:1]
    ]


def _flat_measures(values: Sequence[MetricValue]) -> dict[str, dict[str, MetricValue]]:
    """Measures that have a value for each finding, by name and finding."""
    measures: dict[str, dict[str, MetricValue]] = {}
    for value in values:
        if len(value.path) == 2:
            measures.setdefault(value.path[0], {})[value.path[1]] = value
    return measures


def _by_finding(values: Sequence[MetricValue], measure: str) -> dict[str, MetricValue]:
    return _flat_measures(values).get(measure, {})


def _side_by_side(measures: Mapping[str, Mapping[str, MetricValue]], shown: Columns) -> Table:
    """A column per measure, after its counts; counts that were shown before are not repeated, and are added to them."""
    findings = _findings(itertools.chain.from_iterable(measures.values()))
    columns: Columns = [("finding", *(_finding(name, measures.values()) for name in findings))]
    for measure, by_finding in measures.items():
        values = [by_finding.get(finding) for finding in findings]
        for counts in _count_columns(values):
            if counts not in shown:
                columns.append(counts)
                shown.append(counts)
        columns.append((measure_name(measure) + _limits_mark(values), *map(_value, values)))
    head, *rows = zip(*columns, strict=True)
    return Table(head, rows)


def _at_levels(values: Sequence[MetricValue]) -> Table:
    """A table of one measure: levels, such as T, across; if they are many or differ in their counts, down."""
    levels = list(dict.fromkeys(" ".join(value.path[1:-1]) for value in values))
    by_level = {
        level: {value.path[-1]: value for value in values if " ".join(value.path[1:-1]) == level} for level in levels
    }
    findings = _findings(value.path[-1] for value in values)
    cells = [[by_level[level].get(finding) for finding in findings] for level in levels]
    counts = {tuple(_count_columns(column)) for column in cells}
    if len(levels) > MOST_LEVELS or len(counts) > 1:
        return _one_below_the_other(values)
    columns = [("finding", *(_finding(name, by_level.values()) for name in findings)), *counts.pop()]
    for level, column in zip(levels, cells, strict=True):
        columns.append((_plain(level) + _limits_mark(column), *map(_value, column)))
    head, *rows = zip(*columns, strict=True)
    return Table(head, rows)


def _one_below_the_other(values: Sequence[MetricValue]) -> Table:
    """A row per value; names between measure and finding, such as a view, have columns of their own."""
    depth = max(len(value.path) for value in values) - 1
    columns = _count_columns(values)
    names = [[*map(_macro, value.path[1:]), *[""] * depth][:depth] for value in values]
    rows = [
        (*words, _value(value), *(column[1 + index] for column in columns))
        for index, (words, value) in enumerate(zip(names, values, strict=True))
    ]
    head = (*[""] * (depth - 1), "finding", "value [95%]", *(column[0] for column in columns))
    return Table(head, rows, left=depth)


def _findings(names: Iterable[str]) -> list[str]:
    """Each finding once; without the macro average of a single one."""
    findings = list(dict.fromkeys(names))
    return [name for name in findings if name != "macro"] if len(findings) == 2 else findings


def _count_columns(values: Sequence[MetricValue | None]) -> Columns:
    """The numbers beside the values, as columns with their names; without those that say nothing more."""
    counts = [{} if value is None else value.counts for value in values]
    names = dict.fromkeys(name for each in counts for name in each if name not in HIDDEN)
    repeats = {p for p, cases in PATIENTS_OF.items() if all(each.get(p) in (None, each.get(cases)) for each in counts)}
    repeats |= {"unknown"} if not any(each.get("unknown") for each in counts) else set()
    chosen = [name for name in names if name not in repeats]
    return [(_plain(name), *(_count(each.get(name)) for each in counts)) for name in chosen]


def _value(value: MetricValue | None) -> str:
    if value is None:
        return ""
    # Results of earlier versions do not say how many patients there are.
    patients = (value.counts.get(name, value.counts.get(cases, math.inf)) for name, cases in PATIENTS_OF.items())
    return numbers.limits(value.interval) + numbers.few_mark(*patients)


def _limits_mark(values: Sequence[MetricValue | None]) -> str:
    has_limits = any(value is not None and not math.isnan(value.interval.lower) for value in values)
    return " [95%]" if has_limits else ""


def _count(number: float | None) -> str:
    """A count as a whole number, any other number with decimals."""
    if number is None:
        return ""
    return f"{number:,}" if isinstance(number, int) else f"{number:.3f}"


def _number(value: object) -> float:
    """A number of JSON, whole if it is; NaN for null and anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _finding(name: str, measures: Iterable[Mapping[str, MetricValue]]) -> str:
    """A finding's name; with the macro average, over how many findings it is, if that is the same for all measures."""
    if name != "macro":
        return name
    counts = {each[name].counts.get("findings") for each in measures if name in each}
    count = next(iter(counts)) if len(counts) == 1 else None
    return "macro average" if count is None else f"macro average of {int(count)}"


def _macro(name: str) -> str:
    return "macro average" if name == "macro" else name


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
