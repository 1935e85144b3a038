"""Losses over the map, for findings whose location is known."""

from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target, mask_on_grid, wide


class PixelBCELoss(nn.Module):
    """Mean binary cross-entropy of the map against the mask on the map's grid.

    Source: the localisation loss of Kim et al. 2023. An image-level label "absent" also says that the finding is
    nowhere, so an absent finding counts as located unless ``absent_is_nowhere`` is off. A present finding with an empty
    mask is left out: its location was lost, for example by a crop, and is not "nowhere".

    Args:
        absent_is_nowhere: Treat an absent label as an empty mask.

    Example:
        >>> import torch
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 4, 4))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.ones(1, 1, dtype=torch.bool))
        >>> PixelBCELoss()(prediction, target)
        tensor(0.6931)
    """

    def __init__(self, absent_is_nowhere: bool = True) -> None:
        super().__init__()
        self.absent_is_nowhere = absent_is_nowhere

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Average the loss over the cells of all located (image, finding) pairs.

        Args:
            prediction: ``map`` (B, C, h, w), logits.
            target: ``mask`` (B, C, H, W), ``annotated`` and ``label`` (B, C).

        Returns:
            Scalar, float32 or float64; zero with zero gradient if nothing is located.
        """
        located = located_pairs(target, self.absent_is_nowhere)
        logits = prediction.map
        # The mask of a finding that is not annotated is undefined; for an absent finding it must be empty.
        annotated = target.annotated.bool()[:, :, None, None]
        mask = mask_on_grid(target.mask, (logits.shape[2], logits.shape[3])) * annotated
        return (pixel_cross_entropy(logits, mask) * located).sum() / located.sum().clamp(min=1)


def located_pairs(target: Target, absent_is_nowhere: bool) -> Tensor:
    """Which (image, finding) pairs have a known location, (B, C) bool; see `PixelBCELoss`."""
    located = target.annotated.bool()
    if absent_is_nowhere:
        located = located | (target.label == 0)
    return located & ((target.label <= 0) | target.mask.flatten(2).any(dim=2))


def pixel_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy of each map, (B, C), from logits and covered shares of cells, both (B, C, h, w)."""
    logits = wide(logits)
    losses = functional.binary_cross_entropy_with_logits(logits, mask.to(logits.dtype), reduction="none")
    return losses.mean(dim=(2, 3))
