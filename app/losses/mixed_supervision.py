"""One loss for labels alone, boxes, outlines, and mixtures of them."""

from torch import Tensor, nn

from app.contract import Prediction, Target, mask_on_grid
from app.losses.classification import label_cross_entropy
from app.losses.generalised_dice import generalised_dice
from app.losses.localisation import located_pairs, pixel_cross_entropy


class MixedSupervisionLoss(nn.Module):
    """Cross-entropy of the label and, if a location is known, of the pixels, plus generalised Dice.

    Source: Kim et al., "Did You Get What You Paid For?", equations 1 and 2:
    ``sum_n L_cls + 1[location of n is known] (L_pbce + L_dice)``, here for each (image, finding) pair and divided by
    the number of pairs of which anything is known. So an outline weighs the same whether or not other images have one;
    a mean over located pairs would give a few outlines among many labels more weight than the paper does. An absent
    label alone has no pixel loss, as in the paper.

    A present finding that is annotated with an empty mask has no location: it was lost, for example by a crop.

    Args:
        localisation_weight: Weight of both pixel terms together; 1 as published.

    Raises:
        ValueError: The weight is negative.

    Example:
        >>> import torch
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 4, 4))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.zeros(1, 1, dtype=torch.bool))
        >>> MixedSupervisionLoss()(prediction, target)  # the label alone: log 2
        tensor(0.6931)
        >>> MixedSupervisionLoss()(prediction, target._replace(annotated=torch.ones(1, 1, dtype=torch.bool)))
        tensor(1.8863)
    """

    def __init__(self, localisation_weight: float = 1.0) -> None:
        super().__init__()
        if localisation_weight < 0:
            raise ValueError(f"localisation_weight must be 0 or more, not {localisation_weight}")
        self.localisation_weight = localisation_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Average over all (image, finding) pairs of which a label or a location is known.

        Args:
            prediction: ``score`` (B, C) and ``map`` (B, C, h, w), logits.
            target: ``label`` (B, C): 1 present, 0 absent, a certainty between them, negative unknown; ``mask``
                (B, C, H, W) in [0, 1]; ``annotated`` (B, C) bool.

        Returns:
            Scalar, float32 or float64; zero with zero gradient if nothing is known.
        """
        label_losses, known = label_cross_entropy(prediction.score, target.label)
        located = located_pairs(target, absent_is_nowhere=False)
        logits = prediction.map
        mask = mask_on_grid(target.mask, (logits.shape[2], logits.shape[3]))
        pixel_losses = (pixel_cross_entropy(logits, mask) + generalised_dice(logits, mask)) * located
        return (label_losses + self.localisation_weight * pixel_losses).sum() / (known | located).sum().clamp(min=1)
