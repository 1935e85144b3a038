"""Losses: (Prediction, Target) to a scalar. What is not known takes no part. One file a loss."""

from app.losses.classification import KnownLabelBCELoss
from app.losses.combination import WeightedSum
from app.losses.localisation import PixelBCELoss
from app.losses.mixed_supervision import MixedSupervisionLoss

__all__ = ["KnownLabelBCELoss", "MixedSupervisionLoss", "PixelBCELoss", "WeightedSum"]
