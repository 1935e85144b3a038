"""Gather an evaluation pass, as a handler or as Ignite metrics: exact over batches and over processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from monai.utils.enums import CommonKeys

from app.contract import Prediction, Target
from app.engines.loading import dataset_of
from app.engines.located import Located, MapReading, StoredTruth, located_in
from app.engines.outputs import BINS, Outputs, over_processes


@dataclass
class OutputsBuffer:
    """Batches of outputs, waiting to be joined.

    Args:
        reading: how maps are read.
    """

    reading: MapReading = field(default_factory=MapReading)
    _batches: list[Outputs] = field(default_factory=list)
    _seen: int = 0

    def add(
        self,
        prediction: Prediction,
        target: Target,
        index: np.ndarray,
        loss: float = float("nan"),
        find: Callable[[Sequence[int], Sequence[int]], Sequence[Located]] | None = None,
    ) -> None:
        """Take a batch in.

        Args:
            prediction: of the network.
            target: what is known.
            index: (B,) tells its items from all others of the pass.
            loss: of the batch.
            find: from rows of the batch and their findings to where these are; None for where they were drawn on the
                network's input.
        """
        rows, findings = (each.tolist() for each in torch.nonzero(target.annotated.bool(), as_tuple=True))
        if find is None:
            located: Sequence[Located] = located_in({}, None, rows, findings, target.mask)
        else:
            located = find(rows, findings)
        maps = prediction.map[rows, findings].detach().double().cpu()
        histograms = [self.reading.histogram(each, place) for each, place in zip(maps, located, strict=True)]
        batch = Outputs(
            index=index,
            logit=prediction.score.detach().double().cpu().numpy(),
            label=target.label.cpu().numpy(),
            located_row=np.array(rows, dtype=np.int64) + self._seen,
            located_finding=np.array(findings, dtype=np.int64),
            inside=np.array([each.inside for each in histograms]).reshape(-1, BINS),
            outside=np.array([each.outside for each in histograms]).reshape(-1, BINS),
            missed=np.array([each.missed for each in histograms], dtype=np.float64),
            hit=np.array([self.reading.hit(*each) for each in zip(maps, located, strict=True)], dtype=bool),
            loss=loss,
        )
        self._batches.append(batch)
        self._seen += len(index)

    def joined(self) -> Outputs:
        """All batches, of all processes, as one; the loss is their mean, weighted by size."""
        if not self._batches:
            raise RuntimeError("no batch was evaluated")
        names = ("index", "logit", "label", "located_row", "located_finding", "inside", "outside", "missed", "hit")
        arrays = {name: np.concatenate([getattr(batch, name) for batch in self._batches]) for name in names}
        sizes = [len(batch.index) for batch in self._batches]
        loss = float(np.average([batch.loss for batch in self._batches], weights=sizes))
        return over_processes(Outputs(**arrays, loss=loss))


class CollectOutputs:
    """Handler that gathers an evaluator's pass; after it ``outputs`` holds the result and the engine its metrics.

    Args:
        loss: (Prediction, Target) to scalar, so that validation loss is known too; None to leave it out.
        reading: how maps are read.
        truth: where findings are on the stored radiographs; None where nobody knows, and what was drawn on the
            network's input is the truth.
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
        self._buffer = OutputsBuffer(self.reading)
        self._outputs: Outputs | None = None

    @property
    def outputs(self) -> Outputs:
        """The last complete pass."""
        if self._outputs is None:
            raise RuntimeError("no evaluation pass has been completed")
        return self._outputs

    def facts(self) -> dict[str, str]:
        """How regions are measured, for ``metrics.json``."""
        return self.reading.facts(is_stored=self.truth is not None)

    def attach(self, engine: Engine, name: str = "auc") -> None:
        """Gather from ``engine``; its metrics are ``name`` (macro AUC), ``dice`` and ``loss``."""

        def start(engine: Engine) -> None:
            self._buffer = OutputsBuffer(self.reading)

        def finish(engine: Engine) -> None:
            self._outputs, self._buffer = self._buffer.joined(), OutputsBuffer(self.reading)
            engine.state.metrics[name] = self._outputs.macro_auc()
            engine.state.metrics["dice"] = self._outputs.best_macro_dice()
            engine.state.metrics["loss"] = self._outputs.loss

        engine.add_event_handler(Events.EPOCH_STARTED, start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._gather)
        # First, so that the engine's own comparison of its key metric finds it.
        engine.add_event_handler(Events.EPOCH_COMPLETED, finish)

    def _gather(self, engine: Engine) -> None:
        prediction, target = engine.state.output[CommonKeys.PRED], engine.state.output[CommonKeys.LABEL]
        _require_finite(prediction, engine)
        loss = float("nan") if self.loss is None else float(self.loss(prediction, target))
        batch = engine.state.batch

        def find(rows: Sequence[int], findings: Sequence[int]) -> list[Located]:
            return located_in(batch, self.truth, rows, findings, target.mask)

        self._buffer.add(prediction, target, batch["index"].numpy(), loss, find)


class OutputsMetric(Metric):
    """An Ignite metric of what ``Outputs`` can tell, for engines other than ``RadiographEvaluator``.

    Args:
        value: of all outputs of a pass.
        output_transform: from an engine's output to (Prediction, Target); MONAI's engines' by default. In a
            distributed evaluation the sampler must not repeat items.
    """

    def __init__(self, value: Callable[[Outputs], float], output_transform: Callable[[Any], Any] | None = None) -> None:
        self.value = value
        super().__init__(output_transform=output_transform or _prediction_and_target)

    def reset(self) -> None:
        """Forget all batches."""
        self._buffer = OutputsBuffer()
        self._next = 0

    def update(self, output: tuple[Prediction, Target]) -> None:
        """Take a batch in."""
        prediction, target = output
        size = len(target.label)
        # Items have no number here: ranks count in strides, so that no two share one.
        numbers = (self._next + np.arange(size)) * _world_size() + _rank()
        self._buffer.add(prediction, target, numbers)
        self._next += size

    def compute(self) -> float:
        """The value over all batches of all processes."""
        return self.value(self._buffer.joined())


class MacroAuc(OutputsMetric):
    """Mean over findings of the area under the ROC curve, unknown labels left out."""

    def __init__(self, output_transform: Callable[[Any], Any] | None = None) -> None:
        super().__init__(Outputs.macro_auc, output_transform)


class MacroDice(OutputsMetric):
    """Mean over findings of the mean Dice of located images, at each finding's best threshold on these very images.

    For choosing among epochs on validation; report with thresholds chosen there (``app.engines.record``).
    """

    def __init__(self, output_transform: Callable[[Any], Any] | None = None) -> None:
        super().__init__(Outputs.best_macro_dice, output_transform)


def _require_finite(prediction: Prediction, engine: Engine) -> None:
    """Raise where a network does not answer in numbers, naming the images.

    Raises:
        FloatingPointError: a score or a map holds NaN; infinite ones are certain answers.
    """
    broken = prediction.score.isnan().any(dim=1) | prediction.map.flatten(1).isnan().any(dim=1)
    if bool(broken.any()):
        index = engine.state.batch["index"][broken.cpu()].tolist()
        samples = getattr(dataset_of(engine.state.dataloader), "samples", None)
        named = ", ".join(str(i if samples is None else samples[i]["name"]) for i in index)
        raise FloatingPointError(f"the network's scores or maps are not numbers for {len(index)} images: {named}")


def _prediction_and_target(output: Mapping[str, Any]) -> tuple[Prediction, Target]:
    return output[CommonKeys.PRED], output[CommonKeys.LABEL]


def _world_size() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
