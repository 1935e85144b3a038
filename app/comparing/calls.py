"""What runs call present at the thresholds that they recorded, and whether they are right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.comparing.run_files import METRICS, RunFiles
from evaluation import PredictionTable, logit_of
from evaluation.auc_tests import rank_alike
from evaluation.cases import FloatArray

SHARES = {"sensitivity": "Sensitivity", "specificity": "Specificity"}
"""Measures of calls, and their titles."""


def recorded_thresholds(run: RunFiles, table: PredictionTable) -> FloatArray | None:
    """The thresholds (C,) at which ``metrics.json`` of a run measured, for what its table ranks by; None if unknown.

    Raises:
        ValueError: ``metrics.json`` is damaged.
    """
    entries = run.results().get("sensitivity")
    if not isinstance(entries, dict):
        return None
    thresholds = np.array([_threshold(entries.get(name), table.logit is not None) for name in table.findings])
    return None if np.isnan(thresholds).any() else thresholds


def right_calls(table: PredictionTable, threshold: FloatArray, measure: str) -> FloatArray:
    """Whether the calls (N, C) of a table are right: 1 or 0, NaN in cases that do not count for the measure.

    Example:
        >>> label, score = np.array([[1.0], [0.0], [1.0]]), np.array([[0.9], [0.8], [0.1]])
        >>> table = PredictionTable(("Mass",), np.array(["a", "b", "c"]), np.array(["a", "b", "c"]), label, score)
        >>> right_calls(table, np.array([0.5]), "sensitivity").tolist()
        [[1.0], [nan], [0.0]]
    """
    is_called = table.rank >= threshold
    if measure == "sensitivity":
        return np.where(table.label == 1, is_called, np.nan)
    return np.where(table.label == 0, ~is_called, np.nan)


def called_alike(first: PredictionTable, second: PredictionTable, right: tuple[FloatArray, FloatArray]) -> list[bool]:
    """Of each finding, whether two tables of the same cases rank them and call them alike."""
    is_known = first.label >= 0
    return [
        rank_alike(first.rank[is_known[:, c], c], second.rank[is_known[:, c], c])
        and np.array_equal(right[0][:, c], right[1][:, c], equal_nan=True)
        for c in range(len(first.findings))
    ]


def without_thresholds(thresholds: Sequence[FloatArray | None], labels: Sequence[str]) -> str:
    """A note on the runs whose thresholds are not known; empty if all are, or if none is."""
    lacking = dict.fromkeys(label for each, label in zip(thresholds, labels, strict=True) if each is None)
    if not lacking or all(each is None for each in thresholds):
        return ""
    return (
        f"Sensitivity and specificity are not compared: {', '.join(lacking)} left no {METRICS} that says at which "
        "thresholds cases are called."
    )


def _threshold(entry: Any, is_logit: bool) -> float:  # noqa: ANN401 - JSON
    """NaN if an entry has none."""
    values = entry if isinstance(entry, dict) else {}
    if is_logit and isinstance(values.get("logit_threshold"), int | float):
        return float(values["logit_threshold"])
    threshold = values.get("threshold")
    if not isinstance(threshold, int | float) or (is_logit and not 0 <= threshold <= 1):
        return math.nan
    return float(logit_of(threshold)) if is_logit else float(threshold)
