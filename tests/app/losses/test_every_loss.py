"""What every loss must keep to: exact gradients, nothing from what is not known, zero of nothing, finite anywhere."""

import inspect

import pytest
import torch
from torch import Tensor, nn

from app import losses
from app.contract import Prediction, Target
from app.losses import (
    KnownLabelBCELoss,
    MixedSupervisionLoss,
    MultipleInstanceLoss,
    PixelBCELoss,
    RelaxedThresholdLoss,
    SigmoidThresholdLoss,
    WeightedSum,
)
from app.losses.dice import DiceCrossEntropyLoss
from app.networks.patch_thresholds import PatchThresholds

# Thresholds that random maps of 16 cells of 1/2 do not meet, so that the demands have gradients.
THRESHOLDS = PatchThresholds(3, tau=0.9, rho=0.05, tau_hat=15.0, rho_hat=0.5)
LOSSES: dict[str, nn.Module] = {
    "labels": KnownLabelBCELoss(),
    "pixels": PixelBCELoss(),
    "mixed supervision": MixedSupervisionLoss(),
    "li": MultipleInstanceLoss(),
    "sigmoid": SigmoidThresholdLoss(THRESHOLDS),
    "relaxed": RelaxedThresholdLoss(THRESHOLDS, balance=[0.5, 1.0, 2.0]),
    "dice and pixels": DiceCrossEntropyLoss(),
    "weighted sum": WeightedSum([KnownLabelBCELoss(), PixelBCELoss(), DiceCrossEntropyLoss()], [1.0, 0.5, 2.0]),
}
KINDS = [torch.float32, torch.bfloat16, torch.float16]

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def known() -> Target:
    """Four images, three findings: every kind of label, asked and not asked, outlined and empty."""
    label = torch.tensor([[1.0, 0, -1], [0, 1, -2], [-1, -2, -1], [0.4, 1, 0]])
    annotated = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]]).bool()
    mask = torch.zeros(4, 3, 8, 8)
    # Also where nobody was asked: what stands there must not matter.
    mask[:, :, 2:6, 1:5] = 1
    mask[3, 2] = 0
    return Target(label, mask, annotated)


def said(kind: torch.dtype = torch.float64) -> Prediction:
    generator = torch.Generator().manual_seed(0)
    score = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    here = torch.randn(4, 3, 4, 4, dtype=torch.float64, generator=generator)
    return Prediction(score.to(kind).requires_grad_(), here.to(kind).requires_grad_())


def gradients(loss: nn.Module, prediction: Prediction, target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """The value, and its gradients to score and map, zeros where the loss does not look at one."""
    value = loss(prediction, target)
    found = torch.autograd.grad(value, tuple(prediction), allow_unused=True)
    score, here = (torch.zeros_like(of) if each is None else each for each, of in zip(found, prediction, strict=True))
    return value, score, here


def test_every_loss_is_here():
    public = {name for name in losses.__all__ if inspect.isclass(getattr(losses, name))}
    assert public <= {type(loss).__name__ for loss in LOSSES.values()}


@every_loss
def test_gradient_is_exact(loss):
    prediction, target = said(), known()
    assert loss(prediction, target).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda score, here: loss(Prediction(score, here), target), tuple(prediction))


@every_loss
def test_no_gradient_from_what_is_not_known_even_where_it_is_absurd(loss):
    target, prediction = known(), said(torch.float32)
    unasked = (target.label < 0) & ~target.annotated
    with torch.no_grad():
        prediction.score[unasked] = 1e30
        prediction.map[unasked] = -1e30
    value, score, here = gradients(loss, prediction, target)
    assert bool(value.isfinite())
    assert float(score[unasked].abs().max()) == float(here[unasked].abs().max()) == 0
    assert float(score.abs().max()) + float(here.abs().max()) > 0


@every_loss
def test_masks_that_nobody_was_asked_for_do_not_matter(loss):
    target = known()
    bare = target._replace(mask=target.mask * target.annotated[:, :, None, None])
    for one, other in zip(gradients(loss, said(), target), gradients(loss, said(), bare), strict=True):
        assert torch.equal(one, other)


@every_loss
def test_a_batch_of_which_nothing_is_known_is_zero_with_zero_gradient(loss):
    target = known()
    nothing = Target(torch.where(target.label > 0, -1.0, -2.0), target.mask, torch.zeros_like(target.annotated))
    value, score, here = gradients(loss, said(torch.float32), nothing)
    assert value.item() == 0
    assert float(score.abs().max()) == float(here.abs().max()) == 0


@every_loss
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("logit", [-6e4, -100.0, 100.0, 6e4])
def test_saturated_logits_stay_finite(loss, kind, logit):
    prediction = Prediction(
        torch.full((4, 3), logit, dtype=kind, requires_grad=True),
        torch.full((4, 3, 4, 4), logit, dtype=kind, requires_grad=True),
    )
    value, score, here = gradients(loss, prediction, known())
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert bool(score.isfinite().all() & here.isfinite().all())


@every_loss
@pytest.mark.parametrize("kind", KINDS[1:], ids=str)
def test_half_precision_changes_the_logits_alone(loss, kind):
    # Oracle: the loss in float64 of the rounded logits.
    rounded = said(kind)
    exact = Prediction(rounded.score.detach().double(), rounded.map.detach().double())
    assert loss(rounded, known()).item() == pytest.approx(loss(exact, known()).item(), rel=1e-5)
