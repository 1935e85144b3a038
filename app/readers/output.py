"""The analysis of a reader study in words: for a terminal, as a page, and as JSON with all digits."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.files.atomic import write_files
from app.files.own_json import without_nan
from app.pages import numbers, page
from app.readers.analysis import DELONG, FIGURES, ReaderStudy
from evaluation.cases import Interval
from evaluation.margins import opposite
from evaluation.multireader import ModalityDifference

PAGE, NUMBERS = "readers.html", "readers.json"


def write_reader_study(study: ReaderStudy, folder: Path) -> tuple[Path, ...]:
    """Write ``readers.html`` and ``readers.json``; the folder is created if missing.

    Returns:
        The files.
    """
    numbers = json.dumps(reader_study_numbers(study), indent=2) + "\n"
    return write_files(folder, {PAGE: reader_study_page(study), NUMBERS: numbers})


def reader_study_text(study: ReaderStudy) -> str:
    """The analysis for a terminal."""
    lines = [f"{_capitalised(FIGURES[study.question.figure])}: {_counts(study)}", _population(study), ""]
    lines += [*numbers.plain_table(*_figures(study)), ""]
    if study.result.differences:
        lines += [*numbers.plain_table(*_differences(study)), "", _overall(study), *conclusions(study), ""]
    if study.result.components is not None:
        lines += [*numbers.plain_table(*_components(study)), ""]
    return "\n".join([*lines, _method(study)])


def reader_study_page(study: ReaderStudy) -> str:
    """The analysis as one self-contained HTML page."""
    sections = [page.section("Modalities", [page.table(*_figures(study)), page.note(_population(study), "quiet")])]
    if study.result.differences:
        parts = [*(page.note(sentence) for sentence in conclusions(study)), page.table(*_differences(study))]
        sections.append(page.section("Differences", [*parts, page.note(_overall(study), "quiet")]))
    if study.result.by_reader:
        table = page.table(*_by_reader(study), left=2, group=True)
        text = "Each reader alone, from this reader's own data; p-values of different readers are not corrected."
        sections.append(page.section("Reader by reader", [table, page.note(text, "quiet")]))
    if study.result.components is not None:
        sections.append(page.section("What varies", [page.table(*_components(study)), _COMPONENTS]))
    sections.append(page.section("How this was computed", [_method(study), _READING]))
    return page.page("Readers and cases", f"{_capitalised(FIGURES[study.question.figure])}: {_counts(study)}", sections)


def reader_study_numbers(study: ReaderStudy) -> dict[str, Any]:
    """All numbers by name; undefined and infinite ones are None.

    Differences are the later modality minus the earlier one, as in the text.
    """
    question, result = study.question, study.result
    about = {
        "figure": question.figure,
        "threshold": question.threshold,
        "readers": "random" if question.population.readers else "fixed",
        "cases": "random" if question.population.cases else "fixed",
        "covariance": question.covariance if question.population.cases else None,
        "level": question.level,
        "counts": {"readers": len(study.readers), "modalities": len(study.modalities)} | study.counts,
    }
    modalities = {
        name: asdict(interval) | {"by_reader": dict(zip(study.readers, row, strict=True))}
        for name, interval, row in zip(study.modalities, result.modalities, result.figure.tolist(), strict=True)
    }
    by_reader = {
        reader: [_numbers(each, study) for each in pairs]
        for reader, pairs in zip(study.readers, result.by_reader, strict=False)
    }
    entries = about | {"modalities": modalities, "differences": [_numbers(each, study) for each in result.differences]}
    if result.test is not None:
        entries["test"] = asdict(result.test)
    if result.components is not None:
        entries["components"] = asdict(result.components)
    return dict(without_nan(entries | ({"by_reader": by_reader} if by_reader else {})))


def conclusions(study: ReaderStudy) -> list[str]:
    """One sentence for each pair of modalities."""
    sentences = []
    for each in study.result.differences:
        first, second = study.modalities[each.first], study.modalities[each.second]
        what, change = FIGURES[study.question.figure].partition(" (")[0], opposite(each.difference)
        if math.isnan(each.p):
            sentences.append(f"{second} and {first} cannot be compared: the figures do not vary.")
        elif each.p_holm < 1 - study.question.level:
            sentences.append(
                f"With {second} the {what} is {'higher' if change.value > 0 else 'lower'} than with {first}, by "
                f"{abs(change.value):.3f} ({_limits(change)})."
            )
        elif change.lower == change.upper == 0:
            sentences.append(f"{second} and {first} do not differ at all: every reader scored alike in both.")
        else:
            sentences.append(
                f"No difference between {second} and {first} is shown. There may still be one: its interval says how "
                f"large it may be ({_limits(change)})."
            )
    return sentences


_COMPONENTS = (
    "Variances of the figure of merit. Between readers: how readers differ. Readers by modality: how differently they "
    "take to a modality. The rest is the choice of cases: its variance for one reader and modality, and its "
    "correlation between two figures on the same cases. An estimate below 0 is one of a small variance."
)
_READING = (
    "Differences are the later modality minus the earlier one: above zero, the later is better. State before reading "
    "whether readers or cases are fixed: results for fixed readers apply to these readers alone. Each modality's "
    "interval is from its own data, so it tells less about a difference than the difference's interval."
)


def _figures(study: ReaderStudy) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    percent = f"mean [{study.question.level:.0%}]"
    rows = [
        (name, numbers.limits(interval), *map(numbers.value, row))
        for name, interval, row in zip(
            study.modalities, study.result.modalities, study.result.figure.tolist(), strict=True
        )
    ]
    return ("modality", percent, *study.readers), rows


def _differences(study: ReaderStudy) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    corrected = ("p (Holm)",) if len(study.result.differences) > 1 else ()
    head = (
        "difference",
        f"value [{study.question.level:.0%}]",
        "standard error",
        "degrees of freedom",
        "p",
        *corrected,
    )
    return head, [_row(each, study, bool(corrected)) for each in study.result.differences]


def _row(each: ModalityDifference, study: ReaderStudy, is_corrected: bool) -> tuple[str, ...]:
    name = f"{study.modalities[each.second]} - {study.modalities[each.first]}"
    freedom = "normal" if math.isinf(each.freedom) else numbers.UNDEFINED
    if math.isfinite(each.freedom):
        freedom = f"{each.freedom:.1f}"
    tested = numbers.difference(opposite(each.difference)), numbers.value(each.error), freedom, numbers.p_value(each.p)
    return (name, *tested, *((numbers.p_value(each.p_holm),) if is_corrected else ()))


def _by_reader(study: ReaderStudy) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("reader", "difference", f"value [{study.question.level:.0%}]", "standard error", "p")
    rows: list[tuple[str, ...]] = []
    for reader, pairs in zip(study.readers, study.result.by_reader, strict=True):
        for number, each in enumerate(pairs):
            name, change, error, _, p = _row(each, study, False)
            rows.append(("" if number else reader, name, change, error, p))
    return head, rows


def _components(study: ReaderStudy) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    parts = study.result.components
    assert parts is not None
    names = {
        "between readers": parts.reader,
        "readers by modality": parts.modality_by_reader,
        "cases": parts.error,
        "same reader, another modality (Cov1)": parts.covariance_same_reader,
        "another reader, same modality (Cov2)": parts.covariance_same_modality,
        "another reader and modality (Cov3)": parts.covariance_different,
    }
    rows: list[tuple[str, ...]] = []
    for number, (name, value) in enumerate(names.items()):
        correlation = f"{value / parts.error:.3f}" if number > 2 and parts.error > 0 else ""
        rows.append((name, f"{value:.6f}", correlation))
    return ("component", "variance or covariance", "correlation"), rows


def _overall(study: ReaderStudy) -> str:
    test = study.result.test
    assert test is not None
    if math.isnan(test.p):
        return "All modalities together cannot be tested: the figures do not vary."
    if math.isinf(test.denominator_freedom):
        freedom = f"chi-squared({test.numerator_freedom}) = {test.statistic * test.numerator_freedom:.2f}"
    else:
        freedom = f"F({test.numerator_freedom}, {test.denominator_freedom:.1f}) = {test.statistic:.2f}"
    return f"All modalities together: {freedom}, p = {numbers.p_value(test.p)}."


def _counts(study: ReaderStudy) -> str:
    size = (numbers.counted(len(study.readers), "reader"), _modalities(len(study.modalities)))
    return ", ".join([*size, *(f"{count:,} {name}" for name, count in study.counts.items())])


def _modalities(count: int) -> str:
    return f"{count} modalit{'y' if count == 1 else 'ies'}"


def _population(study: ReaderStudy) -> str:
    population = study.question.population
    if population.readers and population.cases:
        return "Readers and cases are random: results apply to readers and patients like these."
    if population.cases:
        return "Readers are fixed, cases random: results apply to these readers and to patients like these."
    return "Cases are fixed, readers random: results apply to these cases and to readers like these."


def _method(study: ReaderStudy) -> str:
    covariance = "DeLong's method" if study.question.covariance == DELONG else "the jackknife"
    errors = f", covariances by {covariance} over patients" if study.question.population.cases else ""
    corrected = "; p (Holm) is corrected over all pairs" if len(study.result.differences) > 1 else ""
    return f"Analysis of variance by Obuchowski and Rockette, with Hillis's degrees of freedom{errors}{corrected}."


def _limits(interval: Interval) -> str:
    return f"from {interval.lower:+.3f} to {interval.upper:+.3f}"


def _numbers(each: ModalityDifference, study: ReaderStudy) -> dict[str, Any]:
    names = {"model": study.modalities[each.second], "reference": study.modalities[each.first]}
    rest = {"error": each.error, "freedom": each.freedom, "p": each.p, "p_holm": each.p_holm}
    return names | asdict(opposite(each.difference)) | rest


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
