"""Losses over image-level labels, leaving out what is not known."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target


class KnownLabelBCELoss(nn.Module):
    """Binary cross-entropy over the labels that are known.

    Source: equation 1 of Haghpanah, "Automatic Labeling of Chest Radiography Images"; a label between 0 and 1 is a
    certainty and enters as a soft target.
    """

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Mean over known labels.

        Args:
            prediction: ``score`` of shape (B, C), logits.
            target: ``label`` of shape (B, C); 1 present, 0 absent, negative unknown.

        Returns:
            Scalar of the scores' type, float32 at the least; zero, with zero gradient, when the batch holds no known
            label.
        """
        known = target.label >= 0
        score = prediction.score if prediction.score.dtype == torch.float64 else prediction.score.float()
        label = target.label.clamp(min=0).to(score.dtype)
        each = functional.binary_cross_entropy_with_logits(score, label, reduction="none")
        return (each * known).sum() / known.sum().clamp(min=1)
