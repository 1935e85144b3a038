"""The checkpoint after every epoch, from which a killed training continues as if it had not been interrupted."""

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

from app.checking.structure import OF_RESULTS
from app.engines.best_weights import BestWeights
from app.engines.early_stopping import EarlyStopping
from app.engines.processes import rank
from app.engines.schedule import require_long_enough
from app.engines.training import History
from app.networks.checkpoints import load_state, read_checkpoint, save, weights

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of ``last.pt``; raised when this version can no longer read older ones."""
MAX_NAMED = 20
"""How many differing settings are named."""

# Settings that decide about places, speed and reports, but not about what is learnt.
_PLACES = ("bundle_root", "dataset_dir", "datalist", "output_dir", "prepared_dir")
_REPORTED = (
    *("checkpoint", "evaluating", "finalize", "imports", "initialize", "resume", "save_maps", "section", "test"),
    *OF_RESULTS,
)
_FREE = frozenset((*_PLACES, *_REPORTED, "trust"))
_FREE_LEAVES = frozenset(
    ("max_epochs", "num_workers", "persistent_workers", "pin_memory", "prefetch_factor", "workers")
)


class StatefulHandler(Protocol):
    """A handler of a trainer whose state belongs in checkpoints, such as thresholds that alternate with the weights."""

    def attach(self, trainer: Engine) -> None:
        """Follow ``trainer``; its handlers for the end of an epoch run before the checkpoint is written."""

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors, numbers, text, and lists and dictionaries of them."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""


class Checkpoints:
    """The newest checkpoint, ``last.pt``, and the one before, ``previous.pt``.

    Args:
        folder: Output folder of the launch.

    Attributes:
        read: The file that `newest` returned.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.pt"
        self.previous = folder / "previous.pt"
        self.read = self.last

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the newest checkpoint.

        Raises:
            TypeError: A value could not be read back as data; names it.
            OSError: It cannot be written; the earlier checkpoints are intact.
        """
        require_plain(state)
        save({"format": FORMAT, **state}, self.last, self.previous)

    def newest(self) -> dict[str, Any] | None:
        """Read the newest intact checkpoint, None if there is none; a damaged one is reported and set aside.

        Raises:
            ValueError: The checkpoint has a format that this version does not read.
        """
        for path in (self.last, self.previous):
            if not path.exists():
                continue
            try:
                state = read_checkpoint(path)
                if not isinstance(state, dict) or "format" not in state:
                    raise ValueError(f"{path}: not the checkpoint of a training")
            except ValueError as error:
                # If it kept its name, it would next replace the intact one before it.
                aside = path.with_suffix(".damaged.pt")
                path.replace(aside)
                logger.warning(f"{error}. It is now {aside.name}, and the checkpoint before it is used")
                continue
            if state["format"] != FORMAT:
                raise ValueError(f"{path} has format {state['format']}, and this version reads {FORMAT}")
            self.read = path
            return state
        return None


@dataclass
class TrainingState:
    """Everything that changes during a training, except random numbers, which each epoch seeds anew.

    Attributes:
        trainer: With its optimizer.
        network: Bare, since the trainer's may be wrapped for several processes or compiled.
        scheduler: Of the learning rate.
        parts: Further handlers with state.
        best: The best weights so far.
        history: Metrics of the epochs so far.
        stopping: Whether it stopped early.
    """

    trainer: SupervisedTrainer
    network: nn.Module
    scheduler: LRScheduler | None
    parts: Sequence[StatefulHandler]
    best: BestWeights
    history: History
    stopping: EarlyStopping

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values."""
        trainer = self.trainer
        return {
            "epoch": trainer.state.epoch,
            "iteration": trainer.state.iteration,
            "max_epochs": trainer.state.max_epochs,
            "network": weights(self.network),
            "optimizer": trainer.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "parts": [{"name": type(part).__name__, "state": part.state_dict()} for part in self.parts],
            "best": self.best.state_dict(),
            "history": self.history.state_dict(),
            "stopped": self.stopping.reason,
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Restore the state that was read from ``path``.

        Raises:
            ValueError: It does not fit this training.
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
        self.stopping.reason = state.get("stopped", "")


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed the global random generators for an epoch, differently on each rank.

    Dropout draws from them. Seeded by epoch, they need not be saved and do not depend on earlier epochs.

    Example:
        >>> seed_epoch(seed=0, epoch=3)
        >>> first = torch.rand(1)
        >>> seed_epoch(seed=0, epoch=3)
        >>> torch.equal(first, torch.rand(1))
        True
    """
    number = (seed * 1_000_003 + epoch * 7_919 + rank() * 104_729) % 2**32
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def trained_with(config: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """The config and ``facts`` that decide the outcome of a training, as text by dotted name.

    Places, speeds, what is reported and ``max_epochs``, which may grow, are left out.

    Example:
        >>> trained_with({"growth": 4, "output_dir": "runs", "train": {"sizes": [8, 8]}}, {"seed": 0})
        {'growth': '4', 'train.sizes': '[8, 8]', 'seed': '0'}
    """
    chosen = {name: value for name, value in config.items() if name not in _FREE and not name.startswith("_")}
    return dict(_flat(chosen)) | {name: str(value) for name, value in facts.items()}


def require_same(kept: Mapping[str, str], now: Mapping[str, str], path: Path) -> None:
    """Raise if a training would be resumed with other settings than it began with.

    Raises:
        ValueError: Names at most `MAX_NAMED` of them.
    """
    different = sorted(name for name in kept.keys() | now.keys() if kept.get(name) != now.get(name))
    if not different:
        return
    shown = [
        f"{name} {_short(kept.get(name, 'absent'))}, not {_short(now.get(name, 'absent'))}"
        for name in different[:MAX_NAMED]
    ]
    if len(different) > MAX_NAMED:
        shown.append(f"and {len(different) - MAX_NAMED} other settings")
    raise ValueError(
        f"{path} was trained with {'; '.join(shown)}. Resume it with its own settings, or start anew without --resume"
    )


def require_plain(value: object, name: str = "") -> None:
    """Raise if a state holds values that could not be read back with ``weights_only``.

    Raises:
        TypeError: Names the entry and its type.
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
    else:
        # Of an object that a program put in place of a setting, only the type can be compared.
        is_plain = isinstance(value, (bool, int, float, str, list, tuple, type(None)))
        yield name, str(value) if is_plain else type(value).__name__


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
