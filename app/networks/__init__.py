"""Networks: image (B, 1, H, W) in [0, 1] to a Prediction. One file a network."""

from app.networks.resnet import ResNet
from app.networks.se_densenet import SEDenseNet
from app.networks.start import started_network

__all__ = ["ResNet", "SEDenseNet", "started_network"]
