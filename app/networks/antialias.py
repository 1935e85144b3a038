"""Downsampling that obeys the sampling theorem: a low-pass before every step that leaves pixels out.

Source: Zhang, "Making convolutional networks shift-invariant again", 2019, sections 3.2 and 3.3. A strided layer
becomes the layer without stride and then a blur with stride; the blur is a binomial filter: [1, 1], [1, 2, 1], ...
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def binomial_filter(size: int) -> Tensor:
    """(size, size) outer product of a row of Pascal's triangle with itself, with sum 1.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"size of a filter is {size}, but must be at least 1")
    row = torch.ones(1, dtype=torch.float64)
    for _ in range(size - 1):
        row = functional.pad(row, (1, 0)) + functional.pad(row, (0, 1))
    square = torch.outer(row, row)
    return (square / square.sum()).float()


class BlurDownsample(nn.Module):
    """Halve the resolution: every second pixel of the blurred features.

    Args:
        channels: of the input, and of the output.
        size: of the binomial filter, odd: 3 is [1, 2, 1], 1 leaves pixels out unfiltered.
    """

    kernel: Tensor

    def __init__(self, channels: int, size: int = 3) -> None:
        super().__init__()
        _require_odd(size)
        self.channels = channels
        self.padding = size // 2
        # Made from the size alone: no weight, so no part of a checkpoint.
        self.register_buffer("kernel", binomial_filter(size).expand(channels, 1, size, size).clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, channels, ceil(h / 2), ceil(w / 2)); borders are reflected."""
        if self.padding > 0:
            features = functional.pad(features, [self.padding] * 4, mode="reflect")
        return functional.conv2d(features, self.kernel.to(features.dtype), stride=2, groups=self.channels)


class BlurredConv2d(nn.Conv2d):
    """A convolution with stride 2, blurred before it leaves pixels out.

    Convolution and blur are both linear with nothing between them, so one convolution with stride 2 and the filters
    blurred does both: a quarter of the arithmetic. Zero padding is outside of both, so only the outermost pixels differ
    from doing one after the other. Weights are named and shaped as those of the plain convolution.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel_size: odd.
        blur: size of the binomial filter, odd; 1 for a plain convolution with stride 2.
    """

    filter: Tensor

    def __init__(self, inputs: int, outputs: int, kernel_size: int, blur: int = 3) -> None:
        super().__init__(inputs, outputs, kernel_size, stride=2, padding=kernel_size // 2, bias=False)
        _require_odd(blur)
        self.reach = blur // 2
        self.register_buffer("filter", binomial_filter(blur)[None, None], persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, ceil(h / 2), ceil(w / 2))."""
        side, reach = self.kernel_size[0], self.reach
        weight = self.weight.reshape(-1, 1, side, side)
        weight = functional.conv2d(weight, self.filter.to(weight.dtype), padding=2 * reach)
        weight = weight.reshape(self.out_channels, self.in_channels, side + 2 * reach, side + 2 * reach)
        return functional.conv2d(input, weight, stride=2, padding=side // 2 + reach)


def _require_odd(size: int) -> None:
    if size % 2 == 0:
        raise ValueError(f"size of a blur is {size}, but must be odd, to leave features where they are")
