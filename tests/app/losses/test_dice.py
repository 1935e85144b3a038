"""Dice plus cross-entropy: values by hand, and what is not annotated counts for nothing."""

import math

import pytest
import torch
from monai.losses.dice import DiceCELoss

from app.contract import Prediction, Target
from app.losses.dice import DiceCrossEntropyLoss


def target(mask: torch.Tensor, annotated: list[list[bool]]) -> Target:
    known = torch.tensor(annotated)
    return Target(torch.zeros(known.shape), mask, known)


def prediction(here: torch.Tensor) -> Prediction:
    return Prediction(here.amax(dim=(2, 3)), here)


def test_value_by_hand():
    # Logits 0 are probabilities of 1/2. Four cells, two in the mask, smoothing 1:
    # Dice loss 1 - (2 * (2 * 1/2) + 1) / (4 * 1/2 + 2 + 1) = 1 - 3/5; cross-entropy ln 2.
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    value = DiceCrossEntropyLoss()(prediction(torch.zeros(1, 1, 2, 2)), target(mask, [[True]]))
    assert value.item() == pytest.approx(0.4 + math.log(2), abs=1e-6)


def test_a_mask_comes_down_to_the_map_grid():
    # Each cell of the 1 x 2 map covers 2 x 2 pixels: all in the mask, and half of them.
    mask = torch.tensor([[[[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]]])
    loss = DiceCrossEntropyLoss()
    fine = loss(prediction(torch.zeros(1, 1, 1, 2)), target(mask, [[True]]))
    # 1 - (2 * (1/2 + 1/4) + 1) / (1 + 3/2 + 1) = 1 - 2.5 / 3.5; cross-entropy at probability 1/2 is ln 2 whatever
    # the mask says.
    assert fine.item() == pytest.approx(1 - 2.5 / 3.5 + math.log(2), abs=1e-6)


def test_values_and_gradients_are_those_of_monai_on_the_annotated_pairs():
    generator = torch.Generator().manual_seed(1)
    known = torch.tensor([[True, False, True], [False, False, True]])
    mask = torch.randint(0, 2, (2, 3, 8, 8), generator=generator).float()
    here = torch.randn(2, 3, 8, 8, generator=generator).requires_grad_()
    other = here.detach().clone().requires_grad_()
    value = DiceCrossEntropyLoss(smooth=0.5)(prediction(here), Target(torch.zeros(2, 3), mask, known))
    oracle = DiceCELoss(sigmoid=True, smooth_nr=0.5, smooth_dr=0.5)(other[known].unsqueeze(1), mask[known].unsqueeze(1))
    value.backward()
    oracle.backward()
    torch.testing.assert_close(value, oracle)
    torch.testing.assert_close(here.grad, other.grad)


@pytest.mark.parametrize(("full", "logit"), [(1.0, 30.0), (0.0, -30.0)], ids=["everywhere", "nowhere"])
def test_a_perfect_map_costs_nothing(full, logit):
    value = DiceCrossEntropyLoss()(
        prediction(torch.full((2, 1, 4, 4), logit)), target(torch.full((2, 1, 4, 4), full), [[True], [True]])
    )
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_what_is_not_annotated_changes_neither_value_nor_gradient():
    generator = torch.Generator().manual_seed(0)
    here = torch.randn(2, 2, 4, 4, generator=generator).requires_grad_()
    mask = torch.randint(0, 2, (2, 2, 4, 4), generator=generator).float()
    loss = DiceCrossEntropyLoss()
    value = loss(prediction(here), target(mask, [[True, False], [True, False]]))
    value.backward()
    alone = loss(prediction(here[:, :1]), target(mask[:, :1], [[True], [True]]))
    assert value.item() == pytest.approx(alone.item(), abs=1e-7)
    assert here.grad is not None
    assert here.grad[:, 1].abs().max() == 0
    assert here.grad[:, 0].abs().max() > 0


def test_nothing_annotated_is_zero_with_zero_gradient():
    here = torch.randn(2, 1, 4, 4, requires_grad=True)
    value = DiceCrossEntropyLoss()(prediction(here), target(torch.ones(2, 1, 4, 4), [[False], [False]]))
    value.backward()
    assert value.item() == 0
    assert here.grad is not None
    assert here.grad.abs().max() == 0


def test_smoothing_must_be_above_zero():
    with pytest.raises(ValueError, match="smooth must be above 0"):
        DiceCrossEntropyLoss(smooth=0)
