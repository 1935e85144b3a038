"""Figures of a result: ROC and precision-recall curves, distributions of scores, and cases with map and truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.engines.evaluator import RadiographEvaluator
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord
from evaluation.calibration import reliability_curve
from evaluation.cases import checked_labels
from evaluation.roc import auc, precision_recall_curve, roc_curve
from transforms.regions import mask_on_region, restore_map, whole_region

# Names of findings are shown as they are: "$" does not begin a formula.
matplotlib.rcParams["text.parse_math"] = False

MAX_TITLE = 48
CASES = 4
"""How many best, worst and typical cases of each finding are drawn."""


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
    """Histograms of the scores of present and absent cases (Kim et al. 2022, figure 2)."""
    columns, rows = min(len(findings), 4), -(-len(findings) // 4)
    figure = Figure(figsize=(4.5 * columns, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    edges = np.linspace(0, 1, 31)
    for c, name in enumerate(findings):
        labels = checked_labels(outputs.label[:, c])
        for chosen, kind, colour in ((labels.absent, "absent", "tab:blue"), (labels.present, "present", "tab:orange")):
            score = outputs.score[chosen, c]
            weights = np.full(len(score), 1 / max(1, len(score)))
            axes[c].hist(score, edges, weights=weights, alpha=0.6, color=colour, label=f"{kind} ({len(score)})")
        axes[c].set(title=shortened(name), xlabel="score", ylabel="share of cases")
        axes[c].legend(fontsize=8)
    for empty in axes[len(findings) :]:
        empty.set_axis_off()
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


def reliability(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """How often a finding is present by its score: on the diagonal, scores are calibrated probabilities."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    for c, name in enumerate(findings):
        curve = reliability_curve(outputs.score[:, c], outputs.label[:, c])
        error = np.stack([curve.share - curve.lower, curve.upper - curve.share])
        axes.errorbar(curve.probability, curve.share, error, marker="o", capsize=2, linewidth=1, label=shortened(name))
    axes.set(xlabel="mean score", ylabel="share present (95% interval)", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8)
    return figure


def shortened(name: str) -> str:
    """A finding's name, cut to the length of a title.

    Example:
        >>> shortened("x" * 60) == "x" * 45 + "..."
        True
    """
    return name if len(name) <= MAX_TITLE else f"{name[: MAX_TITLE - 3]}..."


def cases(evaluator: RadiographEvaluator, record: ModelRecord) -> Iterator[tuple[str, Figure]]:
    """Best, typical and worst cases of each finding, with map and true outline over the image.

    Present cases are ordered by Dice if the finding is located anywhere, otherwise by score.

    Yields:
        The finding and its figure. Titles hold numbers of cases, not names.
    """
    for c, (name, threshold) in enumerate(zip(record.findings, record.map_thresholds, strict=True)):
        ordered, value, measure = _ordered(evaluator.outputs, c, threshold)
        if len(ordered):
            yield name, _case_figure(evaluator, c, threshold, _chosen(ordered, value), measure)


def _ordered(outputs: Outputs, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows of present cases from best to worst, and the value that orders them with its name."""
    rows, value = outputs.dice(finding, threshold)
    rank, measure = value, "Dice"
    if not len(rows):
        rows = np.flatnonzero(outputs.label[:, finding] == 1)
        value, measure = outputs.score[rows, finding], "score"
        rank = outputs.logit[rows, finding]
    order = np.argsort(-rank, kind="stable")
    return rows[order], value[order], measure


def _chosen(rows: np.ndarray, value: np.ndarray) -> list[tuple[str, int, float]]:
    middle = max(0, len(rows) // 2 - CASES // 2)
    groups = {"best": slice(0, CASES), "typical": slice(middle, middle + CASES), "worst": slice(-CASES, None)}
    return [
        (kind, int(row), float(each))
        for kind, part in groups.items()
        for row, each in zip(rows[part], value[part], strict=True)
    ]


def _case_figure(
    evaluator: RadiographEvaluator,
    finding: int,
    threshold: float,
    chosen: list[tuple[str, int, float]],
    measure: str,
) -> Figure:
    outputs = evaluator.outputs
    samples = [evaluator.dataset[int(outputs.index[row])] for _, row, _ in chosen]
    images = torch.stack([torch.as_tensor(sample["image"]) for sample in samples])
    probability = _maps(evaluator, images, finding)
    height = -(-len(chosen) // CASES)
    figure = Figure(figsize=(3 * CASES, 3.3 * height), layout="constrained")
    axes = figure.subplots(height, CASES, squeeze=False).ravel()
    for number, (kind, row, value) in enumerate(chosen):
        draw_case(axes[number], images[number, 0].numpy(), probability[number], threshold)
        truth = _truth(evaluator, samples[number], int(outputs.index[row]), finding)
        if truth.any():
            axes[number].contour(truth, levels=[0.5], colors="lime", linewidths=1)
        title = f"{kind}: {measure} {value:.2f}, score {outputs.score[row, finding]:.2f}\ncase {outputs.index[row]}"
        axes[number].set_title(title, fontsize=8)
    for each in axes:
        each.set_axis_off()
    return figure


def _maps(evaluator: RadiographEvaluator, images: torch.Tensor, finding: int) -> np.ndarray:
    """Maps (B, H, W) of one finding, in the pixels of the images."""
    reading, shape = evaluator.collected.reading, (images.shape[-2], images.shape[-1])
    maps = reading.probability(evaluator.predict(images).map[:, finding])
    return restore_map(maps, whole_region(shape), shape, patches=reading.patches).numpy()


def _truth(evaluator: RadiographEvaluator, sample: Mapping[str, Any], index: int, finding: int) -> np.ndarray:
    """The truth of a finding as a mask (H, W), in the pixels of the network's input."""
    truth = evaluator.collected.truth
    if truth is None or "region" not in sample:
        return np.asarray(sample["mask"][finding])
    size = (int(sample["original_size"][0]), int(sample["original_size"][1]))
    shape = (sample["image"].shape[-2], sample["image"].shape[-1])
    return mask_on_region(truth.of(index, finding, size).mask(size), np.asarray(sample["region"]), shape)


def draw_case(axes: Axes, image: np.ndarray, probability: np.ndarray, threshold: float) -> None:
    """Draw a radiograph (H, W), its map (H, W) in translucent red, and the outline at the threshold."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.imshow(probability, cmap="Reds", alpha=np.clip(probability, 0, 1) * 0.45, vmin=0, vmax=1)
    if probability.min() < threshold <= probability.max():
        axes.contour(probability, levels=[threshold], colors="red", linewidths=1)
    axes.set_axis_off()


def _add_legends(*all_axes: Axes) -> None:
    for axes in all_axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
