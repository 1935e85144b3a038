"""What a training leaves on disk after every epoch so that, killed in any way, it goes on as if nothing had been."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ignite.engine import Engine
from monai.engines import SupervisedTrainer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from app.engines.processes import rank
from app.engines.schedule import require_long_enough
from app.engines.training import BestWeights, History
from app.files.atomic import remove_partial
from app.networks.checkpoints import load_state, read_checkpoint, save, weights

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of ``last.pt``; grows when an older version could not read it."""
NAMED = 20
"""How many differing settings are named."""

# Settings that decide where things are, how fast they come or what is reported, and not what is learnt.
_PLACES = ("bundle_root", "dataset_dir", "datalist", "output_dir", "prepared_dir")
_REPORTED = ("checkpoint", "evaluating", "finalize", "imports", "initialize", "resume", "save_maps", "section", "test")
_FREE = frozenset((*_PLACES, *_REPORTED, "trust"))
_FREE_LEAVES = frozenset(
    ("max_epochs", "num_workers", "persistent_workers", "pin_memory", "prefetch_factor", "workers")
)


class Part(Protocol):
    """Something with state that takes part in a training, such as thresholds that alternate with the weights."""

    def attach(self, trainer: Engine) -> None:
        """Follow ``trainer``; what is done at the end of an epoch is done before the checkpoint is written."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, text, and lists and dictionaries of them."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""


class Checkpoints:
    """``last.pt`` and the one before, ``previous.pt``, in the folder of a launch.

    Args:
        folder: of the launch.

    Attributes:
        read: which of the two was the newest good one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.pt"
        self.previous = folder / "previous.pt"
        self.read = self.last

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the newest.

        Raises:
            TypeError: a value could not be read back as data; names it.
            OSError: it cannot be written; the ones before are intact.
        """
        require_plain(state)
        save({"format": FORMAT, **state}, self.last, self.previous)

    def newest(self) -> dict[str, Any] | None:
        """The newest that is good, or None where there is none; a damaged one is told and set aside.

        Raises:
            ValueError: the newest good one was written by a later version.
        """
        for path in (self.last, self.previous):
            if not path.exists():
                continue
            try:
                state = read_checkpoint(path)
                if not isinstance(state, dict) or "format" not in state:
                    raise ValueError(f"{path}: not the checkpoint of a training")
            except ValueError as error:
                # Left in its place, it would next replace the good one before it.
                aside = path.with_suffix(".damaged.pt")
                path.replace(aside)
                logger.warning(f"{error}. It is now {aside.name}, and the one before is used")
                continue
            if state["format"] != FORMAT:
                raise ValueError(f"{path} has format {state['format']}, and this version reads {FORMAT}")
            self.read = path
            return state
        return None

    def clean(self) -> None:
        """Remove what a killed writer left; for the launch that holds the folder."""
        remove_partial(self.folder)


@dataclass
class TrainingState:
    """All that changes while a training goes on.

    Attributes:
        trainer: with its optimizer.
        network: bare, as the trainer's may be wrapped for several processes or compiled.
        scheduler: of the learning rate, where there is one.
        parts: whatever else takes part.
        best: the best weights so far.
        history: metrics of the epochs so far.
    """

    trainer: SupervisedTrainer
    network: nn.Module
    scheduler: LRScheduler | None
    parts: Sequence[Part]
    best: BestWeights
    history: History

    def state_dict(self) -> dict[str, Any]:
        """It as tensors and plain values; chance is not in it, as every epoch seeds it anew."""
        trainer = self.trainer
        scaler = getattr(trainer, "scaler", None)
        return {
            "epoch": trainer.state.epoch,
            "iteration": trainer.state.iteration,
            "max_epochs": trainer.state.max_epochs,
            "network": weights(self.network),
            "optimizer": trainer.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "parts": [{"name": type(part).__name__, "state": part.state_dict()} for part in self.parts],
            "best": self.best.state_dict(),
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Take all up from what was read from ``path``.

        Raises:
            ValueError: it does not fit this training.
        """
        trainer = self.trainer
        names, kept = [type(part).__name__ for part in self.parts], [part["name"] for part in state["parts"]]
        if names != kept:
            raise ValueError(f"{path} holds the parts {kept}, and this training has {names}")
        load_state(self.network, state["network"], path)
        trainer.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
            require_long_enough(self.scheduler, state["max_epochs"], trainer.state.max_epochs)
        for part, content in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(content["state"])
        trainer.state.epoch, trainer.state.iteration = state["epoch"], state["iteration"]
        self.best.load_state_dict(state["best"])
        self.history.load_state_dict(state["history"])


def seed_epoch(seed: int, epoch: int) -> int:
    """Seed every global source of chance for an epoch, each rank apart; gives the number.

    Dropout and shuffling draw from global sources. Seeded by epoch they need not be kept in a checkpoint, and do not
    depend on how the epochs before were cut into processes.
    """
    number = (seed * 1_000_003 + epoch * 7_919 + rank() * 104_729) % 2**32
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    return number


def trained_with(config: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """What decides the outcome of a training, as text by dotted name: its config and ``facts``.

    Left out are places, speeds, what is reported and ``max_epochs``, which may grow.
    """
    chosen = {name: value for name, value in config.items() if name not in _FREE and not name.startswith("_")}
    return dict(_flat(chosen)) | {name: str(value) for name, value in facts.items()}


def require_same(kept: Mapping[str, str], now: Mapping[str, str], path: Path) -> None:
    """Raise where a training is to go on with other settings than it began with.

    Raises:
        ValueError: names them, `NAMED` at most.
    """
    different = sorted(name for name in kept.keys() | now.keys() if kept.get(name) != now.get(name))
    if different:
        shown = "; ".join(
            f"{name} {_short(kept.get(name, 'absent'))}, not {_short(now.get(name, 'absent'))}"
            for name in different[:NAMED]
        )
        if len(different) > NAMED:
            shown += f"; and {len(different) - NAMED} other settings"
        raise ValueError(
            f"{path} was trained with {shown}. Resume it with its own settings, or start anew without --resume"
        )


def require_plain(value: object, name: str = "") -> None:
    """Raise where a state holds what reading it back as data alone would refuse.

    Raises:
        TypeError: names the entry and its type.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            require_plain(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            require_plain(each, f"{name}.{number}")
    elif type(value) not in (bool, int, float, str, type(None)) and not isinstance(value, Tensor):
        raise TypeError(
            f"the checkpoint's entry {name!r} is of {type(value).__name__}; it can hold tensors, numbers, text, lists "
            "and dictionaries"
        )


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if str(key) not in _FREE_LEAVES:
                yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(each, (Mapping, list, tuple)) for each in value):
        for number, each in enumerate(value):
            yield from _flat(each, f"{name}.{number}")
    elif isinstance(value, (bool, int, float, str, list, tuple, type(None))):
        yield name, str(value)
    else:
        # An object put in place of a setting by a program: its kind is all that can be compared.
        yield name, type(value).__name__


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
