"""Schedules of the learning rate over epochs: what they want to be told, and how long they last."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, PolynomialLR, ReduceLROnPlateau


@dataclass
class StageDecay:
    """Exponential decay over one stage of a training: a factor for ``LambdaLR``, one for each group of parameters.

    Its numbers are in the schedule's state, so that a training which grows keeps them.

    Example:
        >>> [StageDecay(first=0, end=2, last=0.25)(epoch) for epoch in range(3)]
        [1.0, 0.5, 0.25]
        >>> StageDecay(first=2, end=4, last=0.25)(2)
        1.0

    Args:
        first: Epochs before the stage; the factor is 1 until then.
        end: Epochs until its end.
        last: Factor at its end.
    """

    first: int
    end: int
    last: float

    def __call__(self, epoch: int) -> float:
        """The factor after so many epochs of the training."""
        return float(self.last ** (max(0, epoch - self.first) / max(1, self.end - self.first)))


def step_schedule(scheduler: LRScheduler | None, value: float) -> None:
    """Step after an epoch.

    Args:
        scheduler: None does nothing.
        value: of the key metric, for a schedule that waits until it no longer improves.
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(value)
    elif scheduler is not None:
        scheduler.step()


def require_same_direction(scheduler: LRScheduler | None, key_metric: str) -> None:
    """Raise where a schedule takes the key metric's improvement for its opposite.

    Args:
        scheduler: matters where it waits for the key metric to stop improving.
        key_metric: ``auc``, ``dice`` or ``loss``.

    Raises:
        ValueError: names the mode that fits.
    """
    wanted = "min" if key_metric == "loss" else "max"
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode != wanted:
        raise ValueError(
            f"ReduceLROnPlateau follows the key metric, {key_metric}, but has mode {scheduler.mode!r}: set mode: "
            f"{wanted}"
        )


def require_long_enough(scheduler: LRScheduler | None, begun: int, max_epochs: int) -> None:
    """Raise where a training is to grow beyond the end of its schedule, which stays as the training began with it.

    After its end OneCycleLR cannot be stepped, PolynomialLR stays at zero and CosineAnnealingLR climbs again.

    Args:
        scheduler: as it was kept.
        begun: ``max_epochs`` that it was laid out for.
        max_epochs: wanted now.

    Raises:
        ValueError: names both lengths.
    """
    end = _end(scheduler)
    if end is not None and begun <= end < max_epochs:
        raise ValueError(
            f"max_epochs cannot grow to {max_epochs}: {type(scheduler).__name__} was laid out for {end} epochs. "
            "Start anew, from these weights if you wish: --start_from"
        )


def _end(scheduler: LRScheduler | None) -> int | None:
    """The epoch a schedule ends with; None for one without an end."""
    if isinstance(scheduler, OneCycleLR):
        return scheduler.total_steps
    if isinstance(scheduler, CosineAnnealingLR):
        return scheduler.T_max
    return scheduler.total_iters if isinstance(scheduler, PolynomialLR) else None
