"""Subgroups of a report as tables, with warnings in plain words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from app.pages import numbers
from app.pages.document import Folded, Heading, Note, Part, Table
from app.reporting.groups import GroupRow, TreatmentRow, group_rows, not_grouped, treatment_rows
from evaluation import PredictionTable, untested
from evaluation.cases import FindingResult

MANY_ROWS = 40


def group_parts(table: PredictionTable, warnings: Iterable[str]) -> list[Part]:
    """Warnings, a table per attribute, a table of treatments, and how to read them.

    Args:
        table: Predictions with attributes.
        warnings: More warnings, besides those about treatments.
    """
    treatments, groups, left_out = treatment_rows(table), group_rows(table), not_grouped(table)
    warned = dict.fromkeys((*(row.check.warning for row in treatments if row.check.warning), *warnings))
    parts: list[Part] = [Note(text, "warning") for text in warned]
    for attribute, rows in itertools.groupby(groups, key=lambda row: row.attribute):
        parts += [Heading(f"By {_plain(attribute)}"), _by_attribute(attribute, list(rows))]
    if treatments:
        parts += _treatments(treatments)
    if not groups:
        parts.append("No attribute of the predictions has two groups or more (view, sex, age, source, yes or no).")
    reading = (
        "Cases are present / absent. Each group is tested against all others, with a variance pooled from both; p "
        "(Holm) is corrected over these tests. The intervals of differences allow for groups that vary differently."
    )
    ungrouped = f" Columns that make no groups: {', '.join(left_out)}." if left_out else ""
    return [*parts, Note(f"{reading} {numbers.FEW_NOTE}{ungrouped}")]


def _by_attribute(attribute: str, group: list[GroupRow]) -> Part:
    """A row per group, against all others; if there are two, a row per finding, as each mirrors the other."""
    names = list(dict.fromkeys(each.row.group for each in group))
    if len(names) == 2:
        rows = [_sides_tested(each.finding, each) for each in group if each.row.group == names[0]]
        return folded_if_long(Table(_head("finding", *names), rows))
    rows = []
    for finding, of_finding in itertools.groupby(group, key=lambda row: row.finding):
        for index, each in enumerate(of_finding):
            rows.append(("" if index else finding, *_sides_tested(each.row.group, each)))
    head = ("finding", *_head(_plain(attribute), "inside", "outside"))
    return folded_if_long(Table(head, rows, left=2, group=True))


def _head(first: str, inside: str, outside: str) -> tuple[str, ...]:
    sides = [
        f"{what} {side}{limits}" for side in (inside, outside) for what, limits in (("cases", ""), ("AUC", " [95%]"))
    ]
    return (first, *sides, "difference [95%]", "p", "p (Holm)")


def _sides_tested(first: str, each: GroupRow) -> tuple[str, ...]:
    return (first, *_side(each.row.inside), *_side(each.row.outside), *_tested(each))


def _treatments(treatments: Sequence[TreatmentRow]) -> list[Part]:
    rows = []
    for each in treatments:
        check = each.check
        if math.isnan(check.p):
            continue
        sides = [cell for side in (check.treated, check.untreated) for cell in (str(side.present), _area(side))]
        p = numbers.p_value(check.p), numbers.p_value(check.p_holm)
        tested = numbers.difference(check.difference), *p, numbers.limits(check.treatment)
        rows.append((each.finding, _plain(each.treatment), *sides, *tested))
    reading = (
        "Present cases with and without a visible treatment, each against the same absent cases; p (Holm) is corrected "
        "over these tests. The last column shows how well the score tells absent cases with the treatment from those "
        "without: 0.5 if it ignores the treatment."
    )
    head = ("finding", "treatment", "present with", "AUC with [95%]", "present without", "AUC without [95%]")
    table = Table((*head, "difference [95%]", "p", "p (Holm)", "AUC of treatment"), rows, left=2)
    left_out = [Note(text) for text in untested([each.check for each in treatments])]
    shown = [reading, folded_if_long(table)] if rows else []
    return [Heading("Recognised by its treatment?"), *shown, *left_out]


def _tested(each: GroupRow) -> tuple[str, str, str]:
    """Difference and p-values, or why there are none; empty if the row mirrors the one before it."""
    if math.isnan(each.p_holm) and not math.isnan(each.row.p):
        return "", "", ""
    difference = numbers.difference(each.row.difference)
    if each.row.not_tested:
        return difference, each.row.not_tested, ""
    return difference, numbers.p_value(each.row.p), numbers.p_value(each.p_holm)


def _side(result: FindingResult) -> tuple[str, str]:
    return f"{result.present} / {result.absent}", _area(result)


def _area(result: FindingResult) -> str:
    return numbers.limits(result) + numbers.few_mark(result.present_patients, result.absent_patients)


def folded_if_long(table: Table) -> Part:
    """The table, which opens on a click if it has many rows."""
    return Folded(f"{len(table.rows)} rows", [table]) if len(table.rows) > MANY_ROWS else table


def _plain(name: str) -> str:
    return name.replace("_", " ")
