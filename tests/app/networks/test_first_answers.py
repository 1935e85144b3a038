"""How every bundle's network starts: undecided, the same everywhere, at the loss of a constant answer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from app.contract import Prediction, Target
from app.networks.heads import undecided_logit
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.pooling import AveragePooling, LogSumExpPooling, MaxPooling, NoisyOrPooling
from tests.app.networks.bundle_networks import made

FORMS = [
    ("annotation_cost", ()),
    ("annotation_cost", ("published",)),
    ("limited_annotation", ()),
    ("limited_annotation", ("published",)),
    ("limited_annotation", ("base",)),
    ("limited_annotation", ("published", "base")),
    ("lung_segmentation", ()),
    ("nodule_detection", ()),
    ("nodule_detection", ("published",)),
    ("tube_detection", ()),
    ("tube_detection", ("published",)),
    ("uncertain_labels", ()),
    ("uncertain_labels", ("published",)),
]
# Cross-entropy of an undecided answer.
UNDECIDED = math.log(2)


def radiographs() -> Tensor:
    """Four smooth pictures with noise; small, whatever the depth."""
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(4, 1, 8, 8, generator=generator), size=128, mode="bilinear")
    return 0.8 * smooth + 0.2 * torch.rand(4, 1, 128, 128, generator=generator)


def target() -> Target:
    """Both findings present, absent, located and unknown."""
    label = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, -1]])
    mask = torch.zeros(4, 2, 128, 128)
    mask[0, 0, 32:96, 32:96] = 1
    return Target(label, mask, torch.tensor([[True, False], [False, False], [False, False], [False, False]]))


@pytest.mark.parametrize(
    ("bundle", "forms"), FORMS, ids=lambda value: value if isinstance(value, str) else "+".join(value)
)
def test_the_first_answer_is_undecided_and_costs_what_a_constant_one_costs(bundle: str, forms: tuple[str, ...]) -> None:
    network, loss = made(bundle, forms, "network_def", "loss")
    # Statistics of the batch, as in the first step of a training.
    with torch.no_grad():
        prediction: Prediction = network.train()(radiographs())
        first = float(loss(prediction, target()))
        cells = prediction.map.flatten(2)
        even = cells.mean(dim=(0, 2))[None, :, None, None].expand_as(prediction.map)
        constant = Prediction(torch.zeros_like(prediction.score), even)
        expected = float(loss(constant, target()))
    probability = torch.sigmoid(prediction.score)
    if bundle == "lung_segmentation":
        # Its score is the maximum over tens of thousands of pixels, of which nothing is learnt.
        assert bool((probability > 0.4).all())
    else:
        assert probability.mean(dim=0).tolist() == pytest.approx([0.5] * 2, abs=0.15)
    assert float(cells.std(dim=(0, 2)).max()) < 1.2
    assert first == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("forms", [(), ("published",)], ids=["small", "published"])
def test_annotation_cost_starts_at_the_loss_of_saying_nothing(forms: tuple[str, ...]) -> None:
    # Log 2 for each label; for the one of seven known pairs that is located also log 2 for its pixels, and 0.625, the
    # generalised Dice loss of 1/2 everywhere against a quarter of n cells, by hand: weights 16/n^2 and 16/9n^2, so
    # 1 - 2 (16/8 + 16 * 3/72) / (16 * 3/4 + 16/9 * 5/4) = 1 - 5.333 / 14.222.
    network, loss = made("annotation_cost", forms, "network_def", "loss")
    with torch.no_grad():
        first = float(loss(network.train()(radiographs()), target()))
    assert first == pytest.approx(UNDECIDED + (UNDECIDED + 0.625) / 7, rel=0.15)


def test_each_pooling_has_its_undecided_logit() -> None:
    # Of 16 cells: 1 - (1 - p)^16 = 1/2, and 16 p = tau-hat; an average and the maxima of an even map are its logit.
    once = 1 - 0.5 ** (1 / 16)
    expected = {
        NoisyOrPooling(): [math.log(once / (1 - once))] * 2,
        PatchCountPooling(PatchThresholds(2, tau_hat=[4.0, 8.0])): [math.log(0.25 / 0.75), 0.0],
        AveragePooling(): [0.0] * 2,
        MaxPooling(): [0.0] * 2,
        LogSumExpPooling(): [0.0] * 2,
    }
    for pooling, logits in expected.items():
        assert undecided_logit(pooling, 2, [4, 4]).tolist() == pytest.approx(logits, abs=1e-4), pooling


def test_thresholds_that_no_even_map_meets_leave_cells_that_can_learn() -> None:
    pooling = PatchCountPooling(PatchThresholds(2, tau_hat=[0.0, 1000.0]))
    probability = torch.sigmoid(undecided_logit(pooling, 2, [4, 4]))
    assert probability.tolist() == pytest.approx([0.001, 0.5], abs=1e-5)
