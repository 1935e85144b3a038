"""MONAI's trainer for prepared radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.engines import SupervisedTrainer
from torch import nn
from torch.optim import Optimizer

from app.engines.batch import Augment, PrepareBatch
from app.engines.loading import TrainingLoader
from app.engines.step import TrainingStep


class RadiographTrainer(SupervisedTrainer):
    """Trains a network on prepared radiographs, with a loss of (Prediction, Target).

    Args:
        max_epochs: Number of epochs.
        loader: Training batches.
        network: Image to Prediction.
        optimizer: Of the network's parameters.
        loss: (Prediction, Target) to a scalar.
        step: One iteration; its inferer has the device.
        augment: Changes image and mask together; None to leave them as they are.
        seed: Seed for the augmentation.
        train_handlers: Further handlers, as MONAI takes them.
    """

    def __init__(
        self,
        max_epochs: int,
        loader: TrainingLoader,
        network: nn.Module,
        optimizer: Optimizer,
        loss: nn.Module,
        step: TrainingStep,
        augment: Augment | None = None,
        seed: int = 0,
        train_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            device=step.inferer.device,
            max_epochs=max_epochs,
            train_data_loader=loader,
            network=network,
            optimizer=optimizer,
            loss_function=loss,
            prepare_batch=PrepareBatch(augment, seed),
            iteration_update=step,
            decollate=False,
            train_handlers=train_handlers,
        )
