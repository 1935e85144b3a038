"""Losses over the map, for the findings whose location was asked for."""

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
            Scalar float32; zero, with zero gradient, when nothing in the batch is located.
        """
        located = target.annotated.bool()
        if self.absent_is_nowhere:
            located = located | (target.label == 0)
        located = located & ((target.label <= 0) | target.mask.flatten(2).any(dim=2))
        here = prediction.map
        mask = mask_on_grid(target.mask, (here.shape[2], here.shape[3]))
        each = functional.binary_cross_entropy_with_logits(here.float(), mask, reduction="none").mean(dim=(2, 3))
        return (each * located).sum() / located.sum().clamp(min=1)
