"""Pre-activation ResNet without its head, with or without anti-aliasing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from app.networks.antialias import BlurDownsample, BlurredConv2d

EXPANSION = 4
"""Ratio of a block's output channels to those of its 3x3 convolution."""


class PreactivationBottleneck(nn.Module):
    """Three times normalise, activate, convolve, plus a shortcut (He et al. 2016, "Identity mappings ...").

    If the block halves the resolution, the 3x3 convolution has the stride, and the shortcut is a 1x1 convolution of the
    activated input. With a blur, the 3x3 convolution has no stride; its activated output is blurred and halved, and so
    is the input of the shortcut's 1x1 convolution, which commutes with the blur.

    Args:
        inputs: Channels of the input.
        width: Channels of the 3x3 convolution; the output has four times as many.
        halves: Whether it halves the resolution.
        blur: Size of the binomial filter; 1 for none.
    """

    def __init__(self, inputs: int, width: int, halves: bool, blur: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        has_blur = halves and blur > 1
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        stride = 2 if halves and not has_blur else 1
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.blur = BlurDownsample(width, blur) if has_blur else nn.Identity()
        self.conv3 = nn.Conv2d(width, outputs, kernel_size=1, bias=False)
        self.changes_shape = halves or inputs != outputs
        self.downsample = _Shortcut(inputs, outputs, halves, blur) if self.changes_shape else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, 4 width, h, w), or half of h and w, rounded up."""
        active = functional.relu(self.norm1(features))
        shortcut = self.downsample(active) if self.changes_shape else features
        hidden = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        hidden = self.conv3(self.blur(functional.relu(self.norm3(hidden))))
        return hidden + shortcut


class _Shortcut(nn.Module):
    """Halving, if any, followed by a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, halves: bool, blur: int) -> None:
        super().__init__()
        has_blur = halves and blur > 1
        self.blur = BlurDownsample(inputs, blur) if has_blur else nn.Identity()
        stride = 2 if halves and not has_blur else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        convolved: Tensor = self.conv(self.blur(features))
        return convolved


class PreactivationResNet(nn.Module):
    """Features of a pre-activation ResNet; (3, 4, 6, 3) and width 64 is ResNet-50.

    Source: He et al. 2016; Rozenberg et al. 2020, section 3.3, for the blur before every downsampling, which are the
    stem, the maximum pooling, and the first block of each stage except the first. Modules have the names of timm's
    ``resnetv2_50``, so its published weights load by name.

    Args:
        layers: Blocks of each stage. The stem divides the resolution by 4; each stage except the first halves it.
        width: Channels of the stem; stage s has ``4 width 2^s``.
        blur: Size of the binomial filter before each downsampling; 1 for none.

    Example:
        >>> import torch
        >>> network = PreactivationResNet(layers=(1, 1), width=8)
        >>> network(torch.rand(1, 1, 64, 64)).shape, network.channels
        (torch.Size([1, 64, 8, 8]), 64)
    """

    def __init__(self, layers: Sequence[int] = (3, 4, 6, 3), width: int = 64, blur: int = 3) -> None:
        super().__init__()
        if not layers or min(layers) < 1 or width < 1:
            raise ValueError(f"layers ({list(layers)}) and width ({width}) must be at least 1")
        self.stem = nn.Sequential(OrderedDict(conv=BlurredConv2d(1, width, kernel_size=7, blur=blur)))
        self.pool: nn.Module = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        if blur > 1:
            self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), BlurDownsample(width, blur))
        self.stages = nn.Sequential()
        channels = width
        for number, depth in enumerate(layers):
            blocks = nn.Sequential()
            for block in range(depth):
                halves = number > 0 and block == 0
                blocks.append(PreactivationBottleneck(channels, width * 2**number, halves, blur))
                channels = EXPANSION * width * 2**number
            self.stages.append(nn.Sequential(OrderedDict(blocks=blocks)))
        self.norm = nn.BatchNorm2d(channels)
        self.channels = channels

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) to activated (B, channels, h, w); h is H / 4, halved by each further stage and rounded up."""
        features = self.stages(self.pool(self.stem(image)))
        return functional.relu(self.norm(features))
