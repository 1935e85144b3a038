"""What a study came to: every cell and metric with mean, deviation and interval, and a verdict on each ordering."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.pages import words
from app.sweeps.orderings import LEVEL, Claim, Pair, mean_and_interval, verdict
from app.sweeps.plan import Cell, Matrix
from app.sweeps.runner import RESULT, Task
from app.sweeps.selecting import MODEL, VALIDATION, selected
from evaluation.cases import Interval
from evaluation.cells import safe_row
from evaluation.distributions import t_quantile

SECONDS = "seconds"
"""A metric that is not in ``metrics.json``: how long the run took."""


@dataclass(frozen=True)
class Row:
    """One cell and metric.

    Attributes:
        cell: the cell.
        metric: its path.
        by_replicate: value of each seed or fold that has run; NaN where it is undefined.
        mean: over those, with its t interval.
        deviation: standard deviation (n - 1).
    """

    cell: Cell
    metric: str
    by_replicate: Mapping[int, float]
    mean: Interval
    deviation: float


@dataclass(frozen=True)
class Judged:
    """One pair of an ordering with its paired difference (claimed larger - claimed smaller)."""

    claim: Claim
    pair: Pair
    count: int
    difference: Interval
    verdict: str


@dataclass(frozen=True)
class Results:
    """Everything that a study's tables and pictures show."""

    matrix: Matrix
    rows: tuple[Row, ...]
    judged: tuple[Judged, ...]
    failed: tuple[tuple[Task, str], ...]
    missing: tuple[Task, ...]


def gather(matrix: Matrix, tasks: Sequence[Task], keep: bool = False) -> Results:
    """Results of all runs that have finished.

    Raises:
        ValueError: a metric is not in a result; the text names those that are.
    """
    done = [task for task in tasks if task.is_finished(keep)]
    chosen_by = (matrix.select.metric,) if matrix.select else ()
    metrics = dict.fromkeys((*matrix.metrics, *(claim.metric for claim in matrix.claims), *chosen_by))
    values: dict[tuple[str, str], dict[int, float]] = {
        (cell.name, metric): {} for cell in matrix.cells for metric in metrics
    }
    for task in done:
        for metric in metrics:
            values[task.cell.name, metric][task.replicate] = _value(task, metric)
    rows = [
        Row(cell, metric, found, *mean_and_interval(list(found.values())))
        for metric in metrics
        for cell in matrix.cells
        for found in [values[cell.name, metric]]
    ]
    judged = [_judged(claim, pair, values) for claim in matrix.claims for pair in claim.pairs]
    left = [task for task in tasks if not task.is_finished(keep)]
    failed = [(task, str(task.record()["error"])) for task in left if task.record().get("state") == "failed"]
    broken = {id(task) for task, _ in failed}
    missing = tuple(task for task in left if id(task) not in broken)
    return Results(matrix, tuple(rows), tuple(judged), tuple(failed), missing)


def _value(task: Task, metric: str) -> float:
    """Of ``metrics.json``; what validation chose by stands in ``model.json``, beside the weights."""
    if metric == SECONDS:
        return float(task.record()["seconds"])
    name = MODEL if metric.startswith(VALIDATION) else RESULT
    return value_at(task.read(name), metric, task.folder / name)


def value_at(content: Mapping[str, Any], path: str, where: Path) -> float:
    """A value of ``metrics.json`` by its dotted path, such as ``auc.macro`` or ``iou_accuracy.T 0.1.Nodule``.

    Names may hold points themselves. ``null`` is NaN.

    Raises:
        ValueError: there is none; the text names what stands where the path leaves the file.
    """
    at: Any = content
    rest = path
    while rest:
        if not isinstance(at, Mapping):
            break
        name = next((key for key in sorted(at, key=len, reverse=True) if f"{rest}.".startswith(f"{key}.")), None)
        if name is None:
            raise ValueError(f"{where}: no {path!r}; where {rest!r} should be there are {', '.join(at)}.")
        at, rest = at[name], rest[len(name) + 1 :]
    if isinstance(at, Mapping) and "value" in at:
        at = at["value"]
    if at is None and not rest:
        return math.nan
    if rest or isinstance(at, bool) or not isinstance(at, (int, float)):
        raise ValueError(f"{where}: {path!r} is no number but {str(at)[:80]!r}.")
    return float(at)


def _judged(claim: Claim, pair: Pair, values: Mapping[tuple[str, str], Mapping[int, float]]) -> Judged:
    larger, smaller = (values[Cell(side, {}, {}).name, claim.metric] for side in (pair.larger, pair.smaller))
    both = [larger[replicate] - smaller[replicate] for replicate in larger if replicate in smaller]
    difference, _ = mean_and_interval(both)
    return Judged(claim, pair, len(both), difference, verdict(difference) if both else "not run")


