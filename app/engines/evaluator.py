"""MONAI's evaluator over prepared radiographs, batch by batch, with its outputs gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from app.contract import Prediction
from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.collect import CollectOutputs, not_numbers
from app.engines.device import MixedPrecisionInferer
from app.engines.loading import dataset_of
from app.engines.located import MapReading, StoredTruth, is_located
from app.engines.outputs import Outputs


class Answer:
    """A prediction on its way from a device, which may still be computing it.

    Args:
        prediction: On its device.
        with_maps: Whether its maps are wanted.
    """

    def __init__(self, prediction: Prediction, with_maps: bool) -> None:
        parts = [prediction.score.double(), not_numbers(prediction), *([prediction.map] if with_maps else [])]
        self._parts = [part.to("cpu", non_blocking=True) for part in parts]  # from a GPU to pinned memory
        self._copied = torch.cuda.Event() if prediction.score.is_cuda else None
        if self._copied is not None:
            self._copied.record()

    def arrived(self) -> list[Tensor]:
        """(B, C) logits, (B,) bool that says whose are not numbers, and (B, C, h, w) maps if they are wanted."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._parts


class RadiographEvaluator(SupervisedEvaluator):
    """One pass over a section without gradients; ``outputs`` then holds the network's predictions.

    Args:
        loader: Of a ``PreparedDataset``, in order: an ``EvaluationLoader``.
        network: Image to Prediction.
        inferer: Calls the network, on its own device.
        loss: Validation loss; None to leave it out.
        reading: How maps are read; None for probabilities, bilinear between the centres of cells.
    """

    def __init__(
        self,
        loader: DataLoader[dict[str, torch.Tensor]],
        network: nn.Module,
        inferer: MixedPrecisionInferer | GradCAMInferer,
        loss: nn.Module | None = None,
        reading: MapReading | None = None,
    ) -> None:
        super().__init__(
            device=inferer.device,
            val_data_loader=loader,
            network=network,
            inferer=inferer,
            prepare_batch=PrepareBatch(),
            decollate=False,
        )
        samples = getattr(dataset_of(loader), "samples", ())
        truth = StoredTruth(samples) if is_located(samples) else None
        self.collected = CollectOutputs(loss, reading, truth)
        self.collected.attach(self)

    @property
    def dataset(self) -> Any:  # noqa: ANN401 - a PreparedDataset, or what stands in for one
        """What is being evaluated."""
        return dataset_of(self.data_loader)

    @property
    def outputs(self) -> Outputs:
        """What the last pass left behind."""
        return self.collected.outputs

    def predict(self, image: torch.Tensor) -> Any:  # noqa: ANN401 - Prediction; torch.no_grad hides its type
        """The network's word on a few images (B, 1, H, W), uint8 or float in [0, 1]."""
        if any(module.training for module in self.network.modules()):
            self.network.eval()  # which costs a deep network milliseconds, so not for each batch
        values = image.to(self.state.device, non_blocking=True)
        with torch.no_grad():
            return self.inferer(values.float() / 255 if values.dtype == torch.uint8 else values, self.network)


def require_computed(key_metric: str, validation: RadiographEvaluator) -> None:
    """Raise if the metric that chooses the best weights is not computed.

    Raises:
        ValueError: If it is the loss, and the evaluator has none.
    """
    if key_metric == "loss" and validation.collected.loss is None:
        raise ValueError("key_metric is loss, but the validation evaluator computes none: give it the loss")


def require_certain(samples: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a label is a certainty between absent and present: it can be learnt, but not counted.

    Raises:
        ValueError: Names the first item and its value.

    Example:
        >>> require_certain([{"name": "a.png", "label": [1, 0, -1]}])
        >>> require_certain([{"name": "b.png", "label": [0.75]}])
        Traceback (most recent call last):
        ValueError: b.png: label 0.75 is a certainty; evaluation needs 1, 0, -1 or null. Decide from which certainty...
    """
    for sample in samples:
        between = [value for value in sample["label"] if 0 < value < 1]
        if between:
            raise ValueError(
                f"{sample['name']}: label {between[0]:g} is a certainty; evaluation needs 1, 0, -1 or null. "
                "Decide from which certainty on a finding counts as present."
            )
