"""Outcomes of a sweep: each metric of each cell over seeds or folds, verdicts on orderings, and selected cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.annotations.levels import LEVELS, images_by_level
from app.datalist.file import read_datalist
from app.nearest import did_you_mean
from app.sweeps.cell_comparisons import CellComparison, compare_cells
from app.sweeps.cell_run import RESULT, CellRun
from app.sweeps.curves import MODEL, CellCurve, cell_curves
from app.sweeps.metric_names import SECONDS, VALIDATION
from app.sweeps.orderings import Ordering, Pair, difference_of, over_replicates, verdict
from app.sweeps.sweep import Cell, Sweep, cell_name
from evaluation.cases import Interval


@dataclass(frozen=True)
class CellResult:
    """One metric of one cell.

    Attributes:
        cell: The cell.
        metric: Path of the metric.
        by_replicate: The value of each seed or fold that has finished; NaN if undefined.
        mean: Mean over those, with its t interval.
        deviation: Standard deviation (n - 1).
    """

    cell: Cell
    metric: str
    by_replicate: Mapping[int, float]
    mean: Interval
    deviation: float


@dataclass(frozen=True)
class PairResult:
    """One pair of an ordering, with its mean paired difference over ``count`` seeds or folds."""

    ordering: Ordering
    pair: Pair
    count: int
    difference: Interval
    verdict: str


@dataclass(frozen=True)
class Outcomes:
    """Everything that the tables and pictures of a sweep show.

    ``images`` has, by the name of a cell, the mean number of training images at each level of annotation; it is empty
    if the sweep makes no datalists. ``not_compared`` says why comparisons of cells could not be made. ``curves`` are
    those of the cells that trained.
    """

    sweep: Sweep
    results: tuple[CellResult, ...]
    pairs: tuple[PairResult, ...]
    failed: tuple[CellRun, ...]
    missing: tuple[CellRun, ...]
    images: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    comparisons: Sequence[CellComparison] = ()
    not_compared: Sequence[str] = ()
    curves: Sequence[CellCurve] = ()

    def by_metric(self) -> dict[str, list[CellResult]]:
        """The results of each metric, in the order of the cells."""
        grouped: dict[str, list[CellResult]] = {}
        for result in self.results:
            grouped.setdefault(result.metric, []).append(result)
        return grouped


def gather(sweep: Sweep, runs: Sequence[CellRun], keep: bool = False) -> Outcomes:
    """The outcomes of all runs that have finished.

    Raises:
        ValueError: All results lack a metric; lists those that the first has. Or a history is damaged.
    """
    finished: dict[str, list[CellRun]] = {cell.name: [] for cell in sweep.cells}
    for run in runs:
        if run.is_finished(keep):
            finished[run.cell.name].append(run)
    selecting = (sweep.select.metric,) if sweep.select else ()
    metrics = dict.fromkeys((*sweep.metrics, *(ordering.metric for ordering in sweep.orderings), *selecting))
    results = {}
    known = {metric: _values(metric, itertools.chain.from_iterable(finished.values())) for metric in metrics}
    for metric, cell in itertools.product(metrics, sweep.cells):
        values = {run.replicate: known[metric][run.folder] for run in finished[cell.name]}
        repeated = over_replicates(list(values.values()))
        results[metric, cell.name] = CellResult(cell, metric, values, repeated.interval, repeated.deviation)
    pairs = [_pair_result(ordering, pair, results) for ordering in sweep.orderings for pair in ordering.pairs]
    states = [(run, run.state(keep)) for run in runs]
    failed = tuple(run for run, state in states if state == "failed")
    missing = tuple(run for run, state in states if state not in ("failed", "finished"))
    images = {name: _images(of_cell) for name, of_cell in finished.items()}
    comparisons, not_compared = compare_cells(sweep, runs, keep)
    return Outcomes(
        sweep=sweep,
        results=tuple(results.values()),
        pairs=tuple(pairs),
        failed=failed,
        missing=missing,
        images=images,
        comparisons=comparisons,
        not_compared=not_compared,
        curves=cell_curves(itertools.chain(*finished.values())),
    )


def selected(outcomes: Outcomes) -> list[CellResult]:
    """The chosen cell for each combination of the factors that are not chosen over.

    A combination is left out while a cell of it lacks a seed or a defined value, because that one might be the best.
    """
    select = outcomes.sweep.select
    if select is None:
        return []
    groups: dict[tuple[str, ...], list[CellResult]] = {}
    for result in outcomes.by_metric()[select.metric]:
        if result.cell.run_id:
            continue  # it evaluates a training, which is chosen or not
        others = tuple(value for factor, value in result.cell.values.items() if factor not in select.over)
        groups.setdefault(others, []).append(result)
    best = min if select.is_loss else max
    count = len(outcomes.sweep.replicates)
    return [
        best(candidates, key=lambda result: result.mean.value)
        for _, candidates in sorted(groups.items())
        if all(len(each.by_replicate) == count and not math.isnan(each.mean.value) for each in candidates)
    ]


def metric_value(content: Mapping[str, Any], path: str, file: Path) -> float:
    """A value of ``metrics.json`` by its dotted path; ``null`` is NaN. Names may contain dots themselves.

    Raises:
        ValueError: There is no such value; lists the names that are there instead.

    Example:
        >>> metric_value({"iou_accuracy": {"T 0.1": {"Nodule": {"value": 0.25}}}}, "iou_accuracy.T 0.1.Nodule", Path())
        0.25
    """
    value: Any = content
    rest = path
    while rest and isinstance(value, Mapping):
        name = next((key for key in sorted(value, key=len, reverse=True) if f"{rest}.".startswith(f"{key}.")), None)
        if name is None:
            raise ValueError(
                f"{file}: no {path!r}: unknown {rest!r}; known are {', '.join(value)}.{did_you_mean(rest, value)}"
            )
        value, rest = value[name], rest[len(name) + 1 :]
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    if value is None and not rest:
        return math.nan
    if rest or isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{file}: {path!r} is no number but {str(value)[:80]!r}.")
    return float(value)


def _values(metric: str, runs: Iterable[CellRun]) -> dict[Path, float]:
    """A metric of runs by their folder; NaN for those that lack it, such as one of other findings.

    Raises:
        ValueError: All lack it; lists the metrics that the first has instead.
    """
    values: dict[Path, float] = {}
    problems: list[Exception] = []
    for run in runs:
        try:
            values[run.folder] = _value(run, metric)
        except (FileNotFoundError, ValueError) as error:
            problems.append(error)
            values[run.folder] = math.nan
    if problems and len(problems) == len(values):
        raise ValueError(str(problems[0])) from problems[0]
    return values


def _value(run: CellRun, metric: str) -> float:
    if metric == SECONDS:
        return float(run.record()["seconds"])
    name = MODEL if metric.startswith(VALIDATION) else RESULT
    return metric_value(run.read(name), metric, run.folder / name)


def _images(runs: Sequence[CellRun]) -> dict[str, float]:
    """Mean number of training images by level over the runs of a cell."""
    paths = [run.datalist for run in runs if run.datalist is not None and run.datalist.exists()]
    counts = [images_by_level(read_datalist(path)) for path in paths]
    levels = [level for level in LEVELS if any(level in each for each in counts)]
    return {level: sum(each.get(level, 0) for each in counts) / len(counts) for level in levels}


def _pair_result(ordering: Ordering, pair: Pair, results: Mapping[tuple[str, str], CellResult]) -> PairResult:
    larger, smaller = (results[ordering.metric, cell_name(side)].by_replicate for side in (pair.larger, pair.smaller))
    count = len(larger.keys() & smaller.keys())
    difference = difference_of(larger, smaller)
    return PairResult(ordering, pair, count, difference, verdict(difference) if count else "not run")
