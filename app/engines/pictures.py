"""Pictures of a result: ROC and precision-recall curves, score distributions, and cases with map and truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from app.engines.evaluator import RadiographEvaluator
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord
from evaluation.calibration import reliability_curve
from evaluation.cases import checked_labels
from evaluation.roc import auc, precision_recall_curve, roc_curve
from transforms.regions import mask_on_region, restore_map, whole_region

# Names of findings are shown as they are: "$" begins no formula.
matplotlib.rcParams["text.parse_math"] = False

LONGEST_TITLE = 48
CASES = 4
"""How many best, worst and typical cases are drawn of each finding."""


def curves(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """ROC and precision-recall curves, one line a finding that has both kinds of case."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    for c, name in enumerate(findings):
        logit, label = outputs.logit[:, c], outputs.label[:, c]
        area = auc(logit, label)
        if np.isnan(area):
            continue
        curve = roc_curve(logit, label)
        roc.step(curve.x, curve.y, where="post", label=f"{shown(name)}: AUC {area:.3f}")
        curve = precision_recall_curve(logit, label)
        precision.plot(curve.x, curve.y, label=shown(name))
    roc.plot([0, 1], [0, 1], color="0.8", zorder=0)
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC", xlim=(0, 1), ylim=(0, 1.01))
    precision.set(xlabel="recall", ylabel="precision", title="Precision and recall", xlim=(0, 1), ylim=(0, 1.01))
    for axes in (roc, precision):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    return figure


def distributions(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """Histograms of the score among present and absent cases (Kim et al. 2022, figure 2)."""
    figure = Figure(figsize=(4.5 * min(len(findings), 4), 3 * -(-len(findings) // 4)), layout="constrained")
    axes = figure.subplots(-(-len(findings) // 4), min(len(findings), 4), squeeze=False).ravel()
    edges = np.linspace(0, 1, 31)
    for c, name in enumerate(findings):
        labels = checked_labels(outputs.label[:, c])
        for chosen, kind, colour in ((labels.absent, "absent", "tab:blue"), (labels.present, "present", "tab:orange")):
            count = int(chosen.sum())
            weight = np.full(count, 1 / max(1, count))
            axes[c].hist(
                outputs.score[chosen, c], edges, weights=weight, alpha=0.6, color=colour, label=f"{kind} ({count})"
            )
        axes[c].set(title=shown(name), xlabel="score", ylabel="share of cases")
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
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    return figure


def reliability(outputs: Outputs, findings: Sequence[str]) -> Figure:
    """How often a finding is present where the score says so: on the diagonal, scores are probabilities."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    for c, name in enumerate(findings):
        curve = reliability_curve(outputs.score[:, c], outputs.label[:, c])
        spread = np.stack([curve.share - curve.lower, curve.upper - curve.share])
        axes.errorbar(curve.probability, curve.share, spread, marker="o", capsize=2, linewidth=1, label=shown(name))
    axes.set(xlabel="mean score", ylabel="share present (95% interval)", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8)
    return figure


def shown(name: str) -> str:
    """A finding's name as it stands in a picture: cut where it is longer than a title may be."""
    return name if len(name) <= LONGEST_TITLE else f"{name[: LONGEST_TITLE - 3]}..."


def cases(evaluator: RadiographEvaluator, record: ModelRecord) -> Iterator[tuple[str, Figure]]:
    """Best, typical and worst cases of each finding with map and true outline drawn over the image.

    Where a finding is located somewhere, present cases are ordered by Dice; else by score, low scores being worst.

    Yields:
        The finding and its figure. Titles carry numbers of the case, not names.
    """
    for c, (name, threshold) in enumerate(zip(record.findings, record.map_thresholds, strict=True)):
        ordered, value, measure = _ordered(evaluator.outputs, c, threshold)
        if len(ordered):
            yield name, _case_figure(evaluator, c, threshold, _chosen(ordered, value), measure)


def _ordered(outputs: Outputs, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows of present cases from best to worst, with the value they are ordered by, and its name."""
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
    figure = Figure(figsize=(3 * CASES, 3.3 * -(-len(chosen) // CASES)), layout="constrained")
    axes = figure.subplots(-(-len(chosen) // CASES), CASES, squeeze=False).ravel()
    for place, (kind, row, value) in enumerate(chosen):
        draw_case(axes[place], images[place, 0].numpy(), probability[place], threshold)
        truth = _truth(evaluator, samples[place], int(outputs.index[row]), finding)
        if truth.any():
            axes[place].contour(truth, levels=[0.5], colors="lime", linewidths=1)
        axes[place].set_title(
            f"{kind}: {measure} {value:.2f}, score {outputs.score[row, finding]:.2f}\ncase {outputs.index[row]}",
            fontsize=8,
        )
    for empty in axes:
        empty.set_axis_off()
    return figure


def _maps(evaluator: RadiographEvaluator, images: torch.Tensor, finding: int) -> np.ndarray:
    """Maps (B, H, W) of one finding, on the images' own pixels."""
    reading, shape = evaluator.collected.reading, (images.shape[-2], images.shape[-1])
    maps = reading.probability(evaluator.predict(images).map[:, finding])
    return restore_map(maps, whole_region(shape), shape, patches=reading.patches).numpy()


def _truth(evaluator: RadiographEvaluator, sample: Mapping[str, Any], index: int, finding: int) -> np.ndarray:
    """What a finding was measured against, as a mask on the pixels of the network's input."""
    known = evaluator.collected.truth
    if known is None or "region" not in sample:
        return np.asarray(sample["mask"][finding])
    size = (int(sample["original_size"][0]), int(sample["original_size"][1]))
    shape = (sample["image"].shape[-2], sample["image"].shape[-1])
    return mask_on_region(known.of(index, finding, size).mask(size), np.asarray(sample["region"]), shape)


def draw_case(axes: Any, image: np.ndarray, probability: np.ndarray, threshold: float) -> None:  # noqa: ANN401
    """Draw a radiograph (H, W) with its map (H, W) as a red veil, and the outline at the threshold."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.imshow(probability, cmap="Reds", alpha=np.clip(probability, 0, 1) * 0.45, vmin=0, vmax=1)
    if probability.min() < threshold <= probability.max():
        axes.contour(probability, levels=[threshold], colors="red", linewidths=1)
    axes.set_axis_off()
