"""Losses over image-level labels."""

from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target, wide


class KnownLabelBCELoss(nn.Module):
    """Binary cross-entropy over the known labels.

    Source: equation 1 of Haghpanah, "Automatic Labeling of Chest Radiography Images". A label between 0 and 1 is a
    certainty and serves as a soft target.

    Example:
        >>> import torch
        >>> prediction = Prediction(score=torch.zeros(1, 2), map=torch.zeros(1, 2, 4, 4))
        >>> label = torch.tensor([[1.0, -1.0]])  # the second is uncertain, so it is left out
        >>> KnownLabelBCELoss()(prediction, Target(label, torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, dtype=torch.bool)))
        tensor(0.6931)
    """

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Average the loss over known labels.

        Args:
            prediction: ``score`` (B, C), logits.
            target: ``label`` (B, C); 1 present, 0 absent, negative unknown.

        Returns:
            Scalar, float32 or float64; zero with zero gradient if no label is known.
        """
        losses, known = label_cross_entropy(prediction.score, target.label)
        return losses.sum() / known.sum().clamp(min=1)


def label_cross_entropy(score: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of each label, zero where it is unknown, and which labels are known; all (B, C)."""
    known = label >= 0
    score = wide(score)
    soft_label = label.clamp(min=0).to(score.dtype)
    return functional.binary_cross_entropy_with_logits(score, soft_label, reduction="none") * known, known
