"""One loss for items with labels alone, with boxes, with outlines, and for mixtures of them."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target, mask_on_grid
from app.losses.generalised_dice import generalised_dice
from app.losses.localisation import located_pairs, pixel_cross_entropy


class MixedSupervisionLoss(nn.Module):
    """Cross-entropy of the label, and where a location is known also of the pixels, with generalised Dice.

    Source: Kim et al., "Did You Get What You Paid For?", equations 1 and 2:
    ``sum_n L_cls + 1[location of n is known] (L_pbce + L_dice)``, here for each (image, finding) and divided by the
    number of these of which anything is known. So an outline weighs the same whether or not its neighbours have one: a
    mean over located pairs would make a few outlines among many labels weigh more than the paper has them. An absent
    label alone says nothing of pixels: it is an image-level annotation, which has no loss of pixels in the paper.

    A present finding that was asked for and whose mask is empty has no location: it was lost, such as by a crop.

    Args:
        localisation_weight: of both pixel terms together; 1 as published.

    Raises:
        ValueError: the weight is negative.
    """

    def __init__(self, localisation_weight: float = 1.0) -> None:
        super().__init__()
        if localisation_weight < 0:
            raise ValueError(f"localisation_weight must be 0 or more, not {localisation_weight}")
        self.localisation_weight = localisation_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Mean over all (image, finding) pairs of which a label or a location is known.

        Args:
            prediction: ``score`` (B, C) and ``map`` (B, C, h, w), logits.
            target: ``label`` (B, C): 1 present, 0 absent, between a certainty, negative unknown; ``mask`` (B, C, H, W)
                in [0, 1], ``annotated`` (B, C) bool.

        Returns:
            Scalar of the scores' type, float32 at the least; zero, with zero gradient, where nothing is known.
        """
        known, located = target.label >= 0, located_pairs(target, absent_is_nowhere=False)
        score = prediction.score if prediction.score.dtype == torch.float64 else prediction.score.float()
        label = target.label.clamp(min=0).to(score.dtype)
        each = functional.binary_cross_entropy_with_logits(score, label, reduction="none") * known
        here = prediction.map
        mask = mask_on_grid(target.mask, (here.shape[2], here.shape[3]))
        pixels = (pixel_cross_entropy(here, mask) + generalised_dice(here, mask)) * located
        return (each + self.localisation_weight * pixels).sum() / (known | located).sum().clamp(min=1)
