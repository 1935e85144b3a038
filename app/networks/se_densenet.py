"""DenseNet with squeeze-and-excitation blocks and a sub-network of two convolutions that makes the map."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction
from app.networks.heads import he_initialise, start_level
from app.networks.pooling import AveragePooling


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means of all channels (Hu et al. 2018, equations 2 to 4).

    Args:
        channels: Of input and output.
        reduction: Factor by which the bottleneck is narrower.

    Example:
        >>> SqueezeExcitation(channels=32)(torch.rand(2, 32, 4, 4)).shape
        torch.Size([2, 32, 4, 4])
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(1, channels // reduction), kernel_size=1)
        self.excite = nn.Conv2d(max(1, channels // reduction), channels, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        weight = functional.relu(self.squeeze(features.mean(dim=(2, 3), keepdim=True)))
        return features * torch.sigmoid(self.excite(weight))


class DenseLayer(nn.Module):
    """Bottleneck layer of a dense block (Huang et al. 2017): its output is appended to its input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, channels + growth, h, w)."""
        hidden = self.conv1(functional.relu(self.norm1(features)))
        return torch.cat([features, self.conv2(functional.relu(self.norm2(hidden)))], dim=1)


class Transition(nn.Module):
    """Halve the channels and the resolution between two dense blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, kernel_size=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, channels // 2, h / 2, w / 2)."""
        return functional.avg_pool2d(self.conv(functional.relu(self.norm(features))), kernel_size=2, stride=2)


class DenseFeatures(nn.Sequential):
    """A DenseNet without its head, with squeeze-and-excitation after each dense block.

    With four blocks its features have 1/32 of the resolution, with three 1/16. Modules and parameters have
    torchvision's names, so its published weights load by name.

    Args:
        blocks: Number of layers in each dense block; (6, 12, 24, 16) is DenseNet-121.
        growth: Channels that each layer adds.
        stem: Channels of the first convolution.
    """

    def __init__(self, blocks: tuple[int, ...], growth: int, stem: int) -> None:
        layers: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(1, stem, kernel_size=7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(stem),
            "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        }
        channels = stem
        for number, depth in enumerate(blocks, start=1):
            block = nn.Sequential()
            for layer in range(1, depth + 1):
                block.add_module(f"denselayer{layer}", DenseLayer(channels, growth))
                channels += growth
            layers[f"denseblock{number}"] = block
            layers[f"excitation{number}"] = SqueezeExcitation(channels)
            if number < len(blocks):
                layers[f"transition{number}"] = Transition(channels)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        layers["relu5"] = nn.ReLU(inplace=True)
        super().__init__(OrderedDict(layers))
        self.channels = channels


class SEDenseNet(nn.Module):
    """DenseNet with squeeze-and-excitation for image- and pixel-level labels.

    Source: Kim et al. 2023, "Better performance of deep learning pulmonary nodule detection ...", methods section.
    Network 1 (image level) is ``upsample=1`` with average pooling, network 2 (pixel level) ``upsample=2`` with maximum
    pooling. The paper does not say where the squeeze-and-excitation blocks are, nor how the sub-network is built: here
    one block follows each dense block, and the sub-network is a 3x3 convolution to a quarter of the channels, batch
    normalisation, ReLU, and a 1x1 convolution to the findings.

    Args:
        findings: Number of findings C.
        blocks: Layers of each dense block; the default is DenseNet-121.
        growth: Channels that each layer adds.
        stem: Channels of the first convolution.
        upsample: Factor by which the features are enlarged (bilinearly) before the sub-network.
        pooling: From the (B, C, h, w) map to the (B, C) score; average pooling by default.

    Example:
        >>> network = SEDenseNet(findings=2, blocks=(1, 1), growth=4, stem=8, upsample=2)
        >>> prediction = network(torch.rand(1, 1, 64, 64))
        >>> prediction.score.shape, prediction.map.shape
        (torch.Size([1, 2]), torch.Size([1, 2, 16, 16]))
    """

    def __init__(
        self,
        findings: int = 1,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        stem: int = 64,
        upsample: int = 1,
        pooling: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if findings < 1 or upsample < 1 or not blocks or min(blocks) < 1:
            raise ValueError(f"findings ({findings}), upsample ({upsample}) and blocks ({blocks}) must be at least 1")
        self.features = DenseFeatures(tuple(blocks), growth, stem)
        self.upsample = upsample
        channels = self.features.channels
        last = nn.Conv2d(max(1, channels // 4), findings, kernel_size=1)
        self.subnetwork = nn.Sequential(
            nn.Conv2d(channels, max(1, channels // 4), kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(max(1, channels // 4)),
            nn.ReLU(inplace=True),
            last,
        )
        self.pooling = AveragePooling() if pooling is None else pooling
        self.apply(he_initialise)
        start_level(last)

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image.

        Args:
            image: (B, 1, H, W), 0 to 1; H and W at least 32.

        Returns:
            score (B, C) and map (B, C, h, w), logits; h = upsample x H / 32 with four blocks, rounded down at each
            halving, and twice that with three.
        """
        features = self.features(image)
        if self.upsample > 1:
            features = functional.interpolate(
                features, scale_factor=float(self.upsample), mode="bilinear", align_corners=False
            )
        logits = self.subnetwork(features)
        return Prediction(score=self.pooling(logits), map=logits)
