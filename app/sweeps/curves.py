"""The curves of a sweep's trainings: how each cell's loss and key metric went, and whether it was trained enough."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.sweeps.cell_run import CellRun
from app.sweeps.convergence import is_improving
from app.sweeps.sweep import Cell, Sweep
from evaluation.cells import csv_text

HISTORY, MODEL = "history.csv", "model.json"
CURVES = "curves.csv"
EPOCH, SECONDS = "epoch", "epoch_seconds"
LOSSES = ("validation_loss", "train_loss")
"""The loss that is looked at is the first of these: in training it falls on while images are learnt by heart."""


@dataclass(frozen=True)
class RunCurve:
    """The history of one training.

    Attributes:
        replicate: Its seed or fold.
        columns: Values of each epoch by name, such as ``validation_loss``; NaN if undefined.
        key_metric: What chose the best epoch: ``auc``, ``dice`` or ``loss``.
        best: The best epoch.
        max_epochs: How many were planned.
        first_stage: How many belong to the first of two stages.
        stopped: Why it stopped early; empty if it did not.
    """

    replicate: int
    columns: Mapping[str, Sequence[float]]
    key_metric: str
    best: int
    max_epochs: int
    first_stage: int = 0
    stopped: str = ""

    @property
    def epochs(self) -> int:
        """How many were trained."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def seconds(self) -> float:
        """How long all epochs took."""
        return sum(self.columns.get(SECONDS, ()))


@dataclass(frozen=True)
class CellCurve:
    """The trainings of one cell; at least one."""

    cell: Cell
    runs: tuple[RunCurve, ...]

    @property
    def loss(self) -> str:
        """The loss that is looked at."""
        return next((name for name in LOSSES if name in self.runs[0].columns), LOSSES[-1])

    @property
    def key_metric(self) -> str:
        """The name of the validation metric that chose the epochs."""
        return f"validation_{self.runs[0].key_metric}"

    def mean(self, name: str) -> list[float]:
        """The mean over the runs that trained longest, epoch by epoch."""
        longest = [run for run in self.runs if run.epochs == max(each.epochs for each in self.runs)]
        columns = [run.columns[name] for run in longest if name in run.columns]
        return [sum(values) / len(values) for values in zip(*columns, strict=True)]

    def improving(self) -> list[str]:
        """What was still improving at the end, such as ``validation auc``; nothing if a training stopped early."""
        if any(run.stopped for run in self.runs):
            return []
        names = dict.fromkeys((self.loss, self.key_metric))
        return [name.replace("_", " ") for name in names if self._is_improving(name)]

    def _is_improving(self, name: str) -> bool | None:
        first = max(run.first_stage for run in self.runs)
        last_stage = self.mean(name)[first:] if first < max(run.epochs for run in self.runs) else self.mean(name)
        return is_improving(last_stage, name.endswith("loss"))


def cell_curves(runs: Iterable[CellRun]) -> tuple[CellCurve, ...]:
    """The curves of the cells whose trainings left any.

    Args:
        runs: That have finished, cell by cell.

    Raises:
        ValueError: A history is damaged; names the file.
    """
    by_cell: dict[str, tuple[Cell, list[RunCurve]]] = {}
    for run in runs:
        curve = read_curve(run)
        if curve is not None:
            by_cell.setdefault(run.cell.name, (run.cell, []))[1].append(curve)
    return tuple(CellCurve(cell, tuple(curves)) for cell, curves in by_cell.values())


def read_curve(run: CellRun) -> RunCurve | None:
    """The history of a run; None if it left none, because it only evaluates or ran with an earlier version.

    Raises:
        ValueError: It is damaged; names the file.
    """
    path = run.folder / HISTORY
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        if head[0] != EPOCH or not rows:
            raise ValueError("it has no epochs")
        columns = [[float(value or "nan") for value in column] for column in zip(*rows, strict=True)]
        by_name = dict(zip(head, columns, strict=True))
        model = run.read(MODEL)
        validation, training = model["validation"], model["training"]
        key_metric = next(name for name in validation if name != EPOCH)
        best, planned = int(validation[EPOCH]), int(training["max_epochs"])
    except (ValueError, KeyError, StopIteration) as error:
        raise ValueError(
            f"{path}: not the history of a training ({error}). Remove it to do without this curve, or the folder's "
            "cell.json to run the cell anew."
        ) from error
    del by_name[EPOCH]
    staged, stopped = int(training.get("first_stage", 0)), str(training.get("stopped", ""))
    return RunCurve(run.replicate, by_name, key_metric, best, planned, staged, stopped)


def curves_csv(sweep: Sweep, curves: Sequence[CellCurve]) -> str:
    """Every epoch of every training: a row an epoch, with the cell's factor values, and seed or fold."""
    every = [run for each in curves for run in each.runs]
    names = [name for name in dict.fromkeys(itertools.chain(*(run.columns for run in every))) if name != SECONDS]
    rows: list[Sequence[object]] = [[*sweep.factors, sweep.replicate_word, EPOCH, *names]]
    for each in curves:
        for run in each.runs:
            for epoch in range(run.epochs):
                values = [run.columns[name][epoch] if name in run.columns else math.nan for name in names]
                rows.append([*each.cell.values.values(), run.replicate, epoch + 1, *values])
    return csv_text(rows)
