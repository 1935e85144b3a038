"""Figures of a result: ROC and precision-recall curves, score distributions, a training's history."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.engines.outputs import Outputs
from evaluation.cases import checked_labels
from evaluation.roc import auc, precision_recall_curve, roc_curve

# Names of findings are shown as they are: "$" does not begin a formula.
matplotlib.rcParams["text.parse_math"] = False

MAX_TITLE = 48


def curves(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """ROC and precision-recall curves, one line for each finding with present and absent cases."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    for c, name in enumerate(findings):
        logit, label = outputs.logit[:, c], outputs.label[:, c]
        area = auc(logit, label)
        if np.isnan(area):
            continue
        curve = roc_curve(logit, label)
        roc.step(curve.x, curve.y, where="post", label=f"{shortened(name)}: AUC {area:.3f}")
        curve = precision_recall_curve(logit, label)
        precision.plot(curve.x, curve.y, label=shortened(name))
    roc.plot([0, 1], [0, 1], color="0.8", zorder=0)
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC", xlim=(0, 1), ylim=(0, 1.01))
    precision.set(xlabel="recall", ylabel="precision", title="Precision and recall", xlim=(0, 1), ylim=(0, 1.01))
    _add_legends(roc, precision)
    return figure


def distributions(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """Histograms of the scores of present and absent cases (Kim et al. 2023, figure 2)."""
    figure, axes = panels(len(findings), height=3)
    edges = np.linspace(0, 1, 31).tolist()
    for c, name in enumerate(findings):
        labels = checked_labels(outputs.label[:, c])
        for chosen, kind, colour in ((labels.absent, "absent", "tab:blue"), (labels.present, "present", "tab:orange")):
            score = outputs.score[chosen, c]
            weights = np.full(len(score), 1 / max(1, len(score)))
            axes[c].hist(score, edges, weights=weights, alpha=0.6, color=colour, label=f"{kind} ({len(score)})")
        axes[c].set(title=shortened(name), xlabel="score", ylabel="share of cases")
        axes[c].legend(fontsize=8)
    return figure


def history(values: dict[str, list[float]]) -> Figure:
    """Curves of a training by epoch: losses on the left, validation AUC and Dice on the right."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, series in values.items():
        axes = left if "loss" in name else right
        if name not in ("learning_rate", "epoch_seconds") and not np.isnan(series).all():
            axes.plot(range(1, len(series) + 1), series, marker=".", label=name)
    left.set(xlabel="epoch", ylabel="loss")
    right.set(xlabel="epoch", ylabel="validation")
    _add_legends(left, right)
    return figure


def panels(count: int, height: float = 4) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, four in a row, each ``height`` inches high."""
    columns, rows = min(count, 4), -(-count // 4)
    figure = Figure(figsize=(4.5 * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.set_axis_off()
    return figure, axes


def shortened(name: str) -> str:
    """A finding's name, cut to the length of a title.

    Example:
        >>> shortened("x" * 60) == "x" * 45 + "..."
        True
    """
    return name if len(name) <= MAX_TITLE else f"{name[: MAX_TITLE - 3]}..."


def _add_legends(*all_axes: Axes) -> None:
    for axes in all_axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
