"""Losses over counts of patches: by hand, their gradients, and where nothing is known or all is saturated."""

import math

import pytest
import torch
from torch import Tensor, nn

from app.contract import Prediction, Target
from app.losses.relaxed import RelaxedThresholdLoss, SigmoidThresholdLoss
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def prediction(here: Tensor) -> Prediction:
    return Prediction(here.amax(dim=(2, 3)), here)


def target(label: list[list[float]], annotated: list[list[bool]], mask: Tensor) -> Target:
    return Target(torch.tensor(label), mask, torch.tensor(annotated))


def thresholds(**settings: float) -> PatchThresholds:
    return PatchThresholds(1, **({"tau": 0.8, "rho": 0.1, "tau_hat": 2.5, "rho_hat": 0.5} | settings))


# z of the 3 x 3 patches; the box is the left column: 1.5 inside (of 3), 1.8 outside (of 6), 3.3 in all.
Z = torch.tensor([[0.5, 0.2, 0.4], [0.5, 0.2, 0.4], [0.5, 0.2, 0.4]])
HERE = torch.logit(Z)[None, None]
LEFT = torch.tensor([[1.0, 0, 0]] * 3)[None, None]
NO_MASK = torch.zeros(1, 1, 3, 3)
BOTH = [RelaxedThresholdLoss, SigmoidThresholdLoss]


def test_a_box_relaxed_by_hand():
    # Equation 9: (0.8 * 3 - 1.5) / 3 + (1.8 - 0.1 * 6) / 6 = 0.3 + 0.2; times lambda.
    loss = RelaxedThresholdLoss(thresholds(), annotated_weight=70)
    assert loss(prediction(HERE), target([[1.0]], [[True]], LEFT)).item() == pytest.approx(70 * 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"), [({"tau": 0.5, "rho": 0.1}, 0.2), ({"tau": 0.8, "rho": 0.3}, 0.3)], ids=["tau", "rho"]
)
def test_a_demand_that_is_met_costs_nothing(settings, expected):
    loss = RelaxedThresholdLoss(thresholds(**settings), annotated_weight=1)
    assert loss(prediction(HERE), target([[1.0]], [[True]], LEFT)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("label", "settings", "expected"),
    [
        (1.0, {"tau_hat": 5.0}, 5 - 3.3),
        (1.0, {"tau_hat": 3.0}, 0.0),
        (0.0, {"rho_hat": 1.0}, 0.2 * (3.3 - 1)),
        (0.0, {"rho_hat": 4.0}, 0.0),
        (0.25, {"tau_hat": 5.0, "rho_hat": 1.0}, 0.25 * 1.7 + 0.75 * 0.2 * 2.3),
    ],
    ids=["present", "present, met", "absent", "absent, met", "a certainty"],
)
def test_a_label_relaxed_by_hand(label, settings, expected):
    # Equation 11 with gamma 0.2.
    loss = RelaxedThresholdLoss(thresholds(**settings), balance=[0.2])
    value = loss(prediction(HERE), target([[label]], [[False]], NO_MASK))
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_a_box_as_sigmoids_by_hand():
    # Equation 5: -sigmoid(1.5 - 2.4) sigmoid(0.6 - 1.8).
    loss = SigmoidThresholdLoss(thresholds(), annotated_weight=2)
    value = loss(prediction(HERE), target([[1.0]], [[True]], LEFT))
    assert value.item() == pytest.approx(-2 * sigmoid(-0.9) * sigmoid(-1.2), rel=1e-5)


@pytest.mark.parametrize(
    ("label", "expected"), [(1.0, -sigmoid(3.3 - 2.5)), (0.0, -sigmoid(0.5 - 3.3))], ids=["present", "absent"]
)
def test_a_label_as_sigmoids_by_hand(label, expected):
    # Equation 8.
    value = SigmoidThresholdLoss(thresholds())(prediction(HERE), target([[label]], [[False]], NO_MASK))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_the_present_probability_is_that_of_the_score():
    # Equation 6 and the score of the pooling are one rule.
    t = thresholds()
    value = SigmoidThresholdLoss(t)(prediction(HERE), target([[1.0]], [[False]], NO_MASK))
    assert value.item() == pytest.approx(-torch.sigmoid(PatchCountPooling(t)(HERE)).item(), rel=1e-6)


