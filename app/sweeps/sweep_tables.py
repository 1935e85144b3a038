"""The tables of a sweep: ``table.csv`` with all digits, and ``table.md`` to read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.annotations.levels import LEVELS
from app.pages import numbers
from app.sweeps.cell_comparisons import pair_text
from app.sweeps.orderings import LEVEL
from app.sweeps.outcomes import Outcomes, selected
from app.sweeps.sweep import Sweep
from app.sweeps.training_table import training_lines
from evaluation.cells import csv_text
from evaluation.distributions import t_quantile

COMPARED = ("auc", "dice")
"""Measures of comparisons that are shown to read."""


def table_csv(outcomes: Outcomes) -> str:
    """One row per metric and cell, with all digits; undefined numbers are empty.

    Columns ``n_<level>`` have the number of training images at each level of annotation, if the sweep makes datalists.
    """
    sweep = outcomes.sweep
    replicates = [f"{sweep.replicate_word}_{replicate}" for replicate in sweep.replicates]
    levels = [level for level in LEVELS if any(level in each for each in outcomes.images.values())]
    counts = [f"n_{level}" for level in levels]
    head = ["metric", *sweep.factors, "n", "mean", "sd", "lower", "upper", *replicates, *counts]
    rows: list[Sequence[object]] = [head]
    for result in outcomes.results:
        values = [result.mean.value, result.deviation, result.mean.lower, result.mean.upper]
        values += [result.by_replicate.get(replicate, math.nan) for replicate in sweep.replicates]
        images = outcomes.images.get(result.cell.name)
        shown = [f"{images.get(level, 0):.0f}" if images else "" for level in levels]
        rows.append([result.metric, *result.cell.values.values(), len(result.by_replicate), *values, *shown])
    return csv_text(rows)


def table_markdown(outcomes: Outcomes) -> str:
    """Metrics, selected cells, orderings, runs that failed or are missing, and how little so few runs can show."""
    sweep = outcomes.sweep
    replicates = f"{sweep.folds.count} folds by patient" if sweep.folds else f"seeds {_listed(sweep.replicates)}"
    sections = {f"# {sweep.name}": [f"{', '.join(sweep.bundle)}; {replicates}."]}
    for metric, results in outcomes.by_metric().items():
        head = [*sweep.factors, "n", f"mean [{LEVEL:.0%} interval]", "SD"]
        rows = []
        for each in results:
            shown = numbers.limits(each.mean), numbers.value(each.deviation)
            rows.append([*each.cell.values.values(), str(len(each.by_replicate)), *shown])
        sections[f"## {metric}"] = numbers.markdown_table(head, rows)
    sections["## Selected"] = _selected(outcomes)
    sections["## Orderings"] = _orderings(outcomes)
    sections["## Comparisons on the same images"] = _comparisons(outcomes)
    sections["## Training"] = training_lines(outcomes.sweep, outcomes.curves)
    sections["## Failed"] = [f"- {run.title}: {run.record()['error']}" for run in outcomes.failed]
    sections["## Not run"] = [f"- {run.title}" for run in outcomes.missing]
    lines = [line for heading, body in sections.items() if body for line in (heading, "", *body, "")]
    return "\n".join([*lines, _caution(sweep), ""])


def _selected(outcomes: Outcomes) -> list[str]:
    select = outcomes.sweep.select
    if select is None:
        return []
    best = "smallest" if select.is_loss else "largest"
    lines = [f"The {best} mean of {select.metric} over {_listed(select.over)}; the test section had no say.", ""]
    cells = selected(outcomes)
    if not cells:
        return [*lines, "Nothing is selected before every cell has run with a defined value."]
    means = {(result.cell.name, result.metric): numbers.limits(result.mean) for result in outcomes.results}
    metrics = list(outcomes.by_metric())
    rows = [[*each.cell.values.values(), *(means[each.cell.name, metric] for metric in metrics)] for each in cells]
    return [*lines, *numbers.markdown_table([*outcomes.sweep.factors, *metrics], rows)]


def _orderings(outcomes: Outcomes) -> list[str]:
    if not outcomes.pairs:
        return []
    rows = [
        [each.pair.text, each.ordering.metric, str(each.count), numbers.difference(each.difference), each.verdict]
        for each in outcomes.pairs
    ]
    lines = [*numbers.markdown_table(["ordering", "in", "n", "difference", "verdict"], rows), ""]
    for ordering in outcomes.sweep.orderings:
        verdicts = [each.verdict for each in outcomes.pairs if each.ordering is ordering]
        counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)]
        lines.append(f"- {ordering.text}: {_listed(counts)}.")
    return lines


def _comparisons(outcomes: Outcomes) -> list[str]:
    """Areas and Dice of pairs, as the mean over findings if there are several; ``comparisons.csv`` has the rest."""
    if not outcomes.comparisons:
        return [f"- {note}" for note in outcomes.not_compared]
    several = {each.pair.group for each in outcomes.comparisons if each.finding == "macro"}
    rows = [
        [
            *(pair_text(each.pair), each.measure, each.finding, str(each.runs)),
            *(numbers.value(each.first), numbers.value(each.second), numbers.difference(each.difference)),
            *(numbers.p_value(each.p), numbers.p_value(each.p_holm)),
        ]
        for each in outcomes.comparisons
        if each.measure in COMPARED and (each.finding == "macro" or each.pair.group not in several)
    ]
    head = ["pair", "in", "finding", "runs", "against", "value", "difference", "p", "p (Holm)"]
    lines = [*numbers.markdown_table(head, rows), *("", *(f"- {note}" for note in outcomes.not_compared))]
    return [*lines, "", "With one run by DeLong's test (areas); with several, patients and seeds both vary."]


def _caution(sweep: Sweep) -> str:
    count, word = len(sweep.replicates), sweep.replicate_word
    if count < 2:
        return f"One {word} has no interval: nothing here tells a difference from chance."
    t = t_quantile(LEVEL, count - 1)
    sentences = [
        f"Intervals are Student's t over {count} {word}s.",
        f"Differences are paired by {word}; one is shown only if its mean is more than {t / math.sqrt(count):.2f} of "
        f"its standard deviations from zero (t = {t:.2f}).",
    ]
    if count < 5:
        sentences.append(f"With {count} {word}s that is weak: an ordering that is not shown may well be true.")
    if sweep.folds:
        sentences.append("Folds share training data, so the intervals are too narrow rather than too wide.")
    return " ".join([*sentences, "No correction is made for the number of orderings."])


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
