"""Pooling heads: values by hand, exact gradients, and finite numbers wherever logits saturate."""

import math

import pytest
import torch

from app.networks.pooling import AveragePooling, LogSumExpPooling, MaxPooling, NoisyOrPooling

HEADS = {
    "max": MaxPooling(),
    "average": AveragePooling(),
    "log-sum-exp": LogSumExpPooling(5.0),
    "noisy-or": NoisyOrPooling(),
}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
LOGITS = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]], [[-1.0, -1.0], [-1.0, -1.0]]]])


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def noisy_or(values: list[float]) -> float:
    """The product form, by hand."""
    return logit(1 - math.prod(1 - 1 / (1 + math.exp(-value)) for value in values))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max", [3.0, -1.0]),
        ("average", [1.5, -1.0]),
        ("log-sum-exp", [math.log(sum(math.exp(5 * x) for x in (0, 1, 2, 3)) / 4) / 5, -1.0]),
        ("noisy-or", [noisy_or([0, 1, 2, 3]), noisy_or([-1, -1, -1, -1])]),
    ],
)
def test_value_by_hand(name, expected):
    assert HEADS[name](LOGITS)[0].tolist() == pytest.approx(expected, abs=1e-5)


@every_head
def test_one_score_a_finding_and_findings_do_not_meet(head):
    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    score = head(logits)
    assert score.shape == (3, 4)
    torch.testing.assert_close(score[:, 1:2], head(logits[:, 1:2]))


@every_head
def test_a_map_of_one_cell_is_its_own_score(head):
    logits = torch.linspace(-6, 6, 13).view(13, 1, 1, 1)
    torch.testing.assert_close(head(logits), logits.flatten(1), atol=1e-4, rtol=0)


@every_head
def test_gradient_is_exact(head):
    # Random numbers have no ties, so that the maximum has no kink here.
    logits = torch.randn(2, 3, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(head, logits.requires_grad_())


def test_gradient_of_the_maximum_goes_to_the_strongest_place_and_is_shared_by_equals():
    logits = torch.tensor([[[[0.0, 2.0, 1.0]], [[5.0, 5.0, 0.0]]]], requires_grad=True)
    MaxPooling()(logits).sum().backward()
    assert logits.grad.tolist() == [[[[0, 1, 0]], [[0.5, 0.5, 0]]]]


def test_noisy_or_equals_the_product_form_in_float64_with_its_gradient():
    # Away from saturation, where the product form itself is exact.
    logits = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 3
    slow = logits.double().requires_grad_()
    absent = torch.prod(1 - torch.sigmoid(slow.flatten(2)), dim=2)
    expected = torch.log((1 - absent) / absent)
    quick = logits.clone().requires_grad_()
    score = NoisyOrPooling()(quick)
    torch.testing.assert_close(score.double(), expected, atol=1e-5, rtol=1e-5)
    score.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(quick.grad.double(), slow.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [-6e4, -100.0, -20.0, 0.0, 20.0, 100.0, 6e4])
@every_head
def test_saturated_logits_give_finite_scores_and_gradients(head, value, kind):
    logits = torch.full((2, 1, 4, 4), value, dtype=kind, requires_grad=True)
    score = head(logits)
    score.sum().backward()
    assert score.dtype == (torch.float32 if isinstance(head, NoisyOrPooling) else kind)
    assert bool(score.isfinite().all())
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("level", [-10.0, -30.0, -80.0])
def test_noisy_or_can_learn_what_it_surely_takes_for_absent(level):
    # With p small everywhere the score is log(sum(p)), whose gradient is the softmax.
    logits = (level + torch.tensor([[[[0.0, 1.0, 2.0]]]])).requires_grad_()
    score = NoisyOrPooling()(logits)
    score.sum().backward()
    assert score.item() == pytest.approx(torch.logsumexp(logits, dim=3).item(), abs=1e-2)
    torch.testing.assert_close(logits.grad, torch.softmax(logits, dim=3), atol=1e-3, rtol=0)


@every_head
def test_more_in_one_place_never_lowers_the_score(head):
    logits = torch.randn(8, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    more = logits.clone()
    more[:, :, 1, 1] += 1
    assert bool((head(more) >= head(logits) - 1e-6).all())


def test_log_sum_exp_runs_from_average_to_maximum():
    assert LogSumExpPooling(1e-3)(LOGITS).tolist() == [pytest.approx([1.5, -1.0], abs=2e-3)]
    assert LogSumExpPooling(1e3)(LOGITS).tolist() == [pytest.approx([3.0, -1.0], abs=2e-3)]


@pytest.mark.parametrize("sharpness", [0.0, -1.0, math.nan])
def test_sharpness_must_be_positive(sharpness):
    with pytest.raises(ValueError, match=f"sharpness must be positive, not {sharpness}"):
        LogSumExpPooling(sharpness)


@every_head
def test_scripted_head_says_the_same(head):
    torch.testing.assert_close(torch.jit.script(head)(LOGITS), head(LOGITS))