def table_csv(results: Results) -> str:
    """One row a cell and metric, with every digit; undefined numbers are empty."""
    matrix = results.matrix
    text = io.StringIO()
    writer = csv.writer(text)
    replicates = [f"{matrix.replicate_word}_{replicate}" for replicate in matrix.replicates]
    writer.writerow(safe_row(["metric", *matrix.factors, "n", "mean", "sd", "lower", "upper", *replicates]))
    for row in results.rows:
        numbers = [row.mean.value, row.deviation, row.mean.lower, row.mean.upper]
        numbers += [row.by_replicate.get(replicate, math.nan) for replicate in matrix.replicates]
        shown = ["" if math.isnan(number) else repr(float(number)) for number in numbers]
        writer.writerow(safe_row([row.metric, *row.cell.values.values(), len(row.by_replicate), *shown]))
    return text.getvalue()


def table_markdown(results: Results) -> str:
    """Tables for a reader: metrics, orderings, what failed or has not run, and how much so few runs can show."""
    matrix = results.matrix
    lines = [f"# {matrix.name}", "", f"{', '.join(matrix.bundle)}; {_replicated(matrix)}.", ""]
    for metric in dict.fromkeys(row.metric for row in results.rows):
        head = [*matrix.factors, "n", f"mean [{LEVEL:.0%} interval]", "SD"]
        body = [
            [*row.cell.values.values(), str(len(row.by_replicate)), words.limits(row.mean), words.value(row.deviation)]
            for row in results.rows
            if row.metric == metric
        ]
        lines += [f"## {metric}", "", *_table(head, body), ""]
    if matrix.select is not None:
        lines += ["## Selected", "", *_selected(results), ""]
    if results.judged:
        lines += ["## Orderings", "", *_orderings(results), ""]
    if results.failed:
        lines += ["## Failed", "", *(f"- {_words(matrix, task)}: {error}" for task, error in results.failed), ""]
    if results.missing:
        lines += ["## Not run", "", *(f"- {_words(matrix, task)}" for task in results.missing), ""]
    return "\n".join([*lines, *_caution(matrix), ""])


def _selected(results: Results) -> list[str]:
    asked = results.matrix.select
    if asked is None:
        return []
    rows = selected(results)
    by_place = {(row.cell.name, row.metric): row.mean for row in results.rows}
    measures = dict.fromkeys(row.metric for row in results.rows)
    head = [*results.matrix.factors, *measures]
    body = [
        [*row.cell.values.values(), *(words.limits(by_place[row.cell.name, measure]) for measure in measures)]
        for row in rows
    ]
    how = "smallest" if asked.is_less_better else "largest"
    lines = [f"The {how} mean of {asked.metric} over {', '.join(asked.over)}; the test section had no say.", ""]
    if not rows:
        return [*lines, "Nothing is selected before every cell has run with a defined value."]
    return [*lines, *_table(head, body)]


def _orderings(results: Results) -> list[str]:
    head = ["ordering", "in", "n", "difference", "verdict"]
    body = [
        [each.pair.words, each.claim.metric, str(each.count), words.difference(each.difference), each.verdict]
        for each in results.judged
    ]
    lines = [*_table(head, body), ""]
    for claim in results.matrix.claims:
        verdicts = [each.verdict for each in results.judged if each.claim is claim]
        counts = [f"{verdicts.count(kind)} {kind}" for kind in dict.fromkeys(verdicts)]
        lines.append(f"- {claim.text}: {', '.join(counts)}.")
    return lines


def _caution(matrix: Matrix) -> list[str]:
    count, word = len(matrix.replicates), matrix.replicate_word
    if count < 2:
        return [f"One {word} has no interval: nothing here tells a difference from chance."]
    t = t_quantile(LEVEL, count - 1)
    said = (
        f"Intervals by Student's t over {count} {word}s. Differences are paired by {word}; one is shown only where its "
        f"mean is more than {t / math.sqrt(count):.2f} of its standard deviations from zero (t = {t:.2f})."
    )
    few = f" With {count} {word}s that is weak: what is not shown may well be true." if count < 5 else ""
    folds = (
        " Folds share training data, so that their intervals are too narrow rather than too wide."
        if matrix.folds
        else ""
    )
    return [f"{said}{few}{folds} No correction is made for the number of orderings."]


def _replicated(matrix: Matrix) -> str:
    if matrix.folds is not None:
        return f"{matrix.folds.count} folds by patient"
    return f"seeds {', '.join(map(str, matrix.replicates))}"


def _words(matrix: Matrix, task: Task) -> str:
    return f"{task.cell.name}, {matrix.replicate_word} {task.replicate}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
