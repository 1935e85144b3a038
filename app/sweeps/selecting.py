"""Choosing among the cells of a study, as a grid search does: by a validation metric, so that the test stays unseen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.sweeps.table import Results, Row

MODEL = "model.json"
VALIDATION = "validation."
"""What chose the epoch of a training stands below this name in ``model.json``, beside its weights."""


@dataclass(frozen=True)
class Selection:
    """How cells are chosen.

    Attributes:
        metric: path of a validation metric in ``model.json``; the largest mean over seeds is the best, of a loss the
            smallest.
        over: factors among whose values is chosen, for every combination of the others.
    """

    metric: str
    over: tuple[str, ...]

    @property
    def is_less_better(self) -> bool:
        """Whether the metric is a loss."""
        return self.metric.endswith("loss")


def parse_selection(given: Mapping[str, object], factors: Sequence[str]) -> Selection:
    """Read ``{metric: validation.auc, over: [learning_rate]}``; without ``over``, over all factors.

    Raises:
        ValueError: an unknown key or factor, or a metric of the section that is reported on.
    """
    if not {"metric"} <= given.keys() <= {"metric", "over"}:
        raise ValueError(f"report: select: must be {{metric: validation.auc, over: [FACTOR]}}, not {dict(given)!r}.")
    metric, over = given["metric"], given.get("over", list(factors))
    if not isinstance(metric, str) or not metric.startswith(VALIDATION):
        raise ValueError(
            f"report: select: {metric!r} is measured on the section that is reported on, which must not choose; name a "
            "metric of validation, such as validation.auc."
        )
    if not isinstance(over, list) or not over or not set(over) <= set(factors):
        raise ValueError(f"report: select: 'over' must be a list of factors ({', '.join(factors)}), not {over!r}.")
    return Selection(metric, tuple(over))


def selected(results: Results) -> list[Row]:
    """The row of the selection's metric of each chosen cell; one for every combination of the factors not chosen over.

    A combination of which a cell has not run with every seed, or has an undefined value, is left out: what is missing
    might have been the best.
    """
    asked = results.matrix.select
    if asked is None:
        return []
    rows = [row for row in results.rows if row.metric == asked.metric]

    def place(row: Row) -> tuple[str, ...]:
        return tuple(value for factor, value in row.cell.values.items() if factor not in asked.over)

    chosen = []
    for _, group in itertools.groupby(sorted(rows, key=place), key=place):
        candidates = list(group)
        if all(len(row.by_replicate) == len(results.matrix.replicates) for row in candidates) and not any(
            math.isnan(row.mean.value) for row in candidates
        ):
            best = min if asked.is_less_better else max
            chosen.append(best(candidates, key=lambda row: row.mean.value))
    return chosen
