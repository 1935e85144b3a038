"""Anti-aliased downsampling: its filters, and what it is for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from app.networks.antialias import BlurDownsample, BlurredConv2d, binomial_filter


@pytest.mark.parametrize(
    ("size", "row"), [(1, [1]), (2, [1, 1]), (3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])], ids=lambda value: str(value)
)
def test_filters_are_rows_of_pascals_triangle(size, row):
    expected = torch.outer(torch.tensor(row), torch.tensor(row)) / sum(row) ** 2
    torch.testing.assert_close(binomial_filter(size), expected)


def test_blur_by_hand():
    # A row 0 4 8 4: reflected at the start, [4, 0, 4] -> (4 + 0 + 4) / 4 = 2; around the 8, (4 + 16 + 4) / 4 = 6.
    features = torch.tensor([0.0, 4.0, 8.0, 4.0]).expand(1, 1, 4, 4)
    assert BlurDownsample(1)(features)[0, 0, 0].tolist() == [2, 6]


def test_a_constant_stays():
    assert torch.equal(BlurDownsample(3, 5)(torch.ones(2, 3, 8, 9)), torch.ones(2, 3, 4, 5))


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize("blur", [1, 3, 5])
def test_a_blurred_convolution_is_convolution_then_blur(side, blur):
    # Oracle: torch's convolution without stride, then the blur; equal wherever no border is near.
    torch.manual_seed(0)
    layer = BlurredConv2d(2, 3, kernel_size=7, blur=blur)
    features = torch.randn(1, 2, side, side)
    slow = BlurDownsample(3, blur)(functional.conv2d(features, layer.weight, padding=3))
    fast = layer(features)
    assert fast.shape == slow.shape
    torch.testing.assert_close(fast[..., 3:-3, 3:-3], slow[..., 3:-3, 3:-3], atol=1e-5, rtol=1e-5)


def test_without_blur_it_is_a_strided_convolution():
    torch.manual_seed(0)
    layer, plain = BlurredConv2d(2, 3, 3, blur=1), nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    features = torch.randn(1, 2, 9, 8)
    torch.testing.assert_close(layer(features), plain(features))


@pytest.mark.parametrize("size", [0, -1])
def test_refuses_a_filter_of_nothing(size):
    with pytest.raises(ValueError, match="at least 1"):
        binomial_filter(size)


def test_refuses_a_filter_that_would_shift_the_features():
    with pytest.raises(ValueError, match="must be odd, so that features do not shift, not 4"):
        BlurDownsample(3, 4)
