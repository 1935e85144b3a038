"""Generalised Dice: by hand, against a loop in float64, against MONAI's, and at the ends of the number types."""

import pytest
import torch
from monai.losses.dice import GeneralizedDiceLoss

from app.losses.generalised_dice import generalised_dice


def logit(probability: list[float]) -> torch.Tensor:
    return torch.logit(torch.tensor(probability, dtype=torch.float64))


def random_case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    here = 3 * torch.randn(3, 4, 5, 6, dtype=torch.float64, generator=generator)
    mask = (torch.rand(3, 4, 5, 6, generator=generator) > 0.8).double()
    mask[0, 0], mask[1, 1] = 0, 1
    return here, mask


def test_value_by_hand():
    # Four cells, one of them the finding. Finding: r = 1, p sums to 1, both 0.7; rest: r = 3, p sums to 3, both 2.7.
    # Weights 1 and 1/9: 1 - 2 (0.7 + 0.3) / ((1 + 1) + (3 + 3) / 9) = 1 - 2 / (8 / 3) = 1/4.
    here, mask = logit([0.7, 0.1, 0.1, 0.1]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert generalised_dice(here.view(1, 1, 2, 2), mask.view(1, 1, 2, 2)).item() == pytest.approx(0.25, abs=1e-12)


def test_an_empty_mask_costs_the_mean_probability():
    # Both labels weigh 1: 1 - 2 (0 + (4 - 0.6)) / ((0 + 0.6) + (4 + 3.4)) = 1 - 6.8 / 8 = 0.15 = 0.6 / 4.
    here = logit([0.3, 0.1, 0.1, 0.1]).view(1, 1, 2, 2)
    assert generalised_dice(here, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(0.15, abs=1e-12)


def test_a_full_mask_costs_the_mean_probability_of_nothing():
    here = logit([0.7, 0.9, 0.9, 0.9]).view(1, 1, 2, 2)
    assert generalised_dice(here, torch.ones(1, 1, 2, 2)).item() == pytest.approx(0.15, abs=1e-12)


def test_equals_a_loop_over_equation():
    here, mask = random_case()
    result = generalised_dice(here, mask)
    for b in range(3):
        for c in range(4):
            above = below = 0.0
            r, p = mask[b, c].flatten().tolist(), torch.sigmoid(here[b, c]).flatten().tolist()
            labels = [(r, p), ([1 - v for v in r], [1 - v for v in p])]
            alike = any(sum(truth) == 0 for truth, _ in labels)
            for truth, said in labels:
                weight = 1.0 if alike else 1 / sum(truth) ** 2
                above += weight * sum(t * s for t, s in zip(truth, said, strict=True))
                below += weight * sum(t + s for t, s in zip(truth, said, strict=True))
            assert result[b, c].item() == pytest.approx(1 - 2 * above / below, abs=1e-12)


def test_equals_monais_over_finding_and_rest():
    # MONAI's wants one-hot channels; it gives a label without cells the weight of the other one.
    here, mask = random_case()
    pairs = torch.stack([1 - mask, mask], dim=2).flatten(0, 1)
    said = torch.stack([torch.sigmoid(-here), torch.sigmoid(here)], dim=2).flatten(0, 1)
    other = GeneralizedDiceLoss(reduction="none", smooth_nr=0.0, smooth_dr=0.0)(said, pairs)
    torch.testing.assert_close(generalised_dice(here, mask).flatten(), other.flatten())


def test_a_perfect_map_costs_nothing_and_an_inverted_one_all():
    _, mask = random_case()
    perfect = 200 * (2 * mask - 1)
    assert generalised_dice(perfect, mask).abs().max() < 1e-12
    torch.testing.assert_close(generalised_dice(-perfect, mask), torch.ones(3, 4, dtype=torch.float64))


def test_finding_and_rest_may_swap():
    here, mask = random_case()
    torch.testing.assert_close(generalised_dice(here, mask), generalised_dice(-here, 1 - mask))


def test_gradient_is_exact():
    here, mask = random_case()
    assert torch.autograd.gradcheck(lambda values: generalised_dice(values, mask), here.requires_grad_())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [-6e4, -100.0, 0.0, 100.0, 6e4])
@pytest.mark.parametrize("share", [0.0, 1e-6, 1.0], ids=["empty", "a speck", "full"])
def test_saturated_logits_and_specks_stay_finite(kind, value, share):
    here = torch.full((1, 1, 8, 8), value, dtype=kind, requires_grad=True)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4, 0] = share
    result = generalised_dice(here, mask)
    result.sum().backward()
    assert result.dtype == torch.float32
    assert bool(result.isfinite().all())
    assert bool(here.grad.isfinite().all())
