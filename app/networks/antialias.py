"""Anti-aliased downsampling: a low-pass filter before every step that drops pixels.

Source: Zhang, "Making convolutional networks shift-invariant again", 2019, sections 3.2 and 3.3. A strided layer is
replaced by the layer without stride, followed by a strided blur with a binomial filter: [1, 1], [1, 2, 1], ...
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def binomial_filter(size: int) -> Tensor:
    """Outer product of a row of Pascal's triangle with itself, (size, size), with sum 1.

    Raises:
        ValueError: The size is below 1.

    Example:
        >>> binomial_filter(3) * 16
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    if size < 1:
        raise ValueError(f"the size of a filter must be at least 1, not {size}")
    row = torch.ones(1, dtype=torch.float64)
    for _ in range(size - 1):
        row = functional.pad(row, (1, 0)) + functional.pad(row, (0, 1))
    square = torch.outer(row, row)
    return (square / square.sum()).float()


class BlurDownsample(nn.Module):
    """Blur the features and keep every second pixel.

    Args:
        channels: Of input and output.
        size: Of the binomial filter, odd: 3 is [1, 2, 1]; 1 drops pixels without filtering.

    Example:
        >>> BlurDownsample(channels=2)(torch.ones(1, 2, 5, 5)).shape
        torch.Size([1, 2, 3, 3])
    """

    kernel: Tensor

    def __init__(self, channels: int, size: int = 3) -> None:
        super().__init__()
        _require_odd(size)
        self.channels = channels
        self.padding = size // 2
        # It follows from the size, so it is not saved in checkpoints.
        self.register_buffer("kernel", binomial_filter(size).expand(channels, 1, size, size).clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, channels, ceil(h / 2), ceil(w / 2)); borders are reflected."""
        if self.padding > 0:
            features = functional.pad(features, [self.padding] * 4, mode="reflect")
        return functional.conv2d(features, self.kernel.to(features.dtype), stride=2, groups=self.channels)


class BlurredConv2d(nn.Conv2d):
    """A convolution with stride 2 whose output is blurred before pixels are dropped.

    Convolution and blur are linear with nothing between them, so a single convolution with stride 2 and blurred filters
    does both with a quarter of the arithmetic. Zero padding surrounds both, so only the outermost pixels differ from
    doing one after the other. Weights have the names and shapes of the plain convolution.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel_size: Odd.
        blur: Size of the binomial filter, odd; 1 is a plain convolution with stride 2.

    Example:
        >>> BlurredConv2d(1, 4, kernel_size=3)(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 4, 4, 4])
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
        raise ValueError(f"the size of a blur must be odd, so that features do not shift, not {size}")
