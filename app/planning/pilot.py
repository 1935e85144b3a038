"""The pilot: how good networks became that were trained with few images of each level, from a study's ``table.csv``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.files.tables import Table, read_table
from app.nearest import did_you_mean
from app.planning.learning_curves import Array, Mask
from evaluation.cells import number

TABLE = "table.csv"
COUNT = "n_"
"""Columns of the number of images by level begin so: ``n_box``."""
SECONDS = "seconds"
_REPLICATE = re.compile(r"(seed|fold)_\d+")
_LIKE_SIZE = 0.5
"""Cells whose numbers of images differ by a factor below e^0.5 share their variance between seeds."""
_FEWEST_FREEDOM = 4
LOCATED_METRICS = ("dice", "iou", "ior", "hit", "localis", "froc", "jafroc")
WORST = "worst"


@dataclass(frozen=True)
class Pilot:
    """Cells of a pilot, for one metric.

    Attributes:
        metric: Its name, such as ``auc.macro``.
        levels: Names of the levels.
        sizes: (cells, levels), images of each level.
        mean: (cells,), mean over seeds.
        error: (cells,), standard error of that mean, from a variance pooled over cells of like size.
        seconds: (cells,), time that a run took; NaN if the table does not say.
        seeds: Runs of a cell, at most.
    """

    metric: str
    levels: tuple[str, ...]
    sizes: Array
    mean: Array
    error: Array
    seconds: Array
    seeds: int

    @property
    def is_area(self) -> bool:
        """Whether 0.5 means no skill."""
        return is_area(self.metric)

    @property
    def is_located(self) -> bool:
        """Whether the metric asks where a finding is."""
        return self.metric.startswith(LOCATED_METRICS)

    @property
    def quality(self) -> Array:
        """The mean, so that 0 means no skill and 1 perfection."""
        return 2 * self.mean - 1 if self.is_area else self.mean

    @property
    def quality_error(self) -> Array:
        """Standard error of the quality."""
        return 2 * self.error if self.is_area else self.error

    @property
    def largest(self) -> float:
        """Images of the largest cell."""
        return float(self.sizes.sum(1).max())

    @property
    def spread(self) -> float:
        """Standard deviation between the runs of a cell, for cells of at least half as many images as the largest."""
        is_large = self.sizes.sum(1) >= self.largest / 2
        return float(np.median(self.error[is_large]) * math.sqrt(self.seeds))

    @property
    def mixed(self) -> Mask:
        """(cells,), whether a cell has images of several levels."""
        return np.asarray((self.sizes > 0).sum(1) > 1)


def is_area(metric: str) -> bool:
    """Whether a metric is an area under the ROC curve.

    Example:
        >>> is_area("auc.macro"), is_area("dice.macro")
        (True, False)
    """
    return metric.split(".")[0].split("_")[0] == "auc"


def read_pilots(path: Path, metric: str) -> list[Pilot]:
    """The pilot of a metric, or for ``auc.worst`` the pilots of ``auc`` of each finding.

    Args:
        path: A study's folder, or a table: columns ``metric``, ``n_<level>`` (images of each level) and ``seed_<n>`` or
            ``fold_<n>`` (values from 0 to 1); other columns are not read.
        metric: Name of a metric in the table.

    Raises:
        ValueError: The table cannot be read, lacks columns, the metric or repeated runs, or has values out of range.
    """
    file = path / TABLE if path.is_dir() else path
    table = read_table(file)
    if "metric" not in table.columns:
        raise ValueError(f"{file}: no column 'metric'; a pilot is a study's {TABLE}.")
    metrics = list(dict.fromkeys(name for (name,) in table.select("metric")))
    names = [metric]
    family, _, last = metric.rpartition(".")
    if last == WORST and metric not in metrics:
        names = [each for each in metrics if each.startswith(f"{family}.") and each != f"{family}.macro"]
        if not names:
            raise ValueError(
                f"{file}: {metric!r} needs the findings' own rows, such as {family}.Nodule; there are none."
            )
    for name in names:
        if name not in metrics:
            known = ", ".join(metrics)
            raise ValueError(f"{file}: no metric {name!r}; there are {known}.{did_you_mean(name, metrics)}")
    pilots = [_pilot(table, name) for name in names]
    for pilot in pilots[1:]:
        if not np.array_equal(pilot.sizes, pilots[0].sizes):
            raise ValueError(f"{file}: {pilot.metric} and {pilots[0].metric} are not given for the same cells.")
    return pilots


def _pilot(table: Table, metric: str) -> Pilot:
    counts = [name for name in table.columns if name.startswith(COUNT)]
    runs = [name for name in table.columns if _REPLICATE.fullmatch(name)]
    if not counts:
        raise ValueError(
            f"{table.path}: no column with images by level (n_image, n_box, ...); `frugal study FILE --table` writes "
            "them."
        )
    if not runs:
        raise ValueError(f"{table.path}: no column of a seed (seed_0, ...): a plan needs to know how runs vary.")
    cells: dict[tuple[float, ...], list[float]] = {}
    lines: dict[tuple[float, ...], str] = {}
    seconds: dict[tuple[float, ...], float] = {}
    for row, (name, *cell) in enumerate(table.select("metric", *counts, *runs)):
        if name not in (metric, SECONDS):
            continue
        where = table.where(row)
        texts = zip(cell[len(counts) :], runs, strict=True)
        values = [_number(text, column, where, None if name == SECONDS else 1.0) for text, column in texts if text]
        if not values:
            continue  # the cell has not run
        sizes = tuple(_number(text or "0", column, where) for text, column in zip(cell, counts, strict=False))
        if name == SECONDS:
            seconds[sizes] = float(np.mean(values))
        elif sizes in cells:
            raise ValueError(
                f"{where}: has as many images of each level as {lines[sizes]}; a pilot varies the annotations alone."
            )
        elif sum(sizes):
            cells[sizes], lines[sizes] = values, where
    return _gathered(table, metric, tuple(name.removeprefix(COUNT) for name in counts), cells, seconds)


def _gathered(
    table: Table,
    metric: str,
    levels: tuple[str, ...],
    cells: Mapping[tuple[float, ...], Sequence[float]],
    seconds: Mapping[tuple[float, ...], float],
) -> Pilot:
    if len(cells) < 3:
        raise ValueError(f"{table.path}: {metric}: {len(cells)} cells with images and values; a pilot needs 3 or more.")
    counts = np.array([len(values) for values in cells.values()])
    if counts.max() < 2:
        raise ValueError(
            f"{table.path}: {metric}: no cell has run with two seeds; without them nothing says how runs vary. "
            "Give the study seeds: [0, 1, 2]."
        )
    sizes = np.array(list(cells), dtype=float)
    used: Mask = np.asarray((sizes > 0).any(axis=0))
    squares = np.array([np.var(values) * len(values) for values in cells.values()])
    return Pilot(
        metric=metric,
        levels=tuple(name for name, is_used in zip(levels, used, strict=True) if is_used),
        sizes=sizes[:, used],
        mean=np.array([np.mean(values) for values in cells.values()]),
        error=np.sqrt(_pooled(sizes.sum(1), squares, counts - 1) / counts),
        seconds=np.array([seconds.get(each, math.nan) for each in cells]),
        seeds=int(counts.max()),
    )


def _pooled(totals: Array, squares: Array, freedom: NDArray[np.int_]) -> Array:
    """Variance of a run in each cell, over cells of like size: three seeds know their own only to a factor of six."""
    variance = np.empty(len(totals))
    for index, total in enumerate(totals):
        alike = np.abs(np.log(totals / total)) < _LIKE_SIZE
        if freedom[alike].sum() < _FEWEST_FREEDOM:
            alike[:] = True
        variance[index] = squares[alike].sum() / freedom[alike].sum()
    return variance


def _number(text: str, column: str, where: str, most: float | None = None) -> float:
    value = number(text)
    if not 0 <= value <= (math.inf if most is None else most) or math.isinf(value):
        allowed = "0 or more" if most is None else f"from 0 to {most:g}"
        raise ValueError(f"{where}: {column}: {text!r} is no number {allowed}.")
    return value
