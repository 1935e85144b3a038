"""Losses over image-level labels, leaving out what is not known."""

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
            Scalar float32; zero, with zero gradient, when the batch holds no known label.
        """
        known = target.label >= 0
        each = functional.binary_cross_entropy_with_logits(
            prediction.score.float(), target.label.clamp(min=0).float(), reduction="none"
        )
        return (each * known).sum() / known.sum().clamp(min=1)
