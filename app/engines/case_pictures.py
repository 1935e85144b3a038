"""Pictures of cases: the best, typical and worst detections of each finding, and false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from app.engines.evaluator import RadiographEvaluator
from app.engines.outputs import Outputs
from app.engines.overlay import VEIL
from app.engines.pictures import shortened
from app.engines.record import ModelRecord
from transforms.regions import mask_on_region, restore_map, whole_region

CASES = 4
"""The most cases of one kind in a figure."""
ANNOTATED, DETECTED = "lime", "red"


class Case(NamedTuple):
    """A case to be drawn.

    Attributes:
        kind: Best, typical, worst, or false alarm.
        row: Row of the outputs.
        measure: What the case was chosen by, such as ``Dice 0.71``.
        is_called: Whether the finding's score reaches its threshold. Only then is its map drawn.
    """

    kind: str
    row: int
    measure: str
    is_called: bool


def cases(evaluator: RadiographEvaluator, record: ModelRecord) -> Iterator[tuple[str, Figure]]:
    """Cases of each finding, with the annotation and, if the finding was called, its map over the image.

    Present cases are ordered by Dice if the finding is located anywhere, otherwise by score. No case is drawn twice.

    Yields:
        The finding and its figure. Titles hold numbers of cases, not names.
    """
    for c, name in enumerate(record.findings):
        chosen = chosen_cases(evaluator.outputs, c, record)
        if chosen:
            yield name, _figure(evaluator, c, record, chosen)


def chosen_cases(outputs: Outputs, finding: int, record: ModelRecord) -> list[Case]:
    """Best, typical and worst cases in which the finding is present, and the false alarms of highest score.

    There are as many of each kind, at most `CASES`: a third of the present cases; of one or two cases, all.
    """
    logit, label = outputs.logit[:, finding], outputs.label[:, finding]
    is_called = logit >= record.logit_thresholds[finding]
    rows, value, measure = _ordered(outputs, finding, record.map_thresholds[finding])
    count, each = len(rows), min(CASES, max(1, len(rows) // 3))
    starts = {"best": 0, "typical": (count - each) // 2, "worst": count - each}
    if count < len(starts):
        starts = dict(zip(("best", "worst"), range(count), strict=False))
    present = [
        Case(kind, int(rows[place]), f"{measure} {value[place]:.2f}", bool(is_called[rows[place]]))
        for kind, start in starts.items()
        for place in range(start, start + each)
    ]
    alarms = np.flatnonzero(is_called & (label == 0))
    highest = alarms[np.argsort(-logit[alarms], kind="stable")][:each]
    score = outputs.score[:, finding]
    return present + [Case("false alarm", int(row), f"score {score[row]:.2f}", True) for row in highest]


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


def _figure(evaluator: RadiographEvaluator, finding: int, record: ModelRecord, chosen: Sequence[Case]) -> Figure:
    index = [int(evaluator.outputs.index[case.row]) for case in chosen]
    samples = [evaluator.dataset[each] for each in index]
    images = torch.stack([torch.as_tensor(sample["image"]) for sample in samples])
    probability = _maps(evaluator, images, finding)
    columns = _columns(chosen)
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(3 * columns, 3.4 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    is_annotated = False
    for number, case in enumerate(chosen):
        shown = probability[number] if case.is_called else None
        draw_case(axes[number], images[number, 0].numpy(), shown, record.map_thresholds[finding])
        truth = _truth(evaluator, samples[number], index[number], finding)
        if truth.any():
            is_annotated = True
            axes[number].contour(truth, levels=[0.5], colors=ANNOTATED, linewidths=1)
        axes[number].set_title(_title(case, evaluator.outputs.score[case.row, finding], index[number]), fontsize=8)
    for each in axes:
        each.set_axis_off()
    figure.suptitle(_summary(evaluator.outputs, finding, record), fontsize=9)
    _add_legend(figure, record.map_thresholds[finding], is_annotated)
    return figure


def _columns(chosen: Sequence[Case]) -> int:
    """One row for each kind if there are several of each; otherwise as many in a row as a page is wide."""
    each = sum(case.kind == chosen[0].kind for case in chosen)
    return each if each > CASES // 2 else min(CASES, max(2, len(chosen)))


def _title(case: Case, score: float, index: int) -> str:
    score_too = f", score {score:.2f}" if case.measure.startswith("Dice") else ""
    return f"{case.kind}: {case.measure}{score_too}\ncase {index}{'' if case.is_called else ', not called'}"


def _summary(outputs: Outputs, finding: int, record: ModelRecord) -> str:
    """What was called of how many cases."""
    label = outputs.label[:, finding]
    is_called = outputs.logit[:, finding] >= record.logit_thresholds[finding]
    counts = [f"{(is_called & each).sum()} of {each.sum()}" for each in (label == 1, label == 0)]
    name, threshold = shortened(record.findings[finding]), record.score_thresholds[finding]
    return f"{name}: {counts[0]} present and {counts[1]} absent cases called, from a score of {threshold:.2f}"


def _add_legend(figure: Figure, threshold: float, is_annotated: bool) -> None:
    handles: list[Line2D | Patch] = [Line2D([], [], color=ANNOTATED, label="annotated")] if is_annotated else []
    handles.append(Patch(color=DETECTED, alpha=VEIL, label="map, if called"))
    handles.append(Line2D([], [], color=DETECTED, label=f"its outline at {threshold:.2f}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)


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


def draw_case(axes: Axes, image: np.ndarray, probability: np.ndarray | None, threshold: float) -> None:
    """Draw a radiograph (H, W) and, if given, its map (H, W) in translucent red with the outline at the threshold."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.set_axis_off()
    if probability is None:
        return
    axes.imshow(probability, cmap="Reds", alpha=np.clip(probability, 0, 1) * VEIL, vmin=0, vmax=1)
    if probability.min() < threshold <= probability.max():
        axes.contour(probability, levels=[threshold], colors=DETECTED, linewidths=1)
