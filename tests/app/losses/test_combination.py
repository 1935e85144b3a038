"""A weighted sum of losses: values by hand, terms of weight zero are not computed, wrong weights are refused."""

import math

import pytest
import torch
from torch import Tensor, nn

from app.contract import Prediction, Target
from app.losses.classification import KnownLabelBCELoss
from app.losses.combination import WeightedSum
from app.losses.localisation import PixelBCELoss

PREDICTION = Prediction(torch.zeros(1, 1), torch.zeros(1, 1, 2, 2))
TARGET = Target(torch.ones(1, 1), torch.ones(1, 1, 2, 2), torch.ones(1, 1, dtype=torch.bool))


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        return self.value * 1


class Forbidden(nn.Module):
    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        raise AssertionError("was computed")


@pytest.mark.parametrize(("weights", "expected"), [(None, 5.0), ([1.0, 1.0], 5.0), ([0.5, 2.0], 7.0), ([0, 1], 3.0)])
def test_value_by_hand(weights, expected):
    assert WeightedSum([Constant(2.0), Constant(3.0)], weights)(PREDICTION, TARGET).item() == expected


def test_nodule_detection_by_hand():
    # Logits 0 cost ln 2 in either loss.
    value = WeightedSum([KnownLabelBCELoss(), PixelBCELoss()])(PREDICTION, TARGET)
    assert value.item() == pytest.approx(2 * math.log(2), abs=1e-6)


def test_a_term_of_weight_zero_is_not_computed():
    assert WeightedSum([Constant(2.0), Forbidden()], [1.0, 0.0])(PREDICTION, TARGET).item() == 2


def test_weights_scale_gradients_and_parameters_of_losses_are_found():
    total = WeightedSum([Constant(2.0), Constant(3.0)], [0.5, 2.0])
    total(PREDICTION, TARGET).backward()
    assert [parameter.grad.item() for parameter in total.parameters()] == [0.5, 2.0]


@pytest.mark.parametrize(
    ("count", "weights"), [(0, None), (2, [1.0]), (2, [1.0, -1.0]), (2, [0.0, 0.0]), (1, [1.0, 1.0])], ids=str
)
def test_refuses_weights_that_make_no_sense(count, weights):
    with pytest.raises(ValueError, match=f"weights must be {count} numbers, one for each loss, none negative"):
        WeightedSum([Constant(1.0) for _ in range(count)], weights)
