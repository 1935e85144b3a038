"""A comparison as a table for a terminal, a CSV file, and a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.comparing.comparison import RANKED, MeasureComparison, ModelRow, RunComparison
from app.comparing.conclusions import ALPHA, conclusions
from app.comparing.declared_margins import MEANING, ONE_SIDED
from app.comparing.forest import MINUS, forest_svg
from app.files.atomic import write_files
from app.files.own_json import without_nan
from app.pages import numbers, page
from evaluation.cases import Counts
from evaluation.cells import csv_text

COLUMNS = (
    *("measure", "finding", "reference", "model"),
    *("present", "absent", "unknown", "present_patients", "absent_patients"),
    *("reference_value", "reference_lower", "reference_upper", "model_value", "model_lower", "model_upper"),
    *("difference", "difference_lower", "difference_upper", "p", "p_holm"),
    *("reference_runs", "model_runs", "margin"),
    *("p_noninferior", "p_noninferior_holm", "p_equivalent", "p_equivalent_holm"),
)


def write_comparison(comparison: RunComparison, folder: Path) -> tuple[Path, ...]:
    """Write ``comparison.csv``, ``.json``, ``.html`` and ``forest_<measure>.svg`` files; the folder is made.

    Returns:
        The files.
    """
    plots = {measure.key: forest_svg(measure, comparison.letters, comparison.names) for measure in comparison.measures}
    contents: dict[str, str | bytes] = {
        "comparison.csv": comparison_csv(comparison),
        "comparison.json": comparison_json(comparison),
        "comparison.html": comparison_page(comparison, plots),
        **{f"forest_{key}.svg": plot for key, plot in plots.items()},
    }
    return write_files(folder, contents)


def comparison_csv(comparison: RunComparison) -> str:
    """One row per measure, finding and model, with all digits; undefined numbers are empty.

    ``difference`` is model - reference. The macro average comes last in its measure; its cases are findings.
    """
    rows: list[Sequence[object]] = [COLUMNS]
    for measure in comparison.measures:
        for row in measure.all_rows:
            counts = [getattr(row.reference, name) for name in Counts.__annotations__]
            intervals = row.reference, row.result, row.difference
            values = [x for each in intervals for x in (each.value, each.lower, each.upper)]
            values += [row.p, row.p_holm]
            names = comparison.names[0], comparison.names[row.model]
            sizes = [len(comparison.methods[model].runs) for model in (0, row.model)]
            rows.append([measure.key, row.finding, *names, *counts, *values, *sizes, *_margin_cells(row)])
    return csv_text(rows)


def _margin_cells(row: ModelRow) -> list[object]:
    if row.margin is None or row.margin_holm is None:
        return [""] * 5
    tests = row.margin, row.margin_holm
    return [
        row.margin.margin,
        *(getattr(test, f"p_{name}") for name in ("noninferior", "equivalent") for test in tests),
    ]


def comparison_json(comparison: RunComparison) -> str:
    """The comparison as JSON: methods, for each measure its rows and conclusions, and notes; undefined is null."""
    methods = [
        {"letter": letter, "name": name, "runs": [run.word for run in method.runs]}
        for letter, name, method in zip(comparison.letters, comparison.names, comparison.methods, strict=True)
    ]
    measures = [asdict(measure) | {"conclusions": conclusions(comparison, measure)} for measure in comparison.measures]
    content = {"methods": methods, "measures": measures, "notes": comparison.notes}
    return json.dumps(without_nan(content), indent=1) + "\n"


def comparison_text(comparison: RunComparison) -> str:
    """A table for a terminal per measure, and what it shows in words."""
    lines = [
        f"{letter}  {name}{_seeds(comparison, model)}"
        for model, (letter, name) in enumerate(zip(comparison.letters, comparison.names, strict=True))
    ]
    for measure in comparison.measures:
        lines += ["", f"{measure.title}: {_cases(measure)}"]
        lines += numbers.plain_table(_head(comparison, measure), _body(comparison, measure))
        lines += conclusions(comparison, measure)
    notes = [_correction(comparison), *_margin_note(comparison), *_few_note(comparison), *comparison.notes]
    return "\n".join([*lines, "", *notes])


def _seeds(comparison: RunComparison, model: int) -> str:
    """The runs of a model that has several."""
    runs = comparison.methods[model].runs
    return f": mean of {len(runs)} runs ({', '.join(run.name for run in runs)})" if len(runs) > 1 else ""


def comparison_page(comparison: RunComparison, plots: dict[str, bytes]) -> str:
    """The comparison as one self-contained HTML page.

    Args:
        comparison: What is compared.
        plots: The forest plot of each measure, as SVG.
    """
    names = comparison.names
    sections = [page.section("What is compared", _models(comparison))]
    for measure in comparison.measures:
        caption = f"{measure.title}, and the difference of each model from {comparison.letters[0]}"
        body = _body(comparison, measure, marked=True)
        parts = [
            *(page.note(sentence) for sentence in conclusions(comparison, measure)),
            page.picture(plots[measure.key], caption, "svg+xml"),
            page.table(_head(comparison, measure), body, left=2, group=True),
            page.note(f"{_cases(measure)}. Test: {measure.test}.", "quiet"),
        ]
        sections.append(page.section(measure.title, parts))
    notes = [page.note(text) for text in comparison.notes]
    sections.append(page.section("How to read this", [*_reading(comparison), *notes]))
    title = f"{names[1]} against {names[0]}" if len(names) == 2 else "Runs compared"
    first = comparison.measures[0]
    cases = f"{numbers.counted(first.images, 'image')} of {numbers.counted(first.patients, 'patient')}"
    return page.page(title, f"{cases}; the same cases with the same labels for every model", sections)


def _models(comparison: RunComparison) -> list[str]:
    rows = []
    for model, (name, method) in enumerate(zip(comparison.names, comparison.methods, strict=True)):
        source = "; ".join(f"run {run.run.id} of {run.run.experiment}" if run.run else run.word for run in method.runs)
        rows.append((page.swatch(model, comparison.letters[model]), name, source, "" if model else "reference"))
    parts: list[str] = [page.table(("", "model", "from", ""), rows, left=4)]
    settings = [method.settings() for method in comparison.methods]
    differing = _differing(settings)
    if differing:
        head = ("setting", *comparison.letters)
        summary = f"Settings that differ ({len(differing)})"
        parts.append(page.folded(summary, page.table(head, differing, left=len(head))))
    elif all(settings):
        parts.append("No setting differs.")
    return parts


def _differing(settings: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Names and values of settings that differ among the models whose settings are known."""
    rows = []
    for name in sorted({name for each in settings for name in each}):
        values = [each.get(name, "not set") if each else "not known" for each in settings]
        if len(set(values) - {"not known"}) > 1:
            rows.append((name, *values))
    return rows


