"""Weighted sums of losses."""

from collections.abc import Sequence

from torch import Tensor, nn

from app.contract import Prediction, Target


class WeightedSum(nn.Module):
    """A weighted sum of losses; a loss of weight zero is not computed.

    Args:
        losses: each from (Prediction, Target) to a scalar.
        weights: one for each loss, not negative; 1 each by default.

    Example:
        >>> import torch
        >>> from app.losses import KnownLabelBCELoss, PixelBCELoss
        >>> losses = [KnownLabelBCELoss(), PixelBCELoss()]
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 4, 4))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 4, 4), torch.ones(1, 1, dtype=torch.bool))
        >>> WeightedSum(losses, [1.0, 2.0])(prediction, target)  # three times log 2
        tensor(2.0794)
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        weights = [1.0] * len(losses) if weights is None else list(weights)
        if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                f"weights must be {len(losses)} numbers, one for each loss, none negative and not all zero, "
                f"not {weights}"
            )
        self.losses = nn.ModuleList(losses)
        self.weights = weights

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum the weighted losses to a scalar."""
        terms = [w * loss(prediction, target) for w, loss in zip(self.weights, self.losses, strict=True) if w > 0]
        return sum(terms[1:], start=terms[0])
