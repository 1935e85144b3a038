"""Handlers of a training: the best weights so far, the history of metrics, and a stop where the loss breaks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import nn

from app.networks.checkpoints import save, weights
from app.tracking import Run


class BestWeights:
    """Keeps the weights of the epoch with the best validation metric in ``model.pt``.

    An undefined metric (NaN) never beats a defined one; while every one is undefined, the latest weights are kept.

    Args:
        folder: of the launch.
        metric: ``auc`` or ``dice`` (highest) or ``loss`` (lowest).
    """

    def __init__(self, folder: Path, metric: str) -> None:
        self.path = folder / "model.pt"
        self.metric = metric
        self.value = float("nan")
        self.epoch = 0

    def consider(self, epoch: int, network: nn.Module, metrics: Mapping[str, float]) -> None:
        """Keep the network's weights if its metrics are the best so far."""
        value = metrics[self.metric]
        is_better = value < self.value if self.metric == "loss" else value > self.value
        if np.isnan(self.value) or is_better:
            self.value, self.epoch = value, epoch
            save(weights(network), self.path)


class History:
    """Metrics of every epoch, logged to the run and kept for the picture.

    Args:
        run: what they are logged to.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.values: dict[str, list[float]] = {}
        self._losses: list[torch.Tensor] = []
        self._started = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Follow the training loss of ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._follow)

    def add(self, engine: Engine, validation: Mapping[str, float]) -> dict[str, float]:
        """Close an epoch: its mean training loss, learning rate, seconds and validation metrics are logged."""
        epoch = {
            "train_loss": float(torch.stack(self._losses).mean()),
            "learning_rate": float(engine.optimizer.param_groups[0]["lr"]),
            "epoch_seconds": time.monotonic() - self._started,
            **{f"validation_{name}": float(value) for name, value in validation.items()},
        }
        for name, value in epoch.items():
            self.values.setdefault(name, []).append(value)
        self.run.metrics(epoch, step=engine.state.epoch)
        self.run.flush()
        return epoch

    def _start(self, engine: Engine) -> None:
        self._losses, self._started = [], time.monotonic()

    def _follow(self, engine: Engine) -> None:
        # Not turned into a number here: that would make a GPU wait in every iteration.
        self._losses.append(engine.state.output[CommonKeys.LOSS].detach())


class FiniteLoss:
    """Stops a training whose loss is no longer a finite number, naming the images of the batch.

    Args:
        samples: of the training section, for their names.
    """

    def __init__(self, samples: Sequence[Mapping[str, Any]]) -> None:
        self.samples = samples

    def attach(self, engine: Engine) -> None:
        """Watch every iteration of ``engine``."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._check)

    def _check(self, engine: Engine) -> None:
        loss = engine.state.output[CommonKeys.LOSS]
        if torch.isfinite(loss):
            return
        names = [self.samples[int(i)]["name"] for i in engine.state.batch["index"]]
        kept = "model.pt keeps the best weights so far. " if engine.state.epoch > 1 else ""
        raise FloatingPointError(
            f"the loss is {loss.item()} in iteration {engine.state.iteration} (epoch {engine.state.epoch}). "
            f"{kept}The batch: {', '.join(names)}"
        )
