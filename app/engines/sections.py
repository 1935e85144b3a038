"""The sections of a datalist in a workflow: prepared, loaded and evaluated in one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from app.datalist.sampling import EpochSampler
from app.engines.activation_maps import GradCAMInferer
from app.engines.device import MixedPrecisionInferer
from app.engines.evaluator import RadiographEvaluator
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.located import MapReading
from app.phantoms.opened import OpenedData
from app.prepared import PreparedDataset

Samples = Sequence[dict[str, Any]]


@dataclass
class Sections:
    """Data sets, loaders and evaluators for the sections of one datalist.

    Args:
        data: The opened datalist.
        prepare: Makes a prepared data set of samples: a ``PreparedDataset`` whose other arguments are set.
        batch_size: Images in a batch: over all processes in training, per process in evaluation.
        workers: Extra processes per loader that read ahead.
        decide: Turns certainties into labels that can be counted, before an evaluation; None if there are none
            (``app.annotations.uncertain_labels.counted``).
        reading: How maps are read in an evaluation.
    """

    data: OpenedData
    prepare: Callable[[Samples], PreparedDataset]
    batch_size: int
    workers: int = 0
    decide: Callable[[Samples], Samples] | None = None
    reading: MapReading | None = None

    def training(self, samples: Samples | None = None) -> PreparedDataset:
        """The training section, with its labels as they are; or samples that were made from it."""
        return self.prepare(self.data.samples("training") if samples is None else samples)

    def evaluation(self, section: str) -> PreparedDataset:
        """A section to evaluate on, with its certainties decided."""
        samples = self.data.samples(section)
        return self.prepare(samples if self.decide is None else self.decide(samples))

    def loader(self, dataset: Any, seed: int, sampler: EpochSampler | None = None) -> TrainingLoader:  # noqa: ANN401
        """Training batches, in an order that follows from the seed and the epoch."""
        return TrainingLoader(dataset, self.batch_size, sampler, seed, self.workers)

    def evaluator(
        self,
        dataset: Any,  # noqa: ANN401 - a PreparedDataset, or features in its place
        network: nn.Module,
        inferer: MixedPrecisionInferer | GradCAMInferer,
        loss: nn.Module | None = None,
    ) -> RadiographEvaluator:
        """One pass of a network over a data set."""
        loader = EvaluationLoader(dataset, self.batch_size, self.workers)
        return RadiographEvaluator(loader, network, inferer, loss, self.reading)
