"""A comparison in its forms: a table for a terminal, rows of a CSV file, and a page."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from app.comparing.comparison import ALPHA, Measured, Row, Study, verdict
from app.comparing.forest import forest_file, forest_svg
from app.files.atomic import write_whole
from app.pages import numbers, page
from app.pages.page import Html
from evaluation.cases import FindingResult
from evaluation.cells import safe_row

COLUMNS = (
    *("measure", "finding", "reference", "model", "present", "absent", "unknown"),
    *("reference_value", "reference_lower", "reference_upper", "model_value", "model_lower", "model_upper"),
    *("difference", "difference_lower", "difference_upper", "p", "p_holm"),
)


def write_comparison(study: Study, folder: Path) -> tuple[Path, ...]:
    """Write ``comparison.csv``, ``comparison.html`` and a ``forest_<measure>.svg`` each; the folder is made.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"comparison.csv": comparison_csv(study), "comparison.html": comparison_page(study)}
    texts |= {f"forest_{each.key}.svg": forest_file(each, study.letters, study.names) for each in study.measures}
    for name, text in texts.items():
        write_whole(folder / name, text)
    return tuple(folder / name for name in texts)


def comparison_csv(study: Study) -> str:
    """One row a measure, finding and model, with every digit; undefined numbers are empty.

    ``difference`` is model - reference. The macro average stands last in its measure; its cases are findings.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for measured in study.measures:
        for row in (*measured.rows, *measured.macro):
            counts = row.reference.present, row.reference.absent, row.reference.unknown
            sides = [x for side in (row.reference, row.result) for x in (side.value, side.lower, side.upper)]
            tested = row.difference.value, row.difference.lower, row.difference.upper, row.p, row.p_holm
            numbers = ["" if math.isnan(x) else repr(float(x)) for x in (*sides, *tested)]
            names = study.names[0], study.names[row.model]
            writer.writerow(safe_row([measured.key, row.finding, *names, *counts, *numbers]))
    return text.getvalue()


def comparison_text(study: Study) -> str:
    """Tables for a terminal, one a measure, with what they say in words."""
    lines = [f"{letter}  {name}" for letter, name in zip(study.letters, study.names, strict=True)]
    for measured in study.measures:
        lines += ["", f"{measured.title}: {_cases(measured)}", *_plain_table(_head(study), _body(study, measured))]
        lines += verdict(study, measured)
    lines += ["", _family(study), *study.notes]
    return "\n".join(lines)


def comparison_page(study: Study) -> str:
    """The comparison as one self-contained HTML page."""
    title = " against ".join((study.names[1], study.names[0])) if len(study.names) == 2 else "Runs compared"
    parts = [_models(study)]
    for measured in study.measures:
        parts.append(
            page.section(
                measured.title,
                [
                    *(page.note(sentence) for sentence in verdict(study, measured)),
                    page.wide(forest_svg(measured, study.letters)),
                    page.table(_head(study), _body(study, measured, marked=True), left=2, group=True),
                    page.note(f"{_cases(measured)}. Tested by {measured.test}.", "quiet"),
                ],
            )
        )
    parts.append(page.section("How to read this", [*_reading(study), *(page.note(text) for text in study.notes)]))
    first = study.measures[0]
    cases = f"{numbers.counted(first.images, 'image')} of {numbers.counted(first.patients, 'patient')}"
    return page.page(title, f"{cases}; the same cases with the same labels for every model", parts)


def _models(study: Study) -> Html:
    parts: list[str] = []
    rows = []
    for place, (letter, name) in enumerate(zip(study.letters, study.names, strict=True)):
        run = study.results[place].run
        about = f"run {run.id} of {run.experiment}" if run else study.results[place].word
        rows.append((page.swatch(place, letter), name, about, "reference" if place == 0 else ""))
    parts.append(page.table(("", "model", "from", ""), rows, left=4))
    differing = _differing_settings(study)
    if differing:
        head = ("setting", *study.letters)
        parts.append(
            page.folded(f"Settings that differ ({len(differing)})", page.table(head, differing, left=len(head)))
        )
    elif all(result.settings() for result in study.results):
        parts.append("No setting differs.")
    return page.section("What is compared", parts)


def _differing_settings(study: Study) -> list[tuple[str, ...]]:
    """Settings by name whose values differ among the models whose settings are known."""
    settings = [result.settings() for result in study.results]
    rows = []
    for name in sorted({name for each in settings for name in each}):
        values = [each.get(name, "not set") if each else "not known" for each in settings]
        if len(set(values) - {"not known"}) > 1:
            rows.append((name, *values))
    return rows


def _reading(study: Study) -> list[str]:
    minus = "\N{MINUS SIGN}"
    others = study.letters[1] if len(study.letters) == 2 else "each model"
    return [
        f"Differences are {others} {minus} {study.letters[0]}: above zero, {others} is better. Intervals hold 95%. "
        "Those of two models may overlap although the models differ, because both were measured on the same cases: "
        "look at the interval of the difference.",
        _family(study),
        "That no difference is shown does not say that there is none: the interval of the difference says how large "
        "it may be.",
    ]


def _family(study: Study) -> str:
    over = "all findings" if len(study.results) == 2 else "all findings and models"
    return f"p (Holm) is corrected over {over} of a measure. Where nothing differs, p is exactly 1."


def _head(study: Study) -> tuple[str, ...]:
    return ("finding", "model", "cases", "value [95%]", f"difference from {study.letters[0]} [95%]", "p", "p (Holm)")


def _body(study: Study, measured: Measured, marked: bool = False) -> list[tuple[str, ...]]:
    """Rows of a table: for each finding the reference, then the models."""

    def letter(model: int) -> str:
        return page.swatch(model, study.letters[model]) if marked else study.letters[model]

    lines: list[tuple[str, ...]] = []
    for row in (*measured.rows, *measured.macro):
        if row.model == 1:
            lines.append((row.finding, letter(0), _counts(row, measured), numbers.limits(row.reference), "", "", ""))
        holm = "" if math.isnan(row.p_holm) and not math.isnan(row.p) else numbers.p_value(row.p_holm)
        if marked and row.p_holm < ALPHA:
            holm = page.strong(holm)
        lines.append(
            (
                "",
                letter(row.model),
                "",
                numbers.limits(row.result),
                numbers.difference(row.difference),
                numbers.p_value(row.p),
                holm,
            )
        )
    return lines


def _counts(row: Row, measured: Measured) -> str:
    result: FindingResult = row.reference
    if row in measured.macro:
        return f"{numbers.counted(result.present, 'finding')}"
    if measured.key != "auc":
        return f"{result.present}"
    unknown = f", {result.unknown} unknown" if result.unknown else ""
    return f"{result.present} / {result.absent}{unknown}"


def _cases(measured: Measured) -> str:
    said = f"{numbers.counted(measured.images, 'image')} of {numbers.counted(measured.patients, 'patient')}"
    return f"{said}, cases as present / absent" if measured.key == "auc" else said


def _plain_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return [lines[0], "-" * max(len(line) for line in lines), *lines[1:]]
