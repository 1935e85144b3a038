"""Published image classifiers as feature extractors over one grey channel, frozen or fine-tuned, with a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.inception_v3 import InceptionV3
from timm.models.mobilenetv3 import MobileNetV3
from timm.models.vgg import VGG
from torch import Tensor, nn

from app.contract import Prediction
from app.nearest import did_you_mean
from app.networks.checkpoints import read_weights
from app.networks.fitting import fit

ARCHITECTURES = {
    "densenet121": "densenet121",
    "inception_v3": "inception_v3",
    "mobilenet": "mobilenetv1_100",
    "resnet50": "resnet50",
    "vgg19": "vgg19",
    "xception": "legacy_xception",
}
"""The papers' names of networks, and timm's; any other name is one of timm's."""

_PROBE = 96
"""Side of the image that tells how many channels come out; every architecture of the papers takes it."""
# What these classes keep for their own classifiers, behind the features: up to 120 million numbers that nobody uses.
_HEADS = {VGG: ("pre_logits", "head"), MobileNetV3: ("conv_head", "norm_head", "act2")}
# Convolutions without padding leave nothing of an image with smaller sides; the others of the papers take any.
_SMALLEST = {InceptionV3: 75}


class Backbone(nn.Module):
    """Everything of a published classifier before its pooling and its head.

    A grey image in [0, 1] is standardised by the mean and deviation (over the colours) that the architecture's
    published weights expect, which is close to what those saw of a grey picture in three equal colours.

    Args:
        architecture: a name of `ARCHITECTURES` or of timm's convolutional networks.
        weights: a local file of weights for all of it: timm's or torchvision's names (``.safetensors`` or what
            ``torch.save`` writes), or a checkpoint of a network with this backbone; None for a random start. Nothing
            is ever downloaded.

    Raises:
        FileNotFoundError: there is no such file of weights.
        ValueError: an unknown architecture, one whose features are no maps, or weights that do not fit all of it.
    """

    def __init__(self, architecture: str, weights: str | Path | None = None) -> None:
        super().__init__()
        self.layers = _made(architecture)
        if weights is not None:
            _load(self.layers, Path(weights), architecture)
        published: Any = self.layers.default_cfg
        self.mean = sum(published["mean"]) / len(published["mean"])
        self.deviation = sum(published["std"]) / len(published["std"])
        self.smallest = next((side for kind, side in _SMALLEST.items() if isinstance(self.layers, kind)), 1)
        self.channels = _channels(self, architecture)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] to features (B, F, h, w).

        Raises:
            ValueError: an image is smaller than the architecture takes.
        """
        if min(image.shape[2], image.shape[3]) < self.smallest:
            raise ValueError(
                f"images of {image.shape[2]} x {image.shape[3]} pixels: this architecture takes sides of "
                f"{self.smallest} and more; set image_size to that or more"
            )
        standardised = (image - self.mean) / self.deviation
        # A method of timm's classes; TorchScript allows nothing behind the remark on types.
        features: Tensor = self.layers.forward_features(standardised)  # type: ignore[operator]
        return features


class BackboneClassifier(nn.Module):
    """A backbone, average pooling and a classifier of one layer or more.

    Source: Haghpanah, "Automatic Labeling of Chest Radiography Images", section IV: a one-layer classifier, a
    three-layer one, and one with dropout 0.5, on frozen or fine-tuned features. The paper does not give the widths, and
    takes its features as they are; we pool them by their average. The map is made by applying the classifier at each
    place: with one layer the mean of the map is the score, so it is a class activation map (Zhou et al. 2016); with
    more layers it is a generalisation of one whose mean is not the score.

    Args:
        findings: how many findings C.
        architecture: see `Backbone`.
        weights: see `Backbone`.
        frozen: keep the backbone as it is, its batch statistics among it; the classifier alone learns.
        hidden: widths of the layers between features and findings: () is a one-layer classifier, (512, 256) one of
            three.
        dropout: probability that a value is dropped before each layer after the first; before the only one of one.

    Raises:
        FileNotFoundError: there is no such file of weights.
        ValueError: see `Backbone`; or a count, width or probability that is none.
    """

    def __init__(
        self,
        findings: int = 1,
        architecture: str = "densenet121",
        weights: str | Path | None = None,
        frozen: bool = False,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(findings, *hidden, 1) < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"findings ({findings}) and widths ({list(hidden)}) must be at least 1, dropout ({dropout}) in [0, 1)"
            )
        self.backbone = Backbone(architecture, weights)
        self.channels = self.backbone.channels
        self.frozen = frozen
        self.backbone.requires_grad_(not frozen)
        self.classifier = classifier(self.channels, hidden, findings, dropout)

    def train(self, mode: bool = True) -> BackboneClassifier:
        """As for any module, but a frozen backbone never leaves evaluation: its batch statistics stay, too."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image, or of its features.

        Args:
            image: (B, 1, H, W) in [0, 1]; or features that `app.engines.frozen_features` kept of it, (B, F, h, w),
                which the number of channels tells apart.

        Returns:
            score (B, C) and map (B, C, h, w), logits.
        """
        features = image if image.shape[1] == self.channels else self.backbone(image)
        score = self.classifier(features.mean(dim=(2, 3)))
        here = self.classifier(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return Prediction(score=score, map=here)


def classifier(channels: int, hidden: Sequence[int], findings: int, dropout: float) -> nn.Sequential:
    """Linear layers over the last axis with ReLU between them, and dropout before each but the first of several."""
    layers: list[nn.Module] = [nn.Dropout(dropout)] if dropout and not hidden else []
    for width in hidden:
        layers += [nn.Linear(channels, width), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, findings))


def _made(architecture: str) -> nn.Module:
    name = ARCHITECTURES.get(architecture, architecture)
    # Names with a colon are addresses, which timm would ask the network for.
    if ":" in name or not timm.is_model(name):
        known = [*ARCHITECTURES, *timm.list_models()]
        allowed = f"must be one of {', '.join(ARCHITECTURES)}, or a network of timm"
        raise ValueError(f"architecture {architecture!r}: {allowed}.{did_you_mean(architecture, known)}")
    layers: nn.Module = timm.create_model(name, pretrained=False, in_chans=1, num_classes=0, global_pool="")
    for kind, heads in _HEADS.items():
        if isinstance(layers, kind):
            for head in heads:
                setattr(layers, head, nn.Identity())
    return layers


def _channels(backbone: Backbone, architecture: str) -> int:
    """How many channels the features have, seen on an empty image."""
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, 1, _PROBE, _PROBE))
    backbone.train()
    if features.dim() != 4:
        raise ValueError(
            f"architecture {architecture!r}: its features have shape {tuple(features.shape)}; wanted is a "
            "convolutional network, whose features are maps (B, F, h, w)"
        )
    return int(features.shape[1])


def _load(layers: nn.Module, path: Path, architecture: str) -> None:
    """Load weights that must cover all of the backbone."""
    own = layers.state_dict()
    weights = fit(own, read_weights(path)).weights
    # Old files do not count batches.
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    other = [name for name, value in weights.items() if value.shape != own[name].shape]
    if missing or other:
        raise ValueError(
            f"{path} does not fit the backbone {architecture!r}: {len(missing)} of {len(own)} names missing "
            f"{missing[:2]}, {len(other)} of another shape {other[:2]}. Weights of all of it are wanted, or none."
        )
    layers.load_state_dict(own | weights)
