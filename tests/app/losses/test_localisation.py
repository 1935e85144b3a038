"""Pixel-wise cross-entropy: values by hand, on the map's grid, and only where the location was asked for."""

import math

import pytest
import torch

from app.contract import Prediction, Target
from app.losses.localisation import PixelBCELoss

LN2 = math.log(2)


def prediction(here: torch.Tensor) -> Prediction:
    return Prediction(here.amax(dim=(2, 3)), here)


def target(mask: torch.Tensor, annotated: list[list[bool]], label: list[list[float]]) -> Target:
    return Target(torch.tensor(label, dtype=torch.float32), mask, torch.tensor(annotated))


def test_value_by_hand():
    # Four cells, logits 2: one in the mask costs log(1 + e^-2), three outside cost log(1 + e^2).
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    value = PixelBCELoss()(prediction(torch.full((1, 1, 2, 2), 2.0)), target(mask, [[True]], [[1]]))
    assert value.item() == pytest.approx((math.log(1 + math.exp(-2)) + 3 * math.log(1 + math.exp(2))) / 4, abs=1e-6)


def test_a_mask_comes_down_to_the_map_grid():
    # The one cell covers two pixels in the mask and two outside: a soft target of 1/2.
    mask = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    value = PixelBCELoss()(prediction(torch.full((1, 1, 1, 1), 1.0)), target(mask, [[True]], [[1]]))
    assert value.item() == pytest.approx(math.log(1 + math.e) - 0.5, abs=1e-6)


def test_each_located_pair_counts_alike():
    # Three pairs are located (one by its absent label), one is not: the mean is over three.
    here = torch.stack([torch.full((2, 3), logit) for logit in (0.0, 1.0, -1.0, 9.0)]).view(2, 2, 2, 3)
    mask = torch.zeros(2, 2, 2, 3)
    mask[0, 0] = 1
    value = PixelBCELoss()(prediction(here), target(mask, [[True, False], [True, False]], [[1, 0], [-1, 1]]))
    expected = (LN2 + math.log(1 + math.e) + math.log(1 + math.exp(-1))) / 3
    assert value.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("label", "takes_part"),
    [(1.0, False), (0.7, False), (0.0, True), (-1.0, True), (-2.0, True)],
    ids=["present", "certainty", "absent", "uncertain", "not said"],
)
def test_an_empty_mask_of_a_present_finding_is_no_nowhere(label, takes_part):
    # Its location was asked for, but a crop cut it away: the second pair alone counts then, else both do.
    here = torch.zeros(1, 2, 2, 2)
    here[0, 0] = 1.0
    here.requires_grad_()
    mask = torch.zeros(1, 2, 4, 4)
    mask[0, 1] = 1
    value = PixelBCELoss()(prediction(here), target(mask, [[True, True]], [[label, 1]]))
    value.backward()
    expected = (math.log(1 + math.e) + LN2) / 2 if takes_part else LN2
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert bool(here.grad[0, 0].abs().max() > 0) == takes_part


def test_a_single_pixel_is_somewhere():
    # One of 16 pixels: 1/16 of the one cell, where a logit of 0 costs log 2 whatever the share.
    here = torch.zeros(1, 1, 1, 1, requires_grad=True)
    mask = torch.zeros(1, 1, 4, 4)
    mask[0, 0, 3, 3] = 1
    value = PixelBCELoss()(prediction(here), target(mask, [[True]], [[1]]))
    value.backward()
    assert value.item() == pytest.approx(LN2, abs=1e-6)
    assert here.grad.item() == pytest.approx(0.5 - 1 / 16, abs=1e-6)


@pytest.mark.parametrize(("absent_is_nowhere", "expected"), [(True, LN2), (False, 0.0)])
def test_an_absent_label_says_nowhere_unless_switched_off(absent_is_nowhere, expected):
    here = torch.zeros(1, 1, 2, 2, requires_grad=True)
    value = PixelBCELoss(absent_is_nowhere)(prediction(here), target(torch.zeros(1, 1, 4, 4), [[False]], [[0]]))
    value.backward()
    assert value.item() == pytest.approx(expected, abs=1e-6)
    # Towards lower logits by a half a cell, or not at all.
    assert here.grad.flatten().tolist() == pytest.approx([0.125 if absent_is_nowhere else 0] * 4)


@pytest.mark.parametrize("label", [1.0, 0.5, -1.0, -2.0], ids=["present", "certainty", "uncertain", "not said"])
def test_no_gradient_from_locations_that_were_not_asked_for(label):
    here = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.ones(2, 2, 8, 8)
    value = PixelBCELoss()(prediction(here), target(mask, [[True, False], [False, False]], [[1, label], [label] * 2]))
    value.backward()
    assert here.grad[0, 0].abs().min() > 0
    assert here.grad[0, 1].abs().max() == 0
    assert here.grad[1].abs().max() == 0


def test_nothing_located_is_zero_with_zero_gradient():
    here = torch.randn(2, 1, 4, 4, requires_grad=True)
    value = PixelBCELoss()(prediction(here), target(torch.ones(2, 1, 4, 4), [[False], [False]], [[1], [-1]]))
    value.backward()
    assert value.item() == 0
    assert here.grad.abs().max() == 0


def test_gradient_is_exact():
    mask = (torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    truth = target(mask, [[True, False], [False, True]], [[1, 0], [1, 1]])
    here = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert PixelBCELoss()(prediction(here), truth).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda h: PixelBCELoss()(prediction(h), truth), here)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("full", [0.0, 1.0])
def test_saturated_logits_stay_finite(kind, full):
    here = torch.tensor([-6e4, -100.0, 100.0, 6e4], dtype=kind).view(1, 1, 2, 2).requires_grad_()
    value = PixelBCELoss()(prediction(here), target(torch.full((1, 1, 2, 2), full), [[True]], [[full]]))
    value.backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert bool(here.grad.isfinite().all())
