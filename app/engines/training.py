"""Handlers of a training: the history of metrics, a stop if the loss is not finite, and a progress bar."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers.tqdm_logger import ProgressBar
from monai.utils.enums import CommonKeys
from torch import Tensor, nn

from app.engines.processes import is_main, over_ranks
from app.tracking import Run

CHECK_EVERY = 50
"""Iterations between two checks of the losses on a GPU, which would otherwise have to be waited for."""
REDRAW_EVERY = 20
"""Iterations between two drawings of the progress bar, for which the loss is read."""
CURVES = "epoch/"
"""Begins the names of these metrics in MLflow, which draws them in a group, above the charts of single values."""


class History:
    """Metrics of every epoch, logged to the run and kept for the figure.

    Args:
        run: They are logged to it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.values: dict[str, list[float]] = {}
        self._losses: list[Tensor] = []
        self._started = time.monotonic()
        self._logged: set[int] = set()

    def attach(self, engine: Engine) -> None:
        """Follow the training loss of ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._follow)

    def add(self, engine: Engine, validation: Mapping[str, float]) -> dict[str, float]:
        """Close an epoch: its mean training loss, learning rate, seconds and validation metrics."""
        epoch = {
            "train_loss": float(np.mean(over_ranks(float(torch.stack(self._losses).mean())))),
            "learning_rate": _learning_rate(engine.optimizer),
            "epoch_seconds": time.monotonic() - self._started,
            **{f"validation_{name}": float(value) for name, value in validation.items()},
        }
        for name, value in epoch.items():
            self.values.setdefault(name, []).append(value)
        return epoch

    def log(self) -> None:
        """Log every epoch that the run does not hold yet: once each, however often the training was killed."""
        for epoch in range(1, len(self.values.get("train_loss", [])) + 1):
            if epoch not in self._logged:
                self._logged.add(epoch)
                names = {name: f"{CURVES}{name.removeprefix('epoch_')}" for name in self.values}
                self.run.metrics({names[name]: value[epoch - 1] for name, value in self.values.items()}, step=epoch)
        self.run.flush()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {name: list(values) for name, values in self.values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint; asks the run which epochs it holds."""
        self.values = {name: list(values) for name, values in state.items()}
        self._logged = self.run.steps(f"{CURVES}train_loss")

    def _start(self) -> None:
        self._losses, self._started = [], time.monotonic()

    def _follow(self, engine: Engine) -> None:
        # Kept as a tensor: reading its value would make a GPU wait in every iteration.
        self._losses.append(engine.state.output[CommonKeys.LOSS].detach())


class FiniteLoss:
    """Stops a training if its loss or its weights are not finite, naming the images of the batch.

    On a CPU every loss is checked at once. A GPU would have to be waited for in every iteration, so its losses are
    checked together, every few iterations and at the end of each epoch, before anything is saved.

    Args:
        samples: Training samples, for their names; if empty, images are named by their index.
        every: Iterations between two checks; None for 1 on a CPU and `CHECK_EVERY` elsewhere.
    """

    def __init__(self, samples: Sequence[Mapping[str, Any]], every: int | None = None) -> None:
        self.samples = samples
        self.every = every
        self._unchecked: list[tuple[int, Tensor, Tensor]] = []
        self._before: Tensor | None = None

    def attach(self, engine: Engine) -> None:
        """Watch ``engine``; to be attached before anything that saves weights at the end of an epoch."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._follow)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _follow(self, engine: Engine) -> None:
        loss = engine.state.output[CommonKeys.LOSS].detach()
        self._unchecked.append((engine.state.iteration, loss, engine.state.batch["index"]))
        if len(self._unchecked) >= (self.every or (1 if loss.device.type == "cpu" else CHECK_EVERY)):
            self._check(engine)

    def _finish(self, engine: Engine) -> None:
        self._check(engine)
        broken = _broken_weights(engine.network)
        if broken:
            raise FloatingPointError(
                f"{broken[0]} and {len(broken) - 1} other weights are not finite at the end of epoch "
                f"{engine.state.epoch}, though its losses are. {_saved(engine)}"
                f"The last batch: {self._names(engine.state.batch['index'])}"
            )

    def _check(self, engine: Engine) -> None:
        unchecked, self._unchecked = self._unchecked, []
        if not unchecked:
            return
        values = torch.stack([loss for _, loss, _ in unchecked]).tolist()
        for value, (iteration, _, index) in zip(values, unchecked, strict=True):
            if not math.isfinite(value):
                # The gradients of the batch before may have broken the weights though its loss was finite.
                before = "" if self._before is None else f". The one before it: {self._names(self._before)}"
                raise FloatingPointError(
                    f"the loss is {value} in iteration {iteration} (epoch {engine.state.epoch}). "
                    f"{_saved(engine)}The batch: {self._names(index)}{before}"
                )
            self._before = index

    def _names(self, index: Tensor) -> str:
        return ", ".join(str(self.samples[i]["name"] if self.samples else i) for i in index.tolist())


def show_progress(trainer: Engine) -> None:
    """Show a progress bar of each epoch with the loss, on rank 0 if standard error is a terminal."""
    if is_main() and sys.stderr.isatty():
        ProgressBar().attach(
            trainer,
            output_transform=lambda output: {"loss": output[CommonKeys.LOSS].item()},
            event_name=Events.ITERATION_COMPLETED(every=REDRAW_EVERY),
        )


def _learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """The learning rate of the first parameter group that is being trained."""
    groups = optimizer.param_groups
    trained = (group for group in groups if any(parameter.requires_grad for parameter in group["params"]))
    return float(next(trained, groups[0])["lr"])


def _broken_weights(network: nn.Module) -> list[str]:
    """Names of parameters and buffers that hold a value that is not finite; waits for the device once."""
    weights = itertools.chain(network.named_parameters(), network.named_buffers())
    finite = {name: value.detach().isfinite().all() for name, value in weights if value.is_floating_point()}
    if not finite:
        return []
    flags = torch.stack([*finite.values()]).tolist()
    return [name for name, is_finite in zip(finite, flags, strict=True) if not is_finite]


def _saved(engine: Engine) -> str:
    """The weights that remain, and how far back they are."""
    last = engine.state.epoch - 1
    if last < 1:
        return ""
    back = engine.state.iteration - last * engine.state.epoch_length
    return f"model.pt keeps the best weights so far, last.pt those of epoch {last}, {back} iterations back. "
