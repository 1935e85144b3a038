"""Schedules of the learning rate over epochs."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
)


@dataclass
class StageDecay:
    """Exponential decay over one stage of a training: a factor for ``LambdaLR``, one for each parameter group.

    ``LambdaLR`` saves the fields in its state, so that a training that grows keeps them.

    Args:
        first: Epochs before the stage; the factor is 1 until then.
        end: Epochs until its end.
        last: Factor at its end.

    Example:
        >>> [StageDecay(first=0, end=2, last=0.25)(epoch) for epoch in range(3)]
        [1.0, 0.5, 0.25]
        >>> StageDecay(first=2, end=4, last=0.25)(2)
        1.0
    """

    first: int
    end: int
    last: float

    def __call__(self, epoch: int) -> float:
        """The factor after ``epoch`` epochs of the training."""
        return float(self.last ** (max(0, epoch - self.first) / max(1, self.end - self.first)))


def step_schedule(scheduler: LRScheduler | None, value: float) -> None:
    """Step after an epoch, if there is a schedule; ``value`` of the key metric is for ``ReduceLROnPlateau``."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(value)
    elif scheduler is not None:
        scheduler.step()


def begin_decay(scheduler: LRScheduler | None, planned: int, epoch: int) -> None:
    """Let each `StageDecay` of ``LambdaLR`` that was to begin after ``planned`` epochs begin after ``epoch``."""
    for decay in scheduler.lr_lambdas if isinstance(scheduler, LambdaLR) else ():
        if isinstance(decay, StageDecay) and decay.first == planned:
            decay.first = epoch


def require_same_direction(scheduler: LRScheduler | None, key_metric: str) -> None:
    """Raise if ``ReduceLROnPlateau`` would take an improvement of the key metric for its opposite.

    Args:
        scheduler: Any schedule.
        key_metric: ``auc``, ``dice`` or ``loss``.

    Raises:
        ValueError: Names the mode that fits.
    """
    mode = "min" if key_metric == "loss" else "max"
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode != mode:
        raise ValueError(
            f"ReduceLROnPlateau follows the key metric, {key_metric}, but has mode {scheduler.mode!r}: set mode: {mode}"
        )


def require_long_enough(scheduler: LRScheduler | None, begun: int, max_epochs: int) -> None:
    """Raise if a training would grow beyond the end of its schedule, which stays as it was when the training began.

    After its end OneCycleLR cannot be stepped, PolynomialLR stays at zero and CosineAnnealingLR climbs again.

    Args:
        scheduler: As restored from the checkpoint.
        begun: ``max_epochs`` for which it was laid out.
        max_epochs: Of the resumed training.

    Raises:
        ValueError: Names both lengths.
    """
    ends = {OneCycleLR: "total_steps", CosineAnnealingLR: "T_max", PolynomialLR: "total_iters"}
    end = next((getattr(scheduler, name) for kind, name in ends.items() if isinstance(scheduler, kind)), None)
    if end is not None and begun <= end < max_epochs:
        raise ValueError(
            f"max_epochs cannot grow to {max_epochs}: {type(scheduler).__name__} was laid out for {end} epochs. "
            "Start a new training instead, from these weights if you like: --start_from"
        )
