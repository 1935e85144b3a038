"""Schedules over epochs: what they follow, and trainings that grow beyond their end."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR, PolynomialLR, ReduceLROnPlateau

from app.engines.schedule import require_long_enough, require_same_direction, step_schedule


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def of_three_epochs(name: str) -> torch.optim.lr_scheduler.LRScheduler:
    if name == "OneCycleLR":
        return OneCycleLR(optimizer(), max_lr=1.0, total_steps=3)
    if name == "CosineAnnealingLR":
        return CosineAnnealingLR(optimizer(), T_max=3)
    return PolynomialLR(optimizer(), total_iters=3) if name == "PolynomialLR" else MultiStepLR(optimizer(), [1, 2])


WITH_AN_END = ("OneCycleLR", "CosineAnnealingLR", "PolynomialLR")


@pytest.mark.parametrize("name", WITH_AN_END)
def test_a_schedule_can_be_resumed_but_its_training_cannot_grow_beyond_its_end(name):
    require_long_enough(of_three_epochs(name), begun=3, max_epochs=3)
    with pytest.raises(ValueError, match=rf"max_epochs cannot grow to 4: {name} was laid out for 3 epochs"):
        require_long_enough(of_three_epochs(name), begun=3, max_epochs=4)


def test_a_schedule_without_an_end_or_that_ended_earlier_lets_its_training_grow():
    require_long_enough(of_three_epochs("MultiStepLR"), begun=3, max_epochs=9)
    require_long_enough(None, begun=3, max_epochs=9)
    # The training was laid out to continue after the end of the schedule.
    require_long_enough(of_three_epochs("PolynomialLR"), begun=5, max_epochs=9)


def test_reduce_on_plateau_follows_the_key_metric():
    scheduler = ReduceLROnPlateau(optimizer(), mode="max", factor=0.5, patience=0)
    for value in (0.5, 0.6, 0.6):
        step_schedule(scheduler, value)
    # Only the third epoch is no better than the one before.
    assert scheduler.get_last_lr() == [0.5]
    require_same_direction(scheduler, "auc")
    with pytest.raises(ValueError, match=r"follows the key metric, loss, but has mode 'max': set mode: min"):
        require_same_direction(scheduler, "loss")


def test_other_schedules_follow_epochs_alone():
    scheduler = of_three_epochs("MultiStepLR")
    step_schedule(scheduler, float("nan"))
    step_schedule(None, 0.5)
    assert scheduler.get_last_lr() == pytest.approx([0.1])
    require_same_direction(scheduler, "loss")
