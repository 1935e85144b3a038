"""Handlers of a training: the best weights so far, the history of metrics, a stop where the loss breaks, progress."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from tqdm import tqdm

from app.engines.output_folder import STAGE_ONE
from app.engines.outputs import Outputs
from app.engines.processes import is_main
from app.engines.sharing import from_main, over_ranks
from app.networks.checkpoints import load_state, read_weights, save, weights
from app.tracking import Run

LOOK_EVERY = 50
"""Iterations between two looks at the losses on a device that would have to be waited for."""
REDRAW_SECONDS = 0.5


class BestWeights:
    """Keeps the weights of the epoch with the best validation metric in ``model.pt``.

    An undefined metric (NaN) never beats a defined one; while every one is undefined, the latest weights are kept.

    Args:
        folder: of the launch.
        metric: ``auc`` or ``dice`` (highest) or ``loss`` (lowest).

    Attributes:
        value: of the metric in the best epoch.
        epoch: the best one; 0 before any.
        outputs: of the best epoch's validation; None where another process, since killed, saw them.
    """

    def __init__(self, folder: Path, metric: str) -> None:
        self.path = folder / "model.pt"
        self.metric = metric
        self.value = float("nan")
        self.epoch = 0
        self.outputs: Outputs | None = None

    def consider(self, epoch: int, metrics: Mapping[str, float], outputs: Outputs | None = None) -> bool:
        """Take note of an epoch; whether it is the best so far, so that its weights are to be kept."""
        value = float(metrics[self.metric])
        is_better = value < self.value if self.metric == "loss" else value > self.value
        if not (np.isnan(self.value) or is_better):
            return False
        self.value, self.epoch, self.outputs = value, epoch, outputs
        return True

    def keep(self, network: nn.Module) -> None:
        """Write the network's weights; rank 0 alone does."""
        if is_main():
            save(weights(network), self.path)

    def require_readable(self) -> None:
        """Raise now, and not after all epochs, where the weights of the best epoch so far cannot be read.

        Raises:
            ValueError: names the file and the epoch.
        """
        try:
            read_weights(self.path)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(
                f"{error}. It held the best weights so far, of epoch {self.epoch}, which are nowhere else: train anew, "
                "without --resume"
            ) from error

    def restart_from(self, network: nn.Module) -> None:
        """Give the network the best weights so far, and choose anew among the epochs to come.

        They stay in ``stage_one.pt``, which is written once: a training that is resumed from before this moment finds
        them there, though ``model.pt`` may hold weights of later epochs by then. All processes call this together.
        """
        path = self.path.with_name(STAGE_ONE)
        if is_main() and not path.exists():
            save(read_weights(self.path), path)
        load_state(network, from_main(read_weights(path) if is_main() else {}), path)
        self.value, self.epoch, self.outputs = float("nan"), 0, None

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"value": self.value, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.value, self.epoch, self.outputs = float(state["value"]), int(state["epoch"]), None


class History:
    """Metrics of every epoch, logged to the run and kept for the picture.

    Args:
        run: what they are logged to.
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
                self.run.metrics({name: values[epoch - 1] for name, values in self.values.items()}, step=epoch)
        self.run.flush()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {name: list(values) for name, values in self.values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; asks the run which epochs it holds."""
        self.values = {name: list(values) for name, values in state.items()}
        self._logged = self.run.steps("train_loss")

    def _start(self, engine: Engine) -> None:
        self._losses, self._started = [], time.monotonic()

    def _follow(self, engine: Engine) -> None:
        # Not turned into a number here: that would make a GPU wait in every iteration.
        self._losses.append(engine.state.output[CommonKeys.LOSS].detach())


