"""What an evaluation pass leaves behind: scores, labels and enough of the maps to know Dice at every threshold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch.nn import functional

from app.contract import Prediction, Target
from evaluation.overlap import best_threshold_of_mean, dice_at_thresholds, probability_histogram
from evaluation.roc import auc_per_finding

BINS = 1000


@dataclass
class Outputs:
    """Results of one pass over a section, in the order of visit.

    Attributes:
        index: (N,) place of each item in its section.
        score: (N, C) probabilities of "present".
        label: (N, C) as in Target.
        located_row: (M,) row in ``score`` of each (image, finding) whose location was asked for, be it "nowhere".
        located_finding: (M,) its finding.
        inside: (M, BINS) histogram of the map's probability over the pixels of the finding.
        outside: (M, BINS) the same over all other pixels.
        loss: mean over batches, weighted by their size; NaN where none was computed.
    """

    index: np.ndarray
    score: np.ndarray
    label: np.ndarray
    located_row: np.ndarray
    located_finding: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    loss: float = float("nan")

    def macro_auc(self) -> float:
        """Mean AUC over the findings that have one; NaN where none has."""
        return _mean(auc_per_finding(self.score, self.label))

    def best_macro_dice(self) -> float:
        """Mean over findings of the mean Dice at each finding's best threshold; NaN where nothing is located."""
        return _mean(np.array([best_threshold_of_mean(*self.histograms(c)).dice for c in range(self.score.shape[1])]))

    def histograms(self, finding: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``inside`` and ``outside`` that belong to a finding."""
        chosen = self.located_finding == finding
        return self.inside[chosen], self.outside[chosen]

    def dice(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Dice at a threshold of the grid of each image where a finding is somewhere.

        Returns:
            Rows in ``score`` (n,) and their Dice (n,).
        """
        inside, outside = self.histograms(finding)
        is_somewhere = inside.sum(axis=1) > 0
        values = dice_at_thresholds(inside[is_somewhere], outside[is_somewhere])[:, _column(threshold)]
        return self._rows(finding)[is_somewhere], values

    def dice_parts(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the aggregated Dice is the ratio of, for each image where a finding was asked for, somewhere or not.

        Returns:
            Rows in ``score`` (n,), twice the intersection (n,) and the sum of both areas (n,), in pixels.
        """
        inside, outside = self.histograms(finding)
        both = inside[:, _column(threshold) :].sum(axis=1)
        wrong = outside[:, _column(threshold) :].sum(axis=1)
        return self._rows(finding), 2 * both, both + wrong + inside.sum(axis=1)

    def _rows(self, finding: int) -> np.ndarray:
        return self.located_row[self.located_finding == finding]


def _column(threshold: float) -> int:
    return min(BINS - 1, round(threshold * BINS))


@dataclass
class _Parts:
    index: list[np.ndarray] = field(default_factory=list)
    score: list[np.ndarray] = field(default_factory=list)
    label: list[np.ndarray] = field(default_factory=list)
    row: list[np.ndarray] = field(default_factory=list)
    finding: list[np.ndarray] = field(default_factory=list)
    inside: list[np.ndarray] = field(default_factory=list)
    outside: list[np.ndarray] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    seen: int = 0


class CollectOutputs:
    """Handler that gathers an evaluator's pass; after it ``outputs`` holds the result and the engine its metrics.

    Args:
        loss: (Prediction, Target) to scalar, so that validation loss is known too; None to leave it out.
        activation_maps: the network's map is a class activation map: its logits are scaled from their minimum to their
            maximum in each image (Zhou et al. 2016) rather than read as probabilities.
    """

    def __init__(self, loss: torch.nn.Module | None = None, activation_maps: bool = False) -> None:
        self.loss = loss
        self.activation_maps = activation_maps
        self._parts = _Parts()
        self._outputs: Outputs | None = None

    @property
    def outputs(self) -> Outputs:
        """The last complete pass."""
        if self._outputs is None:
            raise RuntimeError("no evaluation pass has been completed")
        return self._outputs

    def attach(self, engine: Engine, name: str = "auc") -> None:
        """Gather from ``engine``; its metrics are ``name`` (macro AUC), ``dice`` and ``loss``."""

        def start(engine: Engine) -> None:
            self._parts = _Parts()

        def finish(engine: Engine) -> None:
            self._outputs = self._joined()
            engine.state.metrics[name] = self._outputs.macro_auc()
            engine.state.metrics["dice"] = self._outputs.best_macro_dice()
            engine.state.metrics["loss"] = self._outputs.loss

        engine.add_event_handler(Events.EPOCH_STARTED, start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._gather)
        # First, so that the engine's own comparison of its key metric finds it.
        engine.add_event_handler(Events.EPOCH_COMPLETED, finish)

    def _gather(self, engine: Engine) -> None:
        prediction, target = engine.state.output[CommonKeys.PRED], engine.state.output[CommonKeys.LABEL]
        parts = self._parts
        rows, findings = torch.nonzero(target.annotated.bool(), as_tuple=True)
        probability = map_probability(prediction, target, rows, findings, self.activation_maps)
        inside, outside = probability_histogram(probability, target.mask[rows, findings].cpu().numpy() >= 0.5, BINS)
        parts.index.append(engine.state.batch["index"].numpy())
        parts.score.append(torch.sigmoid(prediction.score).cpu().numpy())
        parts.label.append(target.label.cpu().numpy())
        parts.row.append(rows.cpu().numpy() + parts.seen)
        parts.finding.append(findings.cpu().numpy())
        parts.inside.append(inside.astype(np.int32))
        parts.outside.append(outside.astype(np.int32))
        parts.seen += len(target.label)
        if self.loss is not None:
            parts.losses.append(float(self.loss(prediction, target)))
            parts.sizes.append(len(target.label))

    def _joined(self) -> Outputs:
        parts = self._parts
        return Outputs(
            index=np.concatenate(parts.index),
            score=np.concatenate(parts.score),
            label=np.concatenate(parts.label),
            located_row=np.concatenate(parts.row),
            located_finding=np.concatenate(parts.finding),
            inside=np.concatenate(parts.inside),
            outside=np.concatenate(parts.outside),
            loss=float(np.average(parts.losses, weights=parts.sizes)) if parts.losses else float("nan"),
        )


def map_probability(
    prediction: Prediction, target: Target, rows: torch.Tensor, findings: torch.Tensor, activation_maps: bool
) -> np.ndarray:
    """Maps of chosen (image, finding) pairs at the mask's resolution.

    Returns:
        (M, H, W) in [0, 1].
    """
    height, width = target.mask.shape[-2:]
    chosen = prediction.map[rows, findings][:, None].float()
    chosen = as_probability(chosen, activation_maps)
    if len(chosen):
        chosen = functional.interpolate(chosen, size=(height, width), mode="bilinear", align_corners=False)
        return chosen[:, 0].clamp(0, 1).cpu().numpy()
    return np.zeros((0, height, width), dtype=np.float32)


def as_probability(maps: torch.Tensor, activation_maps: bool) -> torch.Tensor:
    """Values in [0, 1] of map logits (B, C, h, w): read as probabilities, or scaled from minimum to maximum."""
    if not activation_maps:
        return torch.sigmoid(maps)
    low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6)


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
