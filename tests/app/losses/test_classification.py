"""Binary cross-entropy over known labels: values by hand, and nothing from what is not known."""

import math

import pytest
import torch

from app.contract import Prediction, Target
from app.findings import NOT_SAID, UNCERTAIN
from app.losses.classification import KnownLabelBCELoss


def loss(score: torch.Tensor, label: list[list[float]]) -> torch.Tensor:
    known = torch.tensor(label)
    target = Target(known, torch.zeros(*known.shape, 2, 2), torch.zeros(known.shape, dtype=torch.bool))
    return KnownLabelBCELoss()(Prediction(score, score[:, :, None, None]), target)


def test_value_by_hand():
    # -log(sigmoid(2)) where present, -log(1 - sigmoid(-1)) where absent; the mean of the two that are known.
    score = torch.tensor([[2.0, 5.0], [-3.0, -1.0]])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert loss(score, [[1, UNCERTAIN], [NOT_SAID, 0]]).item() == pytest.approx(expected, abs=1e-6)


def test_a_certainty_is_a_soft_target():
    # Minimal, and equal to the entropy of 0.3, where the probability is 0.3.
    score = torch.tensor([[math.log(0.3 / 0.7)]], requires_grad=True)
    value = loss(score, [[0.3]])
    value.backward()
    assert value.item() == pytest.approx(-0.3 * math.log(0.3) - 0.7 * math.log(0.7), abs=1e-6)
    assert score.grad.abs().max() < 1e-7


def test_every_known_label_counts_alike_whatever_image_it_is_of():
    # Means of images would weigh the lone label of the second image as much as the three of the first.
    score = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 0.0, 0.0]])
    expected = (3 * math.log(1 + math.exp(-1)) + math.log(1 + math.e)) / 4
    assert loss(score, [[1, 1, 1], [1, -1, -2]]).item() == pytest.approx(expected, abs=1e-6)


def test_gradient_is_exact():
    target = Target(torch.tensor([[1.0, 0.0], [0.4, -1.0]]), torch.zeros(2, 2, 1, 1), torch.zeros(2, 2).bool())

    def of_score(score):
        return KnownLabelBCELoss()(Prediction(score, score[:, :, None, None]), target)

    score = torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert of_score(score).dtype == torch.float64
    assert torch.autograd.gradcheck(of_score, score)


def test_no_gradient_from_unknown_labels_even_where_their_score_is_absurd():
    score = torch.tensor([[1e30, 0.5], [-1e30, -0.5]], requires_grad=True)
    value = loss(score, [[UNCERTAIN, 1], [NOT_SAID, 0]])
    value.backward()
    assert bool(value.isfinite())
    assert score.grad[:, 0].tolist() == [0, 0]
    assert bool((score.grad[:, 1] != 0).all())


def test_nothing_known_is_zero_with_zero_gradient():
    score = torch.randn(2, 3, requires_grad=True)
    value = loss(score, [[-1, -2, -1], [-2, -2, -1]])
    value.backward()
    assert value.item() == 0
    assert score.grad.abs().max() == 0


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("label", [0.0, 1.0, 0.5, -1.0])
def test_saturated_logits_stay_finite(kind, label):
    score = torch.tensor([[-6e4, -100.0, 0.0, 100.0, 6e4]], dtype=kind, requires_grad=True)
    value = loss(score, [[label] * 5])
    value.backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert bool(score.grad.isfinite().all())
