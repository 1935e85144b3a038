"""ResNet with a map for each finding, made from its last features, and a score made from each map."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction
from app.networks.heads import start_level
from app.networks.pooling import LogSumExpPooling

BLOCKS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Residual blocks of each stage, by depth (He et al. 2016, table 1)."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left), with torchvision's names.

    Args:
        channels: Of the input.
        width: Of the convolutions.
        stride: Of the first convolution and the shortcut.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, width, h / stride, w / stride)."""
        hidden = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        return functional.relu(self.bn2(self.conv2(hidden)) + self.downsample(features), inplace=True)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, and a shortcut (figure 5 right), with torchvision's names.

    The 3x3 convolution has the stride, as in torchvision; in the paper it is the first 1x1 convolution.

    Args:
        channels: Of the input.
        width: Of the narrow middle; the output has four times as many channels.
        stride: Of the 3x3 convolution and the shortcut.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(channels, 4 * width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, 4 width, h / stride, w / stride)."""
        hidden = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        hidden = functional.relu(self.bn2(self.conv2(hidden)), inplace=True)
        return functional.relu(self.bn3(self.conv3(hidden)) + self.downsample(features), inplace=True)


class ScoreHead(nn.Module):
    """The score of each finding: its map, pooled, scaled and shifted.

    The scale and the shift are needed because most cells of a map are empty: the pooled value of a map that was trained
    with outlines is far below zero even if the finding is present.

    Args:
        findings: Number of findings C.
        pooling: From (B, C, h, w) logits to (B, C).
    """

    def __init__(self, findings: int, pooling: nn.Module) -> None:
        super().__init__()
        self.pooling = pooling
        self.weight = nn.Parameter(torch.ones(findings))
        self.bias = nn.Parameter(torch.zeros(findings))

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        pooled: Tensor = self.pooling(logits)
        return pooled * self.weight + self.bias


class ResNet(nn.Module):
    """Features f of a residual network, a map g(f(X)) and a score z(g(f(X))) for each finding.

    Source: Kim et al., "Did You Get What You Paid For?", section 2.1 and figure 1. Modules have torchvision's names, so
    its published weights load by name. The paper gives neither g nor z nor the size of its images: here g is one 1x1
    convolution, a filter for each finding, and z a `ScoreHead`. "A smaller spatial resolution" than that of a fully
    convolutional network is taken as that of the features, 1/32 of the image, without upsampling.

    Args:
        findings: Number of findings C.
        depth: 18, 34 or 101.
        width: Channels of the first convolution; 64 in the published networks.
        strides: Of the four stages, 1 or 2 each; together with the stem's 4 they set the resolution of the map. The
            published (1, 2, 2, 2) gives 1/32 of the image; small images need less.
        pooling: From the (B, C, h, w) map to (B, C), within z; log-sum-exp by default.

    Example:
        >>> prediction = ResNet(findings=3, depth=18, width=16, strides=(1, 2, 1, 1))(torch.rand(2, 1, 64, 64))
        >>> prediction.score.shape, prediction.map.shape
        (torch.Size([2, 3]), torch.Size([2, 3, 8, 8]))
    """

    def __init__(
        self,
        findings: int = 1,
        depth: int = 34,
        width: int = 64,
        strides: Sequence[int] = (1, 2, 2, 2),
        pooling: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth is one of {', '.join(map(str, BLOCKS))}, not {depth}")
        if findings < 1 or width < 1 or len(strides) != 4 or not set(strides) <= {1, 2}:
            raise ValueError(
                f"findings ({findings}) and width ({width}) must be at least 1, and strides ({list(strides)}) four "
                "numbers, each 1 or 2"
            )
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        kind = BasicBlock if depth < 50 else Bottleneck
        channels = [width, *(width * 2**stage * kind.expansion for stage in range(4))]
        widths = [width * 2**stage for stage in range(4)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(kind, *sizes) for sizes in zip(channels[:4], widths, BLOCKS[depth], strides, strict=True)
        )
        self.segmentation = nn.Conv2d(channels[4], findings, kernel_size=1)
        self.classification = ScoreHead(findings, LogSumExpPooling() if pooling is None else pooling)
        self.apply(_initialise)
        start_level(self.segmentation)

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image.

        Args:
            image: (B, 1, H, W), 0 to 1; any size.

        Returns:
            score (B, C) and map (B, C, h, w), logits; h = H / 32 with the published strides, rounded up at each
            halving.
        """
        features = self.maxpool(functional.relu(self.bn1(self.conv1(image)), inplace=True))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits = self.segmentation(features)
        return Prediction(score=self.classification(logits), map=logits)


def _shortcut(channels: int, outputs: int, stride: int) -> nn.Module:
    """The identity, or a 1x1 convolution if shapes differ (option B of He et al. 2016)."""
    if stride == 1 and channels == outputs:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(channels, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )


def _stage(
    kind: type[BasicBlock] | type[Bottleneck], channels: int, width: int, blocks: int, stride: int
) -> nn.Sequential:
    rest = (kind(width * kind.expansion, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(kind(channels, width, stride), *rest)


def _initialise(module: nn.Module) -> None:
    """He initialisation of the convolutions by fan-out, as in torchvision's ResNet."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
