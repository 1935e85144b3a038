"""Networks: each maps an image (B, 1, H, W) in [0, 1] to a Prediction."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet
from app.networks.resnet import ResNet
from app.networks.se_densenet import SEDenseNet
from app.networks.start import started_network

if TYPE_CHECKING:
    from app.networks.pac_crf import PACCRF, PatchFeatures

# Imported on first use, as it brings PyTorch's compiler.
_LAZY = {"PACCRF": "app.networks.pac_crf", "PatchFeatures": "app.networks.pac_crf"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds under the name
    """Import a public name from its module."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


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
