"""The loss of Li et al.: by hand, against its product form, and where nothing is known or all is saturated."""

import math

import pytest
import torch
from torch import Tensor

from app.contract import Prediction, Target
from app.losses.multiple_instance import MultipleInstanceLoss, log_present
from app.losses.multiple_instance_supervision import patch_supervision, positive_ratio
from app.networks.pooling import NoisyOrPooling

LN2 = math.log(2)


def prediction(here: Tensor) -> Prediction:
    return Prediction(here.amax(dim=(2, 3)), here)


def target(label: list[list[float]], annotated: list[list[bool]], mask: Tensor) -> Target:
    return Target(torch.tensor(label), mask, torch.tensor(annotated))


def boxed(*corner: int, side: int = 2, images: int = 1) -> Tensor:
    """One finding's mask with one pixel set in the first image."""
    mask = torch.zeros(images, 1, side, side)
    mask[0, 0][corner] = 1
    return mask


def test_a_box_by_hand():
    # p = 1/2, 4/5, 1/3, 1/5; the box holds the second: -log(1/2 * 4/5 * 2/3 * 4/5).
    here = torch.logit(torch.tensor([[1 / 2, 4 / 5], [1 / 3, 1 / 5]]))[None, None]
    value = MultipleInstanceLoss()(prediction(here), target([[1.0]], [[True]], boxed(0, 1)))
    assert value.item() == pytest.approx(-math.log(1 / 2 * 4 / 5 * 2 / 3 * 4 / 5), rel=1e-6)
    doubled = MultipleInstanceLoss(2.0)(prediction(here), target([[1.0]], [[True]], boxed(0, 1)))
    assert doubled.item() == pytest.approx(2 * value.item())


@pytest.mark.parametrize(("label", "expected"), [(1.0, -math.log(15 / 16)), (0.0, 4 * LN2), (0.5, None)])
def test_a_label_by_hand(label, expected):
    # Four patches of 1/2: absent everywhere with probability 1/16.
    expected = -0.5 * math.log(15 / 16) + 0.5 * 4 * LN2 if expected is None else expected
    value = MultipleInstanceLoss()(
        prediction(torch.zeros(1, 1, 2, 2)), target([[label]], [[False]], torch.zeros(1, 1, 2, 2))
    )
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_findings_are_summed_and_images_averaged():
    # Two known findings in the first image, one in the second, none in the third, which does not count.
    labels = [[0.0, 0.0], [0.0, -1.0], [-1.0, -2.0]]
    nowhere = [[False, False]] * 3
    value = MultipleInstanceLoss()(
        prediction(torch.zeros(3, 2, 2, 2)), target(labels, nowhere, torch.zeros(3, 2, 2, 2))
    )
    assert value.item() == pytest.approx((2 * 4 * LN2 + 4 * LN2) / 2)


def products(here: Tensor, target_: Target, weight: float) -> Tensor:
    """Equations 1 to 3 of Rozenberg et al. as they stand, in float64."""
    p = torch.sigmoid(here.double())
    total = torch.zeros((), dtype=torch.float64)
    for image in range(len(p)):
        for finding in range(p.shape[1]):
            y, each = float(target_.label[image, finding]), p[image, finding]
            inside = target_.mask[image, finding] > 0
            if target_.annotated[image, finding]:
                total = total - weight * torch.log(each[inside].prod() * (1 - each[~inside]).prod())
            elif y >= 0:
                absent = (1 - each).prod()
                total = total - y * torch.log(1 - absent) - (1 - y) * torch.log(absent)
    return total / len(p)


def test_equals_the_product_form_where_that_does_not_underflow():
    generator = torch.Generator().manual_seed(0)
    here = torch.randn(4, 3, 6, 6, generator=generator) * 2 - 1
    annotated = torch.rand(4, 3, generator=generator) < 0.4
    mask = torch.zeros(4, 3, 6, 6)
    mask[:, :, 1:4, 2:5] = 1
    truth = Target((torch.rand(4, 3, generator=generator) < 0.5).float(), mask, annotated)
    truth.label[annotated] = 1
    expected = products(here, truth, 3.0)
    loss = MultipleInstanceLoss(3.0)
    assert loss(prediction(here.double()), truth).item() == pytest.approx(expected.item(), rel=1e-12)
    assert loss(prediction(here), truth).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("logit", [-6e4, -200.0, -90.0, -31.0, -29.0, -12.0, -8.4, -8.0, -3.0, 0.0, 3.0])
