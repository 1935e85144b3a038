"""The loss of mixed supervision: by hand, who takes part, what a mixture weighs, and number types."""

import math

import pytest
import torch

from app.contract import Prediction, Target
from app.losses.classification import KnownLabelBCELoss
from app.losses.generalised_dice import generalised_dice
from app.losses.localisation import PixelBCELoss
from app.losses.mixed_supervision import MixedSupervisionLoss
from app.networks.resnet import ResNet
from app.networks.se_densenet import SEDenseNet
from app.networks.unet import UNet

LN2 = math.log(2)


def target(label: list[list[float]], annotated: list[list[bool]], mask: torch.Tensor) -> Target:
    return Target(torch.tensor(label), mask, torch.tensor(annotated))


def random_case(dtype: torch.dtype = torch.float32) -> tuple[Prediction, Target]:
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(4, 3, 8, 8, generator=generator) > 0.7).float()
    label = torch.tensor([[1.0, 0, -1], [0, 1, -2], [-1, -1, -1], [0.4, 1, 0]])
    annotated = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]]).bool()
    mask[(label == 0)] = 0
    prediction = Prediction(
        torch.randn(4, 3, generator=generator).to(dtype).requires_grad_(),
        torch.randn(4, 3, 4, 4, generator=generator).to(dtype).requires_grad_(),
    )
    return prediction, Target(label, mask, annotated)


def test_value_by_hand():
    # Logits 0: each label costs ln 2, each map ln 2 a cell. Generalised Dice of p = 1/2 on one cell in four: finding
    # both 1/2 of 1 + 2, weight 1; rest both 3/2 of 3 + 2, weight 1/9: 1 - 2 (1/2 + 1/6) / (3 + 5/9) = 1 - 3/8 = 5/8.
    # Pairs: labels 2 (one unknown), of which the first is located; the third has a location but no label.
    mask = torch.zeros(1, 3, 2, 2)
    mask[0, 0, 0, 0] = mask[0, 2, 0, 0] = 1
    prediction = Prediction(torch.zeros(1, 3), torch.zeros(1, 3, 2, 2))
    value = MixedSupervisionLoss()(prediction, target([[1, 0, -1]], [[True, False, True]], mask))
    assert value.item() == pytest.approx((LN2 + (LN2 + 5 / 8) + LN2 + (LN2 + 5 / 8)) / 3, abs=1e-6)


def test_is_the_sum_of_the_published_terms_where_all_is_known():
    prediction, known = random_case()
    known = Target((known.mask.flatten(2).any(2)).float(), known.mask, torch.ones(4, 3).bool())
    mask = torch.nn.functional.avg_pool2d(known.mask, 2)
    expected = KnownLabelBCELoss()(prediction, known) + PixelBCELoss()(prediction, known)
    expected = expected + generalised_dice(prediction.map, mask).mean()
    torch.testing.assert_close(MixedSupervisionLoss()(prediction, known), expected)


def test_labels_alone_are_binary_cross_entropy():
    prediction, known = random_case()
    alone = known._replace(annotated=torch.zeros_like(known.annotated))
    torch.testing.assert_close(MixedSupervisionLoss()(prediction, alone), KnownLabelBCELoss()(prediction, alone))


def test_an_outline_weighs_the_same_whatever_its_neighbours_have():
    # Equation 2 divides by items, not by outlines: the gradient of one map must not grow when the others lose theirs.
    def gradient(annotated: list[list[bool]]) -> torch.Tensor:
        here = torch.zeros(4, 1, 2, 2, requires_grad=True)
        mask = torch.zeros(4, 1, 2, 2)
        mask[..., 0, 0] = 1
        MixedSupervisionLoss()(Prediction(torch.zeros(4, 1), here), target([[1.0]] * 4, annotated, mask)).backward()
        return here.grad[0]

    torch.testing.assert_close(gradient([[True]] * 4), gradient([[True], [False], [False], [False]]))


