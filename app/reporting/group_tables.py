"""Subgroups of a report as tables, with warnings in plain words."""

from __future__ import annotations

import itertools
import math

from app.pages import numbers, page
from app.pages.page import Html
from app.reporting.groups import GroupRow
from app.reporting.reached import few_mark, few_words
from app.reporting.report import Report
from evaluation.cases import FindingResult

MANY_ROWS = 40


def group_parts(report: Report) -> list[str]:
    """Warnings, a table an attribute, a table of treatments, and how to read them."""
    parts: list[str] = [page.note(text, "warning") for text in report.warnings]
    for attribute, found in itertools.groupby(report.groups, key=lambda row: row.attribute):
        parts += [Html(f"<h3>By {page.escaped(_plain(attribute))}</h3>"), _by_attribute(attribute, list(found))]
    if report.treatments:
        parts += _treatments(report)
    if not report.groups:
        parts.append("The predictions have no attribute with two groups or more (view, sex, age, source, yes or no).")
    left = f" Columns that make no groups: {', '.join(report.ungrouped)}." if report.ungrouped else ""
    said = "Cases are present / absent. Each group against all others; p (Holm) is corrected over all these tests."
    return [*parts, page.note(f"{said} {few_words()}{left}", "quiet")]


def _by_attribute(attribute: str, found: list[GroupRow]) -> Html:
    rows = []
    for finding, of in itertools.groupby(found, key=lambda row: row.finding):
        for place, each in enumerate(of):
            name = finding if place == 0 else ""
            rows.append((name, each.row.group, *_side(each.row.inside), *_side(each.row.outside), *_tested(each)))
    head = ("finding", _plain(attribute), "cases", "AUC inside [95%]", "cases", "AUC outside [95%]")
    return _folded(page.table((*head, "difference [95%]", "p", "p (Holm)"), rows, left=2, group=True), len(rows))


def _treatments(report: Report) -> list[str]:
    rows = []
    for each in report.treatments:
        check = each.check
        both = [cell for side in (check.treated, check.untreated) for cell in (str(side.present), _area(side))]
        last = numbers.difference(check.difference), numbers.limits(check.treatment)
        rows.append((each.finding, _plain(each.treatment), *both, *last))
    said = (
        "Present cases with and without a visible treatment, each against the same absent cases. The last column is "
        "how well the score tells treatment from none among absent cases: 0.5 if it does not look at it."
    )
    head = ("finding", "treatment", "present with", "AUC with [95%]", "present without", "AUC without [95%]")
    table = page.table((*head, "difference [95%]", "AUC of treatment"), rows, left=2)
    return [Html("<h3>Recognised by its treatment?</h3>"), said, _folded(table, len(rows))]


def _tested(each: GroupRow) -> tuple[str, str, str]:
    """Nothing where the row mirrors the one before it."""
    if math.isnan(each.p_holm) and not math.isnan(each.row.p):
        return "", "", ""
    return numbers.difference(each.row.difference), numbers.p_value(each.row.p), numbers.p_value(each.p_holm)


def _side(result: FindingResult) -> tuple[str, str]:
    return f"{result.present} / {result.absent}", _area(result)


def _area(result: FindingResult) -> str:
    return numbers.limits(result) + few_mark(result.present, result.absent)


def _folded(table: Html, rows: int) -> Html:
    return page.folded(f"{rows} rows", table) if rows > MANY_ROWS else table


def _plain(name: str) -> str:
    return name.replace("_", " ")
