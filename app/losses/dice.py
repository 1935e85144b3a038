"""Dice and cross-entropy over the outlines that were drawn."""

import torch
from torch import nn

from app.contract import Prediction, Target, mask_on_grid
from app.losses.localisation import pixel_cross_entropy


class DiceCrossEntropyLoss(nn.Module):
    """Soft Dice loss plus pixel binary cross-entropy, the mean over all annotated (image, finding) pairs.

    As MONAI's `DiceCELoss` on these pairs, but computed on all and weighed, which a GPU need not be waited for; the
    labels are not looked at.

    Args:
        smooth: added to both sides of the Dice fraction, in cells of the map; keeps it defined for empty outlines.
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        if smooth <= 0:
            raise ValueError(f"smooth is {smooth}, but must be above 0: a pair may be empty in map and mask")
        self.smooth = smooth

    def forward(self, prediction: Prediction, target: Target) -> torch.Tensor:
        """Compare maps with masks.

        Args:
            prediction: ``map`` of shape (B, C, h, w), logits.
            target: ``mask`` (B, C, H, W) in [0, 1], ``annotated`` (B, C) bool.

        Returns:
            Scalar of the map's type, float32 at the least; zero, with zero gradient, when nothing is annotated.
        """
        here = prediction.map if prediction.map.dtype == torch.float64 else prediction.map.float()
        mask = mask_on_grid(target.mask, (here.shape[2], here.shape[3])).to(here.dtype)
        said = torch.sigmoid(here)
        both, total = (said * mask).sum(dim=(2, 3)), said.sum(dim=(2, 3)) + mask.sum(dim=(2, 3))
        each = 1 - (2 * both + self.smooth) / (total + self.smooth) + pixel_cross_entropy(here, mask)
        known = target.annotated.bool()
        return (each * known).sum() / known.sum().clamp(min=1)
