"""Networks: each maps an image (B, 1, H, W) in [0, 1] to a Prediction."""

from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet
from app.networks.resnet import ResNet
from app.networks.se_densenet import SEDenseNet
from app.networks.start import started_network

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
