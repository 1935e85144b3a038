"""The metrics of a run as tables: one row per finding, measures of one kind side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from app.pages import numbers, page
from evaluation.cases import Interval

NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
    "brier": "Brier score",
    "f1": "F1",
    "iou": "IoU",
    "iou_accuracy": "IoU accuracy",
    "ior_accuracy": "IoR accuracy",
    "dice": "Dice, mean over images",
    "dice_aggregated": "Dice, all pixels together",
    "hausdorff_95": "95% Hausdorff distance",
    "normalised_surface_distance": "normalised surface distance",
}
KINDS = {
    "Present or absent": ("auc", "average_precision"),
    "At the threshold chosen beforehand": ("sensitivity", "specificity", "precision", "f1", "accuracy"),
    "Calibration": ("brier", "calibration_error"),
    "Where it is": ("dice", "dice_aggregated", "iou", "ior", "hit"),
    "Its boundary": ("hausdorff_95", "normalised_surface_distance"),
}
HEADLINES = ("auc", "average_precision", "dice")
BY_GROUP = "auc_by"
"""Prefix of areas by group; the report shows them with their tests, among the subgroups."""
COUNTS = (
    *("present", "absent", "unknown", "present_patients", "absent_patients", "images", "patients", "findings"),
    *("missed", "without_spacing"),
)
PATIENTS_OF = {"present_patients": "present", "absent_patients": "absent", "patients": "images"}
"""Numbers of patients, and the numbers of cases that they are equal to if every patient has a single image."""
"""Counts; other numbers beside a value, such as thresholds, have decimals."""


@dataclass(frozen=True)
class MetricValue:
    """A value of ``metrics.json``.

    Attributes:
        path: Names from the measure to the finding, such as ("auc_by_view", "PA", "Nodule").
        interval: The value with its limits; NaN if undefined or absent.
        counts: The other numbers of its entry (present, absent, unknown, images, threshold, ...).
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
        entries.append((_capitalised(_name(measure)), numbers.value(interval.value), _finding(name) + limits))
    return entries


def metric_parts(values: Sequence[MetricValue]) -> list[Markup]:
    """Tables by kind of measure, then one for every other measure."""
    parts: list[Markup] = []
    for kind, names in KINDS.items():
        measures = {name: by_finding for name in names if (by_finding := _by_finding(values, name))}
        if measures:
            parts += [page.subheading(kind), _side_by_side(measures)]
    known = set(itertools.chain.from_iterable(KINDS.values()))
    others = [value for value in values if value.path[0] not in known and not value.path[0].startswith(BY_GROUP)]
    for name, of_measure in itertools.groupby(others, key=lambda value: value.path[0]):
        parts += [page.subheading(_capitalised(_name(name))), _one_measure(list(of_measure))]
    return [
        *parts,
        page.note(f"Intervals are of 95%, cases of one patient taken together. {numbers.FEW_NOTE}", "quiet"),
    ]


def _by_finding(values: Sequence[MetricValue], measure: str) -> dict[str, MetricValue]:
    return {value.path[1]: value for value in values if value.path[0] == measure and len(value.path) == 2}


def _side_by_side(measures: Mapping[str, Mapping[str, MetricValue]]) -> Markup:
    """A column per measure, after its counts; counts that measures share are shown once."""
    findings = list(dict.fromkeys(itertools.chain.from_iterable(measures.values())))
    if len(findings) == 2 and "macro" in findings:
        findings.remove("macro")  # the mean of a single finding
    columns = [["finding", *map(_finding, findings)]]
    for measure, by_finding in measures.items():
        values = [by_finding.get(finding) for finding in findings]
        for name in _count_names(by_finding.values()):
            counts = [_plain(name), *(_count(value, name) for value in values)]
            if any(counts[1:]) and counts not in columns:
                columns.append(counts)
        has_limits = any(not math.isnan(value.interval.lower) for value in by_finding.values())
        columns.append([_name(measure) + " [95%]" * has_limits, *map(_value, values)])
    head, *rows = zip(*columns, strict=True)
    return page.table(head, rows)


def _one_measure(values: Sequence[MetricValue]) -> Markup:
    """A table of one measure; names between measure and finding, such as a view, get columns of their own."""
    depth = max(len(value.path) for value in values) - 1
    counts = _count_names(values)
    head = (*[""] * (depth - 1), "finding", "value [95%]", *map(_plain, counts))
    rows = []
    for value in values:
        names = [*map(_finding, value.path[1:]), *[""] * depth][:depth]
        rows.append((*names, _value(value), *(_count(value, name) for name in counts)))
    return page.table(head, rows, left=depth)


def _count_names(values: Iterable[MetricValue]) -> list[str]:
    """Names of the numbers beside the values; patients are left out if every one has a single image."""
    counts = [value.counts for value in values]
    names = dict.fromkeys(name for each in counts for name in each)
    repeats = {p for p, cases in PATIENTS_OF.items() if all(each.get(p) in (None, each.get(cases)) for each in counts)}
    return [name for name in names if name not in repeats]


def _value(value: MetricValue | None) -> str:
    if value is None:
        return ""
    # Results of earlier versions do not say how many patients there are.
    patients = (value.counts.get(name, value.counts.get(cases, math.inf)) for name, cases in PATIENTS_OF.items())
    return numbers.limits(value.interval) + numbers.few_mark(*patients)


def _count(value: MetricValue | None, name: str) -> str:
    if value is None or name not in value.counts:
        return ""
    return f"{value.counts[name]:,.0f}" if name in COUNTS else f"{value.counts[name]:.3f}"


def _number(value: object) -> float:
    """A number of JSON; NaN for null and anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _finding(name: str) -> str:
    return "macro average" if name == "macro" else name


def _name(measure: str) -> str:
    return NAMES.get(measure, _plain(measure))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
