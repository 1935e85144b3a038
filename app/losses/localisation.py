"""Losses over the map, for the findings whose location was asked for."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target, mask_on_grid


class PixelBCELoss(nn.Module):
    """Mean binary cross-entropy of the map against the mask brought to the map's grid.

    Source: the localisation loss of Kim et al. 2022. An image-level label "absent" says where the finding is, too:
    nowhere; so an absent finding counts as located unless ``absent_is_nowhere`` is switched off. A present finding
    whose mask is empty takes no part: its location was lost, such as by a crop, and is not "nowhere".

    Args:
        absent_is_nowhere: take an absent label as an empty mask.
    """

    def __init__(self, absent_is_nowhere: bool = True) -> None:
        super().__init__()
        self.absent_is_nowhere = absent_is_nowhere

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Mean over the cells of all located (image, finding) pairs.

        Args:
            prediction: ``map`` of shape (B, C, h, w), logits.
            target: ``mask`` (B, C, H, W), ``annotated`` and ``label`` (B, C).

        Returns:
            Scalar of the map's type, float32 at the least; zero, with zero gradient, when nothing in the batch is
            located.
        """
        located = located_pairs(target, self.absent_is_nowhere)
        here = prediction.map
        # What nobody was asked for may hold anything; of an absent finding it is "nowhere".
        asked = target.annotated.bool()[:, :, None, None]
        each = pixel_cross_entropy(here, mask_on_grid(target.mask, (here.shape[2], here.shape[3])) * asked)
        return (each * located).sum() / located.sum().clamp(min=1)


def located_pairs(target: Target, absent_is_nowhere: bool) -> Tensor:
    """Which (image, finding) pairs are located, (B, C) bool; see `PixelBCELoss`."""
    located = target.annotated.bool()
    if absent_is_nowhere:
        located = located | (target.label == 0)
    return located & ((target.label <= 0) | target.mask.flatten(2).any(dim=2))


def pixel_cross_entropy(here: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy of each map, (B, C), of logits (B, C, h, w) against shares of cells (B, C, h, w)."""
    here = here if here.dtype == torch.float64 else here.float()
    each = functional.binary_cross_entropy_with_logits(here, mask.to(here.dtype), reduction="none")
    return each.mean(dim=(2, 3))
