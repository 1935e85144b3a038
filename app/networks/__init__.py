"""Networks: each maps an image (B, 1, H, W) in [0, 1] to a Prediction."""

from typing import TYPE_CHECKING

from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet
from app.networks.resnet import ResNet
from app.networks.se_densenet import SEDenseNet
from app.networks.start import started_network
from transforms.lazy_names import lazy_names

if TYPE_CHECKING:
    from app.networks.pac_crf import PACCRF, PatchFeatures

# Imported on first use, as it brings PyTorch's compiler.
__getattr__ = lazy_names(__name__, dict.fromkeys(("PACCRF", "PatchFeatures"), "app.networks.pac_crf"))

__all__ = [
    "PACCRF",
    "PatchCountPooling",
    "PatchFeatures",
    "PatchNetwork",
    "PatchThresholds",
    "PreactivationResNet",
    "ResNet",
    "SEDenseNet",
    "started_network",
]