def _reading(comparison: RunComparison) -> list[str]:
    letters = comparison.letters
    others = letters[1] if len(letters) == 2 else "each model"
    return [
        f"Differences are {others} {MINUS} {letters[0]}: above zero, {others} is better. Intervals are of 95%. The "
        "intervals of two models may overlap although the models differ, because both were measured on the same "
        "cases: look at the interval of the difference.",
        _correction(comparison),
        *_margin_note(comparison),
        *_few_note(comparison),
        *_seeds_note(comparison),
        "If no difference is shown, there may still be one: its interval says how large it may be.",
    ]


def _correction(comparison: RunComparison) -> str:
    over = "all findings" if len(comparison.methods) == 2 else "all findings and models"
    return f"p (Holm) is corrected over {over} of a measure. If nothing differs, p is exactly 1."


def _margin_note(comparison: RunComparison) -> list[str]:
    return [MEANING] if any(measure.margin is not None for measure in comparison.measures) else []


def _seeds_note(comparison: RunComparison) -> list[str]:
    if len(comparison.runs) == len(comparison.methods):
        return []
    return [
        "Values are means over runs that differ by their seed. Intervals and tests allow for other patients and for "
        "other seeds, but not for other training data."
    ]


def _few_note(comparison: RunComparison) -> list[str]:
    rows = (row for measure in comparison.measures for row in measure.rows)
    return [numbers.FEW_NOTE] if any(map(_few_mark, rows)) else []


def _few_mark(row: ModelRow) -> str:
    """A star if a finding rests on few patients; measures of located images count no absent ones."""
    result = row.reference
    return numbers.few_mark(result.present_patients, *([result.absent_patients] if result.absent else []))


def _head(comparison: RunComparison, measure: MeasureComparison) -> tuple[str, ...]:
    difference = f"difference from {comparison.letters[0]} [95%]"
    margin = () if measure.margin is None else ("p non-inferior (Holm)", "p equivalent (Holm)")
    return ("finding", "model", "cases", "value [95%]", difference, "p", "p (Holm)", *margin)


def _body(comparison: RunComparison, measure: MeasureComparison, marked: bool = False) -> list[tuple[str, ...]]:
    """Rows of a table: for each finding the reference, then the models; for a page, ``marked`` with their colours."""
    letters: list[str] = list(comparison.letters)
    if marked:
        letters = [page.swatch(model, letter) for model, letter in enumerate(letters)]
    lines: list[tuple[str, ...]] = []
    for row in measure.all_rows:
        star = "" if row in measure.macro else _few_mark(row)
        tests = _tests(row, marked)
        if row.model == 1:
            first = numbers.limits(row.reference) + star
            blank = [""] * (1 + len(tests))
            lines.append((row.finding, letters[0], _counts(row, measure), first, *blank))
        value = numbers.limits(row.result) + star
        lines.append(("", letters[row.model], "", value, numbers.difference(row.difference), *tests))
    return lines


def _tests(row: ModelRow, marked: bool) -> list[str]:
    """p, and what is corrected, which stands out on a page if it shows something."""
    corrected = "" if math.isnan(row.p_holm) and not math.isnan(row.p) else numbers.p_value(row.p_holm)
    cells = [(corrected, row.p_holm < ALPHA)]
    if row.margin_holm is not None:
        within = row.margin_holm.p_noninferior, row.margin_holm.p_equivalent
        cells += [(numbers.p_value(p), p < ONE_SIDED) for p in within]
    return [numbers.p_value(row.p), *(page.strong(text) if marked and shown else text for text, shown in cells)]


def _counts(row: ModelRow, measure: MeasureComparison) -> str:
    result = row.reference
    if row in measure.macro:
        return numbers.counted(result.present, "finding")
    present = _cases_and_patients(result.present, result.present_patients)
    if measure.key not in RANKED:
        return present
    # Among lesions, the unknown rows are those of other findings.
    unknown = f", {result.unknown} unknown" if result.unknown and measure.key == "auc" else ""
    return f"{present} / {_cases_and_patients(result.absent, result.absent_patients)}{unknown}"


def _cases_and_patients(cases: int, patients: int) -> str:
    return str(cases) if cases == patients else f"{cases} ({patients})"


def _cases(measure: MeasureComparison) -> str:
    patients = numbers.counted(measure.patients, "patient")
    if measure.key == "afroc":
        return f"{measure.images:,} lesions and normal images of {patients}, as lesions / normal (patients if fewer)"
    cases = f"{numbers.counted(measure.images, 'image')} of {patients}"
    form = "present / absent" if measure.key == "auc" else "images"
    return f"{cases}, cases as {form} (patients if fewer)"