def test_present_is_exact_at_any_logit(logit):
    # n alike patches, p far below 1: log(1 - (1 - p)^n) is log n + log p up to n p; else by the formula in float64.
    n, p = 4, 1 / (1 + math.exp(-max(logit, -700)))
    expected = math.log(n) + logit if logit < -36 else math.log(-math.expm1(n * math.log1p(-p)))
    here = torch.full((1, 1, 2, 2), logit, requires_grad=True)
    value = log_present(here)
    value.sum().backward()
    assert value.item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    # An image of which nothing is found must be able to learn: each of its patches has a quarter of the word.
    if logit < -8:
        assert here.grad.flatten().tolist() == pytest.approx([0.25] * 4, rel=2e-3)


def test_present_is_the_noisy_or_of_the_score():
    here = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0)) - 3
    torch.testing.assert_close(torch.nn.functional.logsigmoid(NoisyOrPooling()(here)), log_present(here))


@pytest.mark.parametrize("label", [-1.0, -2.0], ids=["uncertain", "not said"])
def test_no_gradient_from_what_is_unknown(label):
    here = torch.zeros(2, 1, 4, 4, requires_grad=True)
    # A mask that was not asked for says nothing.
    value = MultipleInstanceLoss()(
        prediction(here), target([[1.0], [label]], [[False], [False]], torch.ones(2, 1, 4, 4))
    )
    value.backward()
    assert here.grad[0].abs().min() > 0
    assert here.grad[1].abs().max() == 0


def test_nothing_known_is_zero_with_zero_gradient():
    here = torch.randn(2, 1, 4, 4, requires_grad=True)
    value = MultipleInstanceLoss()(
        prediction(here), target([[-1.0], [-2.0]], [[False], [False]], torch.ones(2, 1, 4, 4))
    )
    value.backward()
    assert value.item() == 0
    assert here.grad.abs().max() == 0


def test_gradient_is_exact():
    here = torch.randn(3, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.zeros(3, 1, 3, 3)
    mask[0, 0, :2, 1:] = 1
    truth = target([[1.0], [1.0], [0.0]], [[True], [False], [False]], mask)
    assert torch.autograd.gradcheck(lambda h: MultipleInstanceLoss()(prediction(h), truth), here)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("logit", [-6e4, -100.0, 100.0, 6e4])
def test_saturated_logits_stay_finite(kind, logit):
    here = torch.full((3, 1, 20, 20), logit, dtype=kind, requires_grad=True)
    truth = target([[1.0], [1.0], [0.0]], [[True], [False], [False]], boxed(3, 3, side=20, images=3))
    value = MultipleInstanceLoss()(prediction(here), truth)
    value.backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert bool(here.grad.isfinite().all())


def test_patches_of_a_box():
    # Two by two patches of 4 x 4 pixels. The first finding covers a patch wholly, one by half, one by a quarter; the
    # second a quarter of each of two patches; the third nothing.
    mask = torch.zeros(1, 3, 8, 8)
    mask[0, 0, :4, :6] = 1
    mask[0, 0, 4, :4] = 1
    mask[0, 1, 4, :] = 1
    truth = Target(torch.ones(1, 3), mask, torch.ones(1, 3, dtype=torch.bool))
    known = patch_supervision(truth, (2, 2), torch.float32)
    assert known.inside[0].tolist() == [[[1, 1], [0, 0]], [[0, 0], [1, 1]], [[0, 0], [0, 0]]]
    assert known.located.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("label", "known", "present"),
    [(1.0, True, 1.0), (0.7, True, 0.7), (0.0, True, 0.0), (-1.0, True, 0.0), (-2.0, True, 0.0)],
    ids=["present, location lost", "certainty", "absent", "uncertain", "not said"],
)
def test_an_empty_mask_says_absent_unless_the_label_says_present(label, known, present):
    truth = target([[label]], [[True]], torch.zeros(1, 1, 4, 4))
    found = patch_supervision(truth, (2, 2), torch.float32)
    assert (bool(found.located), bool(found.known)) == (False, known)
    assert float(found.present) == pytest.approx(present)


def test_positive_ratio_by_hand():
    # First finding: 1 present, 2 absent. Second: 2 to 1, unknown and uncertain left out. Third: never absent.
    labels = [[1, 1, 1], [0, 0.6, 1], [0, 0, -1], [-2, -1, -2]]
    assert positive_ratio(labels) == pytest.approx([0.5, 2.0, 1.0])
