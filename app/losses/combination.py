"""Sums of losses over one prediction."""

from collections.abc import Sequence

from torch import Tensor, nn

from app.contract import Prediction, Target


class WeightedSum(nn.Module):
    """A weighted sum of losses; a term of weight zero is not computed.

    Args:
        losses: each (Prediction, Target) to scalar.
        weights: one a loss, not negative; all 1 by default.
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        weights = [1.0] * len(losses) if weights is None else list(weights)
        if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                f"{len(losses)} losses want as many weights, none negative and not all zero, not {weights}"
            )
        self.losses = nn.ModuleList(losses)
        self.weights = weights

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """The weighted sum, a scalar."""
        terms = [w * loss(prediction, target) for w, loss in zip(self.weights, self.losses, strict=True) if w > 0]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total