class FiniteLoss:
    """Stops a training whose loss or weights are no longer finite numbers, naming the images of the batch.

    On a CPU every loss is looked at when it is there. A GPU would have to be waited for in every iteration; there the
    losses are looked at together, now and then and at the end of each epoch, before anything is kept.

    Args:
        samples: what is trained on, for its names; empty where numbers must do.
        every: iterations between two looks; by default 1 on a CPU and `LOOK_EVERY` elsewhere.
    """

    def __init__(self, samples: Sequence[Mapping[str, Any]], every: int | None = None) -> None:
        self.samples = samples
        self.every = every
        self._unseen: list[tuple[int, Tensor, Tensor]] = []
        self._before: Tensor | None = None

    def attach(self, engine: Engine) -> None:
        """Watch ``engine``; attach it before whatever keeps weights at the end of an epoch."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._follow)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _follow(self, engine: Engine) -> None:
        loss = engine.state.output[CommonKeys.LOSS].detach()
        self._unseen.append((engine.state.iteration, loss, engine.state.batch["index"]))
        if len(self._unseen) >= (self.every or (1 if loss.device.type == "cpu" else LOOK_EVERY)):
            self._look(engine)

    def _finish(self, engine: Engine) -> None:
        self._look(engine)
        broken = _broken_weights(engine.network)
        if broken:
            raise FloatingPointError(
                f"{broken[0]} and {len(broken) - 1} other weights are not finite at the end of epoch "
                f"{engine.state.epoch}, though its losses are. {_kept(engine)}"
                f"The last batch: {self._names(engine.state.batch['index'])}"
            )

    def _look(self, engine: Engine) -> None:
        unseen, self._unseen = self._unseen, []
        if not unseen:
            return
        values = torch.stack([loss for _, loss, _ in unseen]).tolist() if len(unseen) > 1 else [unseen[0][1].item()]
        for value, (iteration, _, index) in zip(values, unseen, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value} in iteration {iteration} (epoch {engine.state.epoch}). "
                    f"{_kept(engine)}The batch: {self._names(index)}{self._names_before()}"
                )
            self._before = index

    def _names_before(self) -> str:
        """Of the batch before, whose gradients may have broken the weights though its loss was finite."""
        return "" if self._before is None else f". The one before it: {self._names(self._before)}"

    def _names(self, index: Tensor) -> str:
        return ", ".join(str(self.samples[i]["name"] if self.samples else i) for i in index.tolist())


class Progress:
    """A bar of the iterations of each epoch, with the loss, on a terminal; the loss is read only to be shown.

    Args:
        is_shown: by default where rank 0's standard error is a terminal.
    """

    def __init__(self, is_shown: bool | None = None) -> None:
        self.is_shown = is_main() and sys.stderr.isatty() if is_shown is None else is_shown
        self._bar: tqdm[Any] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow ``engine``."""
        if self.is_shown:
            engine.add_event_handler(Events.EPOCH_STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._close)

    def _start(self, engine: Engine) -> None:
        name = f"epoch {engine.state.epoch}/{engine.state.max_epochs}"
        self._bar = tqdm(total=engine.state.epoch_length, desc=name, leave=False, mininterval=REDRAW_SECONDS)

    def _step(self, engine: Engine) -> None:
        # It is true only where the bar was redrawn; what is read then is shown with the next redrawing.
        if self._bar is not None and self._bar.update():
            self._bar.set_postfix(loss=f"{engine.state.output[CommonKeys.LOSS].item():.4g}", refresh=False)

    def _close(self, engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()


def _learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """That of the first group of parameters that learns now."""
    groups = optimizer.param_groups
    learning = (group for group in groups if any(parameter.requires_grad for parameter in group["params"]))
    return float(next(learning, groups[0])["lr"])


def _broken_weights(network: nn.Module) -> list[str]:
    """Names of parameters and buffers that hold a value that is not finite; one wait for the device."""
    every = itertools.chain(network.named_parameters(), network.named_buffers())
    named = [(name, value) for name, value in every if value.is_floating_point()]
    if not named:
        return []
    finite = torch.stack([value.detach().isfinite().all() for _, value in named]).tolist()
    return [name for (name, _), is_finite in zip(named, finite, strict=True) if not is_finite]


def _kept(engine: Engine) -> str:
    """What is left to fall back on, and how far back it is."""
    last = engine.state.epoch - 1
    if last < 1:
        return ""
    back = engine.state.iteration - last * engine.state.epoch_length
    return f"model.pt keeps the best weights so far, last.pt those of epoch {last}, {back} iterations back. "
