"""Mean field over patches: against a loop over windows, by hand, and what must not change."""

import math

import pytest
import torch
from torch import Tensor

from app.networks import mean_field as module
from app.networks.mean_field import gaussian_kernel, mean_field, tiles


def by_loop(unary: Tensor, features: Tensor, compatibility: Tensor, steps: int) -> Tensor:
    """The formula, patch by patch and neighbour by neighbour of its window."""
    batch, findings, rows, columns = unary.shape
    tall, wide = compatibility.shape[2] // 2, compatibility.shape[3] // 2
    here = unary
    for _ in range(steps):
        z, found = torch.sigmoid(here), []
        for y in range(rows):
            for x in range(columns):
                message = torch.zeros(batch, findings, dtype=unary.dtype)
                for dy in range(-tall, tall + 1):
                    for dx in range(-wide, wide + 1):
                        ly, lx = y + dy, x + dx
                        if (dy or dx) and 0 <= ly < rows and 0 <= lx < columns:
                            apart = (features[:, :, y, x] - features[:, :, ly, lx]).square().sum(dim=1)
                            near = torch.exp(-apart / 2)[:, None] * z[:, :, ly, lx]
                            message = message + near @ compatibility[:, :, tall + dy, wide + dx].T
                found.append(message)
        here = unary + torch.stack(found, dim=2).view_as(unary)
    return here


def inputs(kind: torch.dtype, batch: int = 2, grid: tuple[int, int] = (4, 5), window: tuple[int, int] = (3, 5)):
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(batch, 3, *grid, dtype=torch.float64, generator=generator)
    features = torch.randn(batch, 4, *grid, dtype=torch.float64, generator=generator)
    compatibility = 0.2 * torch.randn(3, 3, *window, dtype=torch.float64, generator=generator)
    return [each.to(kind).requires_grad_() for each in (unary, features, compatibility)]


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=str)
@pytest.mark.parametrize("width", [1, 4, 64], ids=lambda width: f"tiles of {width}")
def test_equals_the_loop_over_windows(kind, tolerance, width, monkeypatch):
    monkeypatch.setattr(module, "CPU_TILE", width)
    unary, features, compatibility = inputs(kind)
    result = mean_field(unary, gaussian_kernel(features), compatibility, 3)
    expected = by_loop(unary, features, compatibility, 3)
    torch.testing.assert_close(result, expected, atol=tolerance, rtol=tolerance)
    weight = torch.randn(result.shape, dtype=kind, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad((result * weight).sum(), (unary, features, compatibility))
    others = torch.autograd.grad((expected * weight).sum(), (unary, features, compatibility))
    for gradient, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(gradient, other, atol=1e-4 if kind == torch.float32 else 1e-10, rtol=1e-4)


def test_equals_the_loop_at_the_papers_size():
    # 20 x 20 patches and a window of 19 x 19, first step; here window by window, as the loop above takes a minute.
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(2, 3, 20, 20, generator=generator)
    features = 0.5 * torch.randn(2, 4, 20, 20, generator=generator)
    compatibility = 0.05 * torch.randn(3, 3, 19, 19, generator=generator)
    z = torch.nn.functional.pad(torch.sigmoid(unary), (9, 9, 9, 9))
    near = torch.nn.functional.pad(features, (9, 9, 9, 9))
    expected = torch.empty_like(unary)
    for y in range(20):
        for x in range(20):
            apart = (near[:, :, y : y + 19, x : x + 19] - features[:, :, y, x, None, None]).square().sum(dim=1)
            kernel = torch.exp(-apart / 2)
            kernel[:, 9, 9] = 0
            window = kernel[:, None] * z[:, :, y : y + 19, x : x + 19]
            expected[:, :, y, x] = unary[:, :, y, x] + torch.einsum("bcij,kcij->bk", window, compatibility)
    result = mean_field(unary, gaussian_kernel(features), compatibility, 1)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_gradient_is_exact():
    unary, features, compatibility = inputs(torch.float64, batch=1, grid=(2, 3), window=(3, 3))
    assert torch.autograd.gradcheck(
        lambda u, f, w: mean_field(u, gaussian_kernel(f), w, 2), (unary, features, compatibility)
    )


def test_by_hand():
    # Two patches side by side, one finding, alike features (G = 1), u = 0, the right one's word counts 2 for the left
    # one and nothing the other way: after a step the left is at 2 sigmoid(0) = 1, the right at 0.
    compatibility = torch.zeros(1, 1, 3, 3)
    compatibility[0, 0, 1, 2] = 2
    compatibility[0, 0, 1, 1] = 9  # the patch itself, which is left out
    result = mean_field(torch.zeros(1, 1, 1, 2), torch.ones(1, 2, 2), compatibility, 1)
    assert result.flatten().tolist() == [1, 0]


def test_kernel_by_hand():
    # Features (0, 0) and (1, 2): squared distance 5.
    kernel = gaussian_kernel(torch.tensor([[[[0.0, 1.0]], [[0.0, 2.0]]]]))
    expected = [1, math.exp(-2.5), math.exp(-2.5), 1]
    assert kernel.flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_without_compatibility_or_steps_the_unaries_stay():
    unary, features, compatibility = inputs(torch.float32)
    assert torch.equal(mean_field(unary, gaussian_kernel(features), 0 * compatibility, 5), unary)
    assert torch.equal(mean_field(unary, gaussian_kernel(features), compatibility, 0), unary)


def test_images_of_a_batch_do_not_meet():
    unary, features, compatibility = (each.detach() for each in inputs(torch.float64))
    both = mean_field(unary, gaussian_kernel(features), compatibility, 3)
    torch.testing.assert_close(both[1:], mean_field(unary[1:], gaussian_kernel(features[1:]), compatibility, 3))


def test_a_turned_grid_gives_the_turned_result():
    unary, features, compatibility = (each.detach() for each in inputs(torch.float64))
    result = mean_field(unary, gaussian_kernel(features), compatibility, 2)
    turned = [each.transpose(2, 3) for each in (unary, features, compatibility)]
    other = mean_field(turned[0].contiguous(), gaussian_kernel(turned[1]), turned[2].contiguous(), 2)
    torch.testing.assert_close(other, result.transpose(2, 3))


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_tiles_cover_each_patch_once(width):
    covered = [(tile.row, x) for tile in tiles((4, 5), (3, 3), width) for x in range(*tile.columns)]
    assert sorted(covered) == [(y, x) for y in range(4) for x in range(5)]