def test_the_weight_is_of_both_pixel_terms():
    prediction, known = random_case()
    values = [MixedSupervisionLoss(weight)(prediction, known).item() for weight in (0.0, 1.0, 3.0)]
    assert values[2] - values[0] == pytest.approx(3 * (values[1] - values[0]), rel=1e-5)
    # By counting: of eight pairs with a label or a location seven have labels; weight 0 is their sum over eight.
    assert values[0] == pytest.approx(KnownLabelBCELoss()(prediction, known).item() * 7 / 8, rel=1e-5)


def test_no_gradient_from_what_is_not_known():
    prediction, known = random_case()
    MixedSupervisionLoss()(prediction, known).backward()
    unknown = known.label < 0
    assert prediction.score.grad[unknown].abs().max() == 0
    assert bool((prediction.score.grad[~unknown] != 0).all())
    assert prediction.map.grad[~known.annotated].abs().max() == 0
    assert bool((prediction.map.grad[known.annotated].flatten(1).abs().amax(1) > 0).all())


@pytest.mark.parametrize(
    ("label", "annotated", "filled", "takes_part"),
    [
        (1.0, True, True, True),
        (1.0, True, False, False),
        (0.0, True, False, True),
        (0.0, False, False, False),
        (1.0, False, True, False),
        (-1.0, True, True, True),
    ],
    ids=["outlined", "location lost", "nowhere", "absent alone", "not asked", "label unknown"],
)
def test_whose_pixels_take_part(label, annotated, filled, takes_part):
    here = torch.zeros(1, 1, 2, 2, requires_grad=True)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = float(filled)
    MixedSupervisionLoss()(Prediction(torch.zeros(1, 1), here), target([[label]], [[annotated]], mask)).backward()
    assert bool((here.grad != 0).any()) is takes_part


def test_nothing_known_is_zero_with_zero_gradient():
    prediction, known = random_case()
    nothing = Target(torch.full((4, 3), -1.0), known.mask, torch.zeros(4, 3).bool())
    value = MixedSupervisionLoss()(prediction, nothing)
    value.backward()
    assert value.item() == 0
    assert prediction.score.grad.abs().max() == prediction.map.grad.abs().max() == 0


def test_gradient_is_exact():
    prediction, known = random_case(torch.float64)
    assert torch.autograd.gradcheck(
        lambda score, here: MixedSupervisionLoss()(Prediction(score, here), known), tuple(prediction)
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [-6e4, -100.0, 100.0, 6e4])
def test_saturated_logits_stay_finite(kind, value):
    _, known = random_case()
    score = torch.full((4, 3), value, dtype=kind, requires_grad=True)
    here = torch.full((4, 3, 4, 4), value, dtype=kind, requires_grad=True)
    result = MixedSupervisionLoss()(Prediction(score, here), known)
    result.backward()
    assert result.dtype == torch.float32
    assert bool(result.isfinite())
    assert bool(score.grad.isfinite().all())
    assert bool(here.grad.isfinite().all())


@pytest.mark.parametrize(
    "make",
    [
        lambda: SEDenseNet(3, blocks=(1, 1, 1, 1), growth=4, stem=8, upsample=2),
        lambda: ResNet(3, 18, width=4),
        lambda: UNet(3, features=(4, 4, 8, 8, 8, 4)),
    ],
    ids=["se-densenet", "resnet", "u-net"],
)
def test_every_network_learns_from_a_mixture(make):
    torch.manual_seed(0)
    network, loss = make(), MixedSupervisionLoss()
    image, known = torch.rand(4, 1, 64, 64), random_case()[1]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
    values = []
    for _ in range(6):
        value = loss(network(image), known)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]


def test_refuses_a_negative_weight():
    with pytest.raises(ValueError, match="localisation_weight must be 0 or more, not -1"):
        MixedSupervisionLoss(-1)
