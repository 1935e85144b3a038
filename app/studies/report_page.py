"""The report of a run as one self-contained HTML page, with nothing on it that identifies a patient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from app.studies import page, words
from app.studies.page import Html
from app.studies.report import Report, Value
from evaluation.cases import FindingResult, Interval

FEW = 10
"""Present or absent cases below which an interval promises more than it holds (see docs/evaluation.md)."""
MANY_ROWS = 40
MEASURES = {
    "auc": "Area under the ROC curve",
    "average_precision": "Average precision",
    "dice": "Dice",
    "auc_by_view": "Area under the ROC curve by view",
}
PICTURES = {
    "curves.png": "ROC and precision-recall curves",
    "score_distributions.png": "Scores of present and of absent cases",
    "history.png": "Losses and validation measures by epoch",
}


def report_page(report: Report) -> str:
    """The whole page."""
    parts = [
        _tiles(report),
        page.section("What it reached", _reached(report)),
        page.section("Data", _data(report)),
        *_pictures(report, "Training", ["history.png"]),
        *_pictures(report, "Curves", ["curves.png", "score_distributions.png"]),
        *_groups(report),
        *_pictures(report, "Cases", [name for name in report.pictures if name.startswith("cases_")], CASES),
        page.section("Settings", _settings(report)),
    ]
    return page.page(f"Report of {report.result.name}", _subtitle(report), parts)


CASES = (
    "Best, typical and worst present cases of each finding. Red: the network's map and its outline at the threshold "
    "chosen on validation cases; green: the annotation. Cases are numbered by their place in the section."
)


def _subtitle(report: Report) -> str:
    section = f"{report.section} section, " if report.section else ""
    cases = f"{words.counted(report.images, 'image')} of {words.counted(report.patients, 'patient')}"
    return f"{section}{cases}"


def _tiles(report: Report) -> Html:
    entries = []
    for value in report.values:
        if len(value.path) != 2:
            continue
        measure, finding = value.path
        alone = sum(other.path[0] == measure and other.path[-1] != "macro" for other in report.values) == 1
        if (finding == "macro") == alone:
            continue
        limits = f"95%: {value.lower:.3f} to {value.upper:.3f}" if not math.isnan(value.lower) else ""
        of = "macro average" if finding == "macro" else finding
        entries.append((f"{MEASURES.get(measure, _plain(measure))}, {of}", words.value(value.value), limits))
    entries.append(("Cases", f"{report.images:,}", f"of {words.counted(report.patients, 'patient')}"))
    return page.tiles(entries)


def _reached(report: Report) -> list[str]:
    parts: list[str] = []
    for measure, found in itertools.groupby(report.values, key=lambda value: value.path[0]):
        entries = list(found)
        parts.append(Html(f"<h3>{page.escaped(MEASURES.get(measure, _plain(measure).capitalize()))}</h3>"))
        parts.append(_measure(entries))
    parts.append(page.note(f"Intervals are of 95%, cases of one patient taken together. {_few_words()}", "quiet"))
    return parts


def _measure(entries: Sequence[Value]) -> Html:
    """A table of one measure; deeper paths (such as a view) get columns of their own."""
    depth = max(len(value.path) for value in entries) - 1
    counts = list(dict.fromkeys(name for value in entries for name in value.counts))
    has_limits = any(not math.isnan(value.lower) for value in entries)
    head = (*[""] * (depth - 1), "finding", "value [95%]" if has_limits else "value", *map(_plain, counts))
    rows = []
    for value in entries:
        names = [_macro(name) for name in value.path[1:]]
        shown = words.limits(Interval(value.value, value.lower, value.upper))
        numbers = [_count(value.counts.get(name, math.nan)) for name in counts]
        few = _few(value.counts.get("present", math.inf), value.counts.get("absent", math.inf))
        rows.append((*names, *[""] * (depth - len(names)), shown + few, *numbers))
    return page.table(head, rows, left=depth)


def _data(report: Report) -> list[str]:
    if not report.data:
        problem = f" ({report.result.problem})" if report.result.problem else ""
        missing = (
            "What data this was is recorded with the run in MLflow, which is not known here"
            f"{problem}: name the run instead of the folder."
        )
        return [page.note(missing)]
    provenance = {name: value for name, value in report.data.items() if name.startswith("provenance.")}
    facts = [(_plain(name), value) for name, value in report.data.items() if name not in provenance]
    split = [
        (_plain(n.removeprefix("provenance.")), v) for n, v in provenance.items() if n.startswith("provenance.split")
    ]
    rest = [
        (_plain(n.removeprefix("provenance.")), v)
        for n, v in provenance.items()
        if not n.startswith("provenance.split")
    ]
    measured = ("measured here", _subtitle(report))
    parts: list[str] = [page.facts([*facts, measured, *split])]
    if rest:
        parts.append(page.folded("How the data was made, and what was left out", page.facts(rest)))
    return parts


def _pictures(report: Report, heading: str, names: Sequence[str], said: str = "") -> list[Html]:
    shown = [
        page.picture(report.pictures[name], PICTURES.get(name) or _case_words(name))
        for name in names
        if name in report.pictures
    ]
    return [page.section(heading, [*([said] if said else []), *shown])] if shown else []


def _groups(report: Report) -> list[Html]:
    warnings = [page.note(row.check.warning, "warning") for row in report.treatments if row.check.warning]
    parts: list[str] = [*warnings]
    for attribute, found in itertools.groupby(report.groups, key=lambda row: row.attribute):
        rows, last = [], ""
        for each in found:
            inside, outside = each.row.inside, each.row.outside
            mirrored = math.isnan(each.p_holm) and not math.isnan(each.row.p)
            tested = (
                ("", "", "")
                if mirrored
                else (words.difference(each.row.difference), words.p_value(each.row.p), words.p_value(each.p_holm))
            )
            rows.append(
                (
                    "" if each.finding == last else each.finding,
                    each.row.group,
                    *_sides(inside),
                    *_sides(outside),
                    *tested,
                )
            )
            last = each.finding
        head = ("finding", _plain(attribute), "cases", "AUC inside [95%]", "cases", "AUC outside [95%]")
        table = page.table((*head, "difference [95%]", "p", "p (Holm)"), rows, left=2, first_of_group="first")
        parts.append(Html(f"<h3>By {page.escaped(_plain(attribute))}</h3>"))
        parts.append(page.folded(f"{len(rows)} rows", table) if len(rows) > MANY_ROWS else table)
    parts += _treatments(report)
    if not parts:
        parts.append("The predictions have no attribute with two groups or more (view, sex, age, source, yes or no).")
    parts.append(page.note(_group_words(report), "quiet"))
    return [page.section("Subgroups", parts)]


def _treatments(report: Report) -> list[str]:
    if not report.treatments:
        return []
    head = ("finding", "treatment", "present with", "AUC with [95%]", "present without", "AUC without [95%]")
    rows = []
    for each in report.treatments:
        check = each.check
        treated, untreated = check.treated, check.untreated
        rows.append(
            (
                *(each.finding, _plain(each.treatment)),
                *(str(treated.present), words.limits(treated) + _few(treated.present, treated.absent)),
                *(str(untreated.present), words.limits(untreated) + _few(untreated.present, untreated.absent)),
                *(words.difference(check.difference), words.limits(check.treatment)),
            )
        )
    said = (
        "Present cases with and without a visible treatment, each against the same absent cases. The last column is "
        "how well the score tells treatment from none among absent cases: 0.5 if it does not look at it."
    )
    table = page.table((*head, "difference [95%]", "AUC of treatment"), rows, left=2)
    shown = page.folded(f"{len(rows)} rows", table) if len(rows) > MANY_ROWS else table
    return [Html("<h3>Recognised by treatment?</h3>"), said, shown]


def _settings(report: Report) -> list[str]:
    run, result = report.result.run, report.result
    parts: list[str] = []
    if run is not None:
        started = datetime.fromtimestamp(run.started, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
        took = "" if math.isnan(run.seconds) else f"{run.seconds / 60:.1f} minutes"
        kept = ("frugal.version", "mlflow.source.git.commit", "frugal.git_changed", "workflow")
        tags = [(_tag(name), run.tags[name]) for name in kept if name in run.tags]
        head = [("run", f"{run.name} ({run.id})"), ("experiment", run.experiment), ("status", run.status)]
        parts.append(page.facts([*head, ("started", started), ("took", took or "not ended"), *tags]))
        packages = [(_tag(n), v) for n, v in run.tags.items() if n.startswith("frugal.") and _is_package(n)]
        if packages:
            parts.append(page.folded("Versions", page.facts(sorted(packages))))
    else:
        parts.append(page.facts([("from", result.word)]))
    if report.settings:
        settings = page.facts(list(report.settings.items()))
        parts.append(page.folded(f"{len(report.settings)} settings", settings))
    return parts


def _sides(result: FindingResult) -> tuple[str, str]:
    return f"{result.present} / {result.absent}", words.limits(result) + _few(result.present, result.absent)


def _few(present: float, absent: float) -> str:
    return " *" if 0 < min(present, absent) < FEW else ""


def _few_words() -> str:
    return f"* fewer than {FEW} present or absent cases: the true value lies outside the interval more often than 5%."


def _group_words(report: Report) -> str:
    left = ", ".join(report.ungrouped)
    said = "Cases are present / absent. Inside a group against outside it; p (Holm) is corrected over all these tests. "
    return f"{said}{_few_words()}" + (f" Columns that make no groups: {left}." if left else "")


def _case_words(name: str) -> str:
    return name.removeprefix("cases_").removesuffix(".png").replace("_", " ").capitalize()


def _count(number: float) -> str:
    if math.isnan(number):
        return ""
    return f"{number:,.0f}" if number == int(number) and number >= 1 else f"{number:.3f}"


def _macro(name: str) -> str:
    return "macro average" if name == "macro" else name


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _tag(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _is_package(name: str) -> bool:
    return name.removeprefix("frugal.") in ("python", "torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom")
