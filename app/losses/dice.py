"""Dice and cross-entropy over the outlines that were drawn."""

import torch
from monai.losses.dice import DiceCELoss
from torch import nn

from app.contract import Prediction, Target, mask_on_grid


class DiceCrossEntropyLoss(nn.Module):
    """Soft Dice loss plus pixel binary cross-entropy, the mean over all annotated (image, finding) pairs.

    MONAI's `DiceCELoss` on the pairs; the labels are not looked at.

    Args:
        smooth: added to both sides of the Dice fraction, in cells of the map; keeps it defined for empty outlines.
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        if smooth <= 0:
            raise ValueError(f"smooth is {smooth}, but must be above 0: a pair may be empty in map and mask")
        self.loss = DiceCELoss(sigmoid=True, smooth_nr=smooth, smooth_dr=smooth)

    def forward(self, prediction: Prediction, target: Target) -> torch.Tensor:
        """Compare maps with masks.

        Args:
            prediction: ``map`` of shape (B, C, h, w), logits.
            target: ``mask`` (B, C, H, W) in [0, 1], ``annotated`` (B, C) bool.

        Returns:
            Scalar; zero, with zero gradient, when nothing is annotated.
        """
        if not bool(target.annotated.any()):
            return prediction.map.sum() * 0.0
        maps = prediction.map[target.annotated].unsqueeze(1)
        masks = mask_on_grid(target.mask, (prediction.map.shape[2], prediction.map.shape[3]))
        return self.loss(maps, masks[target.annotated].unsqueeze(1))
