"""Losses: each takes (Prediction, Target) and returns a scalar; unknown labels and locations are left out."""

from app.losses.classification import KnownLabelBCELoss
from app.losses.combination import WeightedSum
from app.losses.dice import DiceCrossEntropyLoss
from app.losses.localisation import PixelBCELoss
from app.losses.mixed_supervision import MixedSupervisionLoss
from app.losses.multiple_instance import MultipleInstanceLoss
from app.losses.multiple_instance_supervision import positive_ratio
from app.losses.relaxed import RelaxedThresholdLoss, SigmoidThresholdLoss

__all__ = [
    "DiceCrossEntropyLoss",
    "KnownLabelBCELoss",
    "MixedSupervisionLoss",
    "MultipleInstanceLoss",
    "PixelBCELoss",
    "RelaxedThresholdLoss",
    "SigmoidThresholdLoss",
    "WeightedSum",
    "positive_ratio",
]