def test_each_finding_has_its_own_thresholds():
    t = PatchThresholds(2, tau_hat=[4.0, 6.0])
    here = HERE.repeat(1, 2, 1, 1)
    value = RelaxedThresholdLoss(t)(
        prediction(here), target([[1.0, 1.0]], [[False, False]], NO_MASK.repeat(1, 2, 1, 1))
    )
    assert value.item() == pytest.approx((4 - 3.3) + (6 - 3.3), rel=1e-5)


def test_images_of_which_nothing_is_known_do_not_count():
    here, mask = HERE.repeat(2, 1, 1, 1), NO_MASK.repeat(2, 1, 1, 1)
    t = thresholds(tau_hat=5)
    value = RelaxedThresholdLoss(t)(prediction(here), target([[1.0], [-1.0]], [[False], [False]], mask))
    assert value.item() == pytest.approx(1.7, rel=1e-5)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("label", [-1.0, -2.0], ids=["uncertain", "not said"])
def test_no_gradient_from_what_is_unknown(form, label):
    here = HERE.repeat(2, 1, 1, 1).requires_grad_()
    truth = target([[1.0], [label]], [[False], [False]], torch.ones(2, 1, 3, 3))
    form(thresholds(tau_hat=5))(prediction(here), truth).backward()
    assert here.grad[0].abs().min() > 0
    assert here.grad[1].abs().max() == 0


@pytest.mark.parametrize("form", BOTH)
def test_nothing_known_is_zero_with_zero_gradient(form):
    here = HERE.clone().requires_grad_()
    value = form(thresholds())(prediction(here), target([[-1.0]], [[False]], LEFT))
    value.backward()
    assert value.item() == 0
    assert here.grad.abs().max() == 0


@pytest.mark.parametrize("form", BOTH)
def test_gradient_is_exact(form):
    generator = torch.Generator().manual_seed(0)
    here = torch.randn(3, 1, 3, 3, dtype=torch.float64, generator=generator).requires_grad_()
    truth = target([[1.0], [1.0], [0.0]], [[True], [False], [False]], LEFT.repeat(3, 1, 1, 1))
    loss = form(thresholds(tau_hat=8))
    assert torch.autograd.gradcheck(lambda h: loss(prediction(h), truth), here)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("logit", [-6e4, -100.0, 100.0, 6e4])
def test_saturated_logits_stay_finite(form, kind, logit):
    here = torch.full((4, 1, 20, 20), logit, dtype=kind, requires_grad=True)
    mask = torch.zeros(4, 1, 20, 20)
    mask[0, 0, :3] = 1
    mask[1] = 1
    truth = target([[1.0], [1.0], [1.0], [0.0]], [[True], [True], [False], [False]], mask)
    value = form(thresholds())(prediction(here), truth)
    value.backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert bool(here.grad.isfinite().all())


def test_hundreds_of_patches_are_counted_exactly_in_half_precision():
    # 400 patches of 1/2: 200, of which tau_hat 201 leaves 1; bfloat16 itself counts in steps of 2 up there.
    here = torch.zeros(1, 1, 20, 20, dtype=torch.bfloat16)
    truth = target([[1.0]], [[False]], torch.zeros(1, 1, 20, 20))
    assert RelaxedThresholdLoss(thresholds(tau_hat=201))(prediction(here), truth).item() == pytest.approx(1)


def test_thresholds_are_no_parameters():
    loss = RelaxedThresholdLoss(thresholds())
    assert list(loss.parameters()) == []
    assert isinstance(loss.thresholds, nn.Module)


@pytest.mark.parametrize("balance", [[0.5, 0.5], [-1.0]], ids=["too many", "negative"])
def test_refuses_a_balance_that_does_not_fit(balance):
    with pytest.raises(ValueError, match="balance is"):
        RelaxedThresholdLoss(thresholds(), balance=balance)
