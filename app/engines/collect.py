"""Gather the outputs of an evaluation pass, exactly over batches and processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.contract import Prediction, Target
from app.engines.loading import dataset_of
from app.engines.located import MapReading, StoredTruth, located_in
from app.engines.outputs import BINS, Outputs, joined
from app.engines.processes import over_ranks
from evaluation.recalibration import Recalibration


class CollectOutputs:
    """Handler that gathers an evaluator's pass: afterwards ``outputs`` holds its results, and the engine its metrics.

    Args:
        loss: (Prediction, Target) to a scalar, for the validation loss; None to leave it out.
        reading: How maps are read.
        truth: Where findings are on the stored radiographs. None if that is unknown; the masks drawn on the network's
            input are the truth then.
    """

    def __init__(
        self,
        loss: torch.nn.Module | None = None,
        reading: MapReading | None = None,
        truth: StoredTruth | None = None,
    ) -> None:
        self.loss = loss
        self.reading = MapReading() if reading is None else reading
        self.truth = truth
        self.recalibration: tuple[Recalibration, ...] = ()
        """Of the scores in ``outputs``."""
        self._batches: list[Outputs] = []
        self._outputs: Outputs | None = None

    @property
    def outputs(self) -> Outputs:
        """Results of the last complete pass."""
        if self._outputs is None:
            raise RuntimeError("no evaluation pass has been completed")
        return self._outputs

    def facts(self) -> dict[str, str]:
        """How regions are measured, for ``metrics.json``."""
        return self.reading.facts(is_stored=self.truth is not None)

    def attach(self, engine: Engine) -> None:
        """Gather from ``engine`` and set its metrics ``auc`` (macro), ``dice`` and ``loss``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._gather)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _start(self) -> None:
        self._batches = []

    def _gather(self, engine: Engine) -> None:
        prediction, target = engine.state.output[CommonKeys.PRED], engine.state.output[CommonKeys.LABEL]
        require_numbers(not_numbers(prediction), engine.state.batch["index"], dataset_of(engine.state.dataloader))
        self._batches.append(self._batch(prediction, target, engine.state.batch))

    def _batch(self, prediction: Prediction, target: Target, batch: dict[str, torch.Tensor]) -> Outputs:
        rows, findings = (each.tolist() for each in torch.nonzero(target.annotated.bool(), as_tuple=True))
        located = located_in(batch, self.truth, rows, findings, target.mask)
        maps = prediction.map[rows, findings].detach().double().cpu()
        histograms = [self.reading.histogram(*pair) for pair in zip(maps, located, strict=True)]
        return Outputs(
            index=batch["index"].numpy(),
            logit=prediction.score.detach().double().cpu().numpy(),
            label=target.label.cpu().numpy(),
            located_row=np.array(rows, dtype=np.int64),
            located_finding=np.array(findings, dtype=np.int64),
            inside=np.array([each.inside for each in histograms]).reshape(-1, BINS),
            outside=np.array([each.outside for each in histograms]).reshape(-1, BINS),
            missed=np.array([each.missed for each in histograms], dtype=np.float64),
            hit=np.array([self.reading.hit(*pair) for pair in zip(maps, located, strict=True)], dtype=bool),
            loss=float("nan") if self.loss is None else float(self.loss(prediction, target)),
        )

    def _finish(self, engine: Engine) -> None:
        outputs = replace(joined(over_ranks(joined(self._batches))), recalibration=self.recalibration)
        self._batches, self._outputs = [], outputs
        engine.state.metrics |= {
            "auc": outputs.macro_auc(),
            "dice": outputs.best_macro_dice(),
            "loss": outputs.loss,
        }


def not_numbers(prediction: Prediction) -> torch.Tensor:
    """(B,) bool, on the prediction's device: whether a score or a map holds NaN; infinite logits are allowed."""
    return prediction.score.isnan().any(dim=1) | prediction.map.flatten(1).isnan().any(dim=1)


def require_numbers(is_broken: torch.Tensor, index: torch.Tensor, dataset: object) -> None:
    """Raise if a score or a map is not a number, naming the images.

    Args:
        is_broken: (B,) bool of `not_numbers`.
        index: (B,) of the samples.
        dataset: Of the samples.

    Raises:
        FloatingPointError: A score or a map holds NaN.
    """
    if bool(is_broken.any()):
        broken = index[is_broken.cpu()].tolist()
        samples = getattr(dataset, "samples", None)
        names = ", ".join(str(i if samples is None else samples[i]["name"]) for i in broken)
        raise FloatingPointError(f"the network's scores or maps are not numbers for {len(broken)} images: {names}")
