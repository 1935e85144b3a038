"""Dice and cross-entropy over drawn outlines."""

import torch
from torch import nn

from app.contract import Prediction, Target, mask_on_grid, wide
from app.losses.localisation import pixel_cross_entropy


class DiceCrossEntropyLoss(nn.Module):
    """Soft Dice loss plus pixel binary cross-entropy, averaged over all annotated (image, finding) pairs.

    The same as MONAI's `DiceCELoss` on these pairs, but computed on all pairs and masked, so that a GPU need not
    synchronise. Labels are ignored.

    Args:
        smooth: Added to numerator and denominator of Dice, in cells of the map; keeps it defined for empty masks.

    Example:
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 4, 4))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.ones(1, 1, dtype=torch.bool))
        >>> DiceCrossEntropyLoss()(prediction, target)  # Dice (16 + 1) / (24 + 1), cross-entropy log 2
        tensor(1.0131)
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        if smooth <= 0:
            raise ValueError(f"smooth must be above 0, because map and mask may both be empty, not {smooth}")
        self.smooth = smooth

    def forward(self, prediction: Prediction, target: Target) -> torch.Tensor:
        """Compare maps with masks.

        Args:
            prediction: ``map`` (B, C, h, w), logits.
            target: ``mask`` (B, C, H, W) in [0, 1], ``annotated`` (B, C) bool.

        Returns:
            Scalar, float32 or float64; zero with zero gradient if nothing is annotated.
        """
        logits = wide(prediction.map)
        mask = mask_on_grid(target.mask, (logits.shape[2], logits.shape[3])).to(logits.dtype)
        probability = torch.sigmoid(logits)
        overlap = (probability * mask).sum(dim=(2, 3))
        total = probability.sum(dim=(2, 3)) + mask.sum(dim=(2, 3))
        losses = 1 - (2 * overlap + self.smooth) / (total + self.smooth) + pixel_cross_entropy(logits, mask)
        annotated = target.annotated.bool()
        return (losses * annotated).sum() / annotated.sum().clamp(min=1)
