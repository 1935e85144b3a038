"""Losses: (Prediction, Target) to a scalar. What is not known takes no part. One file a loss."""

from app.losses.classification import KnownLabelBCELoss
from app.losses.combination import WeightedSum
from app.losses.localisation import PixelBCELoss
from app.losses.mixed_supervision import MixedSupervisionLoss
from app.losses.multiple_instance import MultipleInstanceLoss
from app.losses.multiple_instance_supervision import positive_ratio
from app.losses.relaxed import RelaxedThresholdLoss, SigmoidThresholdLoss

__all__ = [
    "KnownLabelBCELoss",
    "MixedSupervisionLoss",
    "MultipleInstanceLoss",
    "PixelBCELoss",
    "RelaxedThresholdLoss",
    "SigmoidThresholdLoss",
    "WeightedSum",
    "positive_ratio",
]
