"""What a run reached, as tables of a report: one row a finding, measures of one kind side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from app.pages import numbers, page
from app.pages.page import Html
from app.reporting.report import Value
from evaluation.cases import Interval

FEW = 10
"""Present or absent cases below which an interval promises more than it holds (see docs/evaluation.md)."""
NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
    "brier": "Brier score",
    "f1": "F1",
    "iou": "IoU",
    "dice": "Dice, mean over images",
    "dice_aggregated": "Dice, all pixels together",
}
KINDS = {
    "Present or absent": ("auc", "average_precision"),
    "At the threshold chosen beforehand": ("sensitivity", "specificity", "precision", "f1", "accuracy"),
    "Calibration": ("brier", "calibration_error"),
    "Where it is": ("dice", "dice_aggregated", "iou", "ior", "hit"),
}
HEADLINES = ("auc", "average_precision", "dice")
BY_GROUP = "auc_by"
"""Areas in groups begin with it; a report tells them with their tests, among the subgroups."""
COUNTS = ("present", "absent", "unknown", "images")


def headlines(values: Sequence[Value]) -> list[tuple[str, str, str]]:
    """What, value and interval of the measures that matter most: over findings, or of the only one."""
    entries = []
    for measure in HEADLINES:
        of = _findings(values, measure)
        shown = next((value for value in of if value.path[-1] == "macro"), None)
        if len(of) == 2:
            shown = next(value for value in of if value.path[-1] != "macro")
        if shown is None:
            continue
        limits = "" if math.isnan(shown.lower) else f", 95%: {shown.lower:.3f} to {shown.upper:.3f}"
        entries.append((_first_large(name_of(measure)), numbers.value(shown.value), _finding(shown.path[-1]) + limits))
    return entries


def reached(values: Sequence[Value]) -> list[Html]:
    """Tables by kind of measure, then of every measure that no kind knows."""
    parts: list[Html] = []
    known = {measure for kind in KINDS.values() for measure in kind}
    for heading, measures in KINDS.items():
        present = [measure for measure in measures if _findings(values, measure)]
        if present:
            parts += [_heading(heading), _side_by_side(values, present)]
    others = [value for value in values if value.path[0] not in known and not value.path[0].startswith(BY_GROUP)]
    for measure, found in itertools.groupby(others, key=lambda value: value.path[0]):
        parts += [_heading(name_of(measure)), _one_measure(list(found))]
    return [*parts, page.note(f"Intervals are of 95%, cases of one patient taken together. {few_words()}", "quiet")]


def few_mark(present: float, absent: float) -> str:
    """A star where an interval rests on few cases."""
    return " *" if 0 < min(present, absent) < FEW else ""


def few_words() -> str:
    """What the star means."""
    return (
        f"* fewer than {FEW} present or absent cases, with which an interval misses the true value more often "
        "than one time in 20."
    )


def name_of(measure: str) -> str:
    """A measure as people call it."""
    return NAMES.get(measure, measure.replace("_", " "))


def _side_by_side(values: Sequence[Value], measures: Sequence[str]) -> Html:
    by_place = {value.path: value for value in values}
    findings = list(dict.fromkeys(value.path[1] for measure in measures for value in _findings(values, measure)))
    if len(findings) == 2 and "macro" in findings:
        findings.remove("macro")  # of a single finding it says nothing new
    counts, own = _counts(values, measures)
    head = ["finding", *counts]
    for measure in measures:
        has_limits = any(not math.isnan(value.lower) for value in _findings(values, measure))
        head += [name_of(measure) + " [95%]" * has_limits, *(name.replace("_", " ") for name in own[measure])]
    rows = []
    for finding in findings:
        first = next((by_place[m, finding] for m in measures if (m, finding) in by_place), None)
        row = [_finding(finding), *(_number(first, name) for name in counts)]
        for measure in measures:
            value = by_place.get((measure, finding))
            row += [_shown(value), *(_number(value, name) for name in own[measure])]
        rows.append(row)
    return page.table(head, rows)


def _counts(values: Sequence[Value], measures: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """What stands beside the values: names common to all measures, with equal numbers, and each measure's others."""
    of = {measure: _findings(values, measure) for measure in measures}
    names = {m: list(dict.fromkeys(name for value in found for name in value.counts)) for m, found in of.items()}
    numbers = {
        (m, name): {value.path[-1]: value.counts[name] for value in found if name in value.counts}
        for m, found in of.items()
        for name in names[m]
    }
    first = measures[0]
    common = [
        name
        for name in names[first]
        if all(numbers.get((measure, name)) == numbers[first, name] for measure in measures)
    ]
    return common, {measure: [name for name in names[measure] if name not in common] for measure in measures}


def _one_measure(entries: Sequence[Value]) -> Html:
    """A table of one measure; deeper paths (such as a view) get columns of their own."""
    depth = max(len(value.path) for value in entries) - 1
    counts = list(dict.fromkeys(name for value in entries for name in value.counts))
    head = (*[""] * (depth - 1), "finding", "value [95%]", *(name.replace("_", " ") for name in counts))
    rows = []
    for value in entries:
        names = [_finding(name) for name in value.path[1:]]
        rows.append((*names, *[""] * (depth - len(names)), _shown(value), *(_number(value, name) for name in counts)))
    return page.table(head, rows, left=depth)


def _findings(values: Sequence[Value], measure: str) -> list[Value]:
    return [value for value in values if value.path[0] == measure and len(value.path) == 2]


def _shown(value: Value | None) -> str:
    if value is None:
        return ""
    few = few_mark(value.counts.get("present", math.inf), value.counts.get("absent", math.inf))
    return numbers.limits(Interval(value.value, value.lower, value.upper)) + few


def _number(value: Value | None, name: str) -> str:
    if value is None or name not in value.counts:
        return ""
    return f"{value.counts[name]:,.0f}" if name in COUNTS else f"{value.counts[name]:.3f}"


def _finding(name: str) -> str:
    return "macro average" if name == "macro" else name


def _heading(text: str) -> Html:
    return Html(f"<h3>{page.escaped(_first_large(text))}</h3>")


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]
