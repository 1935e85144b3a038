"""Published image classifiers as feature extractors for one grey channel, frozen or fine-tuned, with a classifier."""

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
from app.installed import find_file
from app.nearest import did_you_mean
from app.networks.checkpoints import read_weights
from app.networks.fitting import fit
from app.networks.heads import start_level
from app.networks.stage_statistics import Standardise, stage_statistics

ARCHITECTURES = {
    "densenet121": "densenet121",
    "inception_v3": "inception_v3",
    "mobilenet": "mobilenetv1_100",
    "resnet50": "resnet50",
    "vgg19": "vgg19",
    "xception": "legacy_xception",
}
"""Names of networks in the papers and in timm; any other name is one of timm's."""

_PROBE = 96
"""Side of the image used to count output channels; every architecture of the papers accepts it."""
# Layers of the classes' own classifiers, after the features: up to 120 million parameters that nobody uses.
_HEADS = {VGG: ("pre_logits", "head"), MobileNetV3: ("conv_head", "norm_head", "act2")}
# Convolutions without padding leave nothing of smaller images; the papers' other architectures accept any size.
_SMALLEST = {InceptionV3: 75}


class Backbone(nn.Module):
    """A published classifier without its pooling and head.

    A grey image in [0, 1] is standardised by the mean and deviation, averaged over colours, that the architecture's
    published weights expect, which is close to what these saw of a grey picture in three equal colours.

    Args:
        architecture: A name of `ARCHITECTURES` or of timm's convolutional networks.
        weights: A local file with weights for the whole backbone, by the names of timm or torchvision
            (``.safetensors``, or written by ``torch.save``), or a checkpoint of a network with this backbone; None for
            a random start. Nothing is ever downloaded.
        stages: Features are means and deviations of all stages (`app.networks.stage_statistics`) instead of the last
            layer's, so that a classifier also sees what early layers see: edges and textures.

    Raises:
        FileNotFoundError: There is no such file of weights.
        ValueError: The architecture is unknown, its features are not maps, or the weights do not cover all of it.

    Example:
        >>> Backbone("test_resnet")(torch.rand(1, 1, 64, 64)).shape
        torch.Size([1, 96, 2, 2])
    """

    __constants__ = ("stages",)  # so that TorchScript compiles one branch of forward alone

    def __init__(self, architecture: str, weights: str | Path | None = None, stages: bool = False) -> None:
        super().__init__()
        self.stages = stages
        self.layers = _made(architecture)
        if weights is not None:
            _load(self.layers, find_file(weights), architecture)
        published: Any = self.layers.default_cfg
        self.mean = sum(published["mean"]) / len(published["mean"])
        self.deviation = sum(published["std"]) / len(published["std"])
        self.smallest = next((side for kind, side in _SMALLEST.items() if isinstance(self.layers, kind)), 1)
        self.channels = _channels(self, architecture)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] to features (B, F, h, w).

        Raises:
            ValueError: An image is smaller than the architecture accepts.
        """
        if min(image.shape[2], image.shape[3]) < self.smallest:
            raise ValueError(
                f"images of {image.shape[2]} x {image.shape[3]} pixels: this architecture needs sides of at least "
                f"{self.smallest}; set image_size to that or more"
            )
        standardised = (image - self.mean) / self.deviation
        if self.stages:
            stages = self.layers.forward_intermediates(standardised, intermediates_only=True)  # type: ignore[operator]
            assert torch.jit.isinstance(stages, list[Tensor])
            return stage_statistics(stages)
        # A method of timm's classes; TorchScript allows no text after a type comment.
        features: Tensor = self.layers.forward_features(standardised)  # type: ignore[operator]
        return features


class BackboneClassifier(nn.Module):
    """A backbone, average pooling, and a classifier with one or more layers.

    Source: Haghpanah, "Automatic Labeling of Chest Radiography Images", section IV: a one-layer classifier, a
    three-layer one, and one with dropout 0.5, on frozen or fine-tuned features. The paper does not give the widths and
    uses its features as they are; we pool them by their average. The map is the classifier applied at each position:
    with one layer its mean is the score, so it is a class activation map (Zhou et al. 2016); with more layers it
    generalises that, and its mean is not the score.

    Args:
        findings: Number of findings C.
        architecture: See `Backbone`.
        weights: See `Backbone`.
        frozen: Keep the backbone fixed, including its batch statistics; only the classifier is trained.
        hidden: Widths of the layers between features and findings: () is a one-layer classifier, (512, 256) a
            three-layer one.
        dropout: Probability that a value is dropped before each layer except the first, or before the only one.
        stages: See `Backbone`; the classifier then reads standardised features.
        located: The map has a layer of its own, which a loss over the map trains. So locations neither help nor harm
            the score if the backbone is frozen.

    Raises:
        FileNotFoundError: There is no such file of weights.
        ValueError: See `Backbone`; or a count, width or probability is out of range.

    Example:
        >>> prediction = BackboneClassifier(findings=3, architecture="test_resnet")(torch.rand(2, 1, 64, 64))
        >>> prediction.score.shape, prediction.map.shape
        (torch.Size([2, 3]), torch.Size([2, 3, 2, 2]))
    """

    def __init__(
        self,
        findings: int = 1,
        architecture: str = "densenet121",
        weights: str | Path | None = None,
        frozen: bool = False,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        stages: bool = False,
        located: bool = False,
    ) -> None:
        super().__init__()
        if min(findings, *hidden, 1) < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"findings ({findings}) and widths ({list(hidden)}) must be at least 1, dropout ({dropout}) in [0, 1)"
            )
        self.backbone = Backbone(architecture, weights, stages)
        self.channels = self.backbone.channels
        self.frozen = frozen
        self.backbone.requires_grad_(not frozen)
        self.standardise = Standardise(self.channels) if stages else nn.Identity()
        self.classifier = classifier(self.channels, hidden, findings, dropout)
        self.located = located
        self.locator = _locator(self.channels, findings) if located else nn.Identity()

    def train(self, mode: bool = True) -> BackboneClassifier:
        """Like any module, except that a frozen backbone stays in evaluation mode, with its batch statistics."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image, or of its features.

        Args:
            image: (B, 1, H, W) in [0, 1]; or its features (B, F, h, w), stored by `app.engines.frozen_features` and
                recognised by their number of channels.

        Returns:
            score (B, C) and map (B, C, h, w), logits.
        """
        features = self.standardise(image if image.shape[1] == self.channels else self.backbone(image))
        score = self.classifier(features.mean(dim=(2, 3)))
        if self.located:
            return Prediction(score=score, map=self.locator(features))
        logits = self.classifier(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return Prediction(score=score, map=logits)


def classifier(channels: int, hidden: Sequence[int], findings: int, dropout: float) -> nn.Sequential:
    """Linear layers over the last axis with ReLU between them, and dropout before each except the first of several."""
    layers: list[nn.Module] = [nn.Dropout(dropout)] if dropout and not hidden else []
    for width in hidden:
        layers += [nn.Linear(channels, width), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, findings))


def _locator(channels: int, findings: int) -> nn.Conv2d:
    """A layer that begins with little anywhere: a short training cannot bring its bias down from 1/2 in every cell."""
    layer = nn.Conv2d(channels, findings, kernel_size=1)
    start_level(layer, logit=-2.0)
    return layer


def _made(architecture: str) -> nn.Module:
    name = ARCHITECTURES.get(architecture, architecture)
    # Names with a colon are addresses, from which timm would download.
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
    """Number of channels of the features, found with an empty image."""
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, 1, _PROBE, _PROBE))
    backbone.train()
    if features.dim() != 4:
        raise ValueError(
            f"architecture {architecture!r}: its features have shape {tuple(features.shape)}, but must be "
            "maps (B, F, h, w), as those of a convolutional network are"
        )
    return int(features.shape[1])


def _load(layers: nn.Module, path: Path, architecture: str) -> None:
    """Load weights, which must cover the whole backbone."""
    own = layers.state_dict()
    weights = fit(own, read_weights(path)).weights
    # Old files lack the count of batches.
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    other = [name for name, value in weights.items() if value.shape != own[name].shape]
    if missing or other:
        raise ValueError(
            f"{path} does not fit the backbone {architecture!r}: {len(missing)} of {len(own)} names missing "
            f"{missing[:2]}, {len(other)} of another shape {other[:2]}. Weights of all of it are wanted, or none."
        )
    layers.load_state_dict(own | weights)
