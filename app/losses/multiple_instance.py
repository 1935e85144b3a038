"""The loss of Li et al. over patches: all patches in a box show the finding, and a label means at least one patch."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target, wide
from app.losses.multiple_instance_supervision import mean_over_images, patch_supervision


class MultipleInstanceLoss(nn.Module):
    """Patches as independent instances, combined by products in log space.

    Source: Li et al. 2018, "Thoracic disease identification and localization with limited supervision", as equations 1
    to 3 of Rozenberg et al. 2020: with a box, -log of prod_inside p prod_outside (1 - p); without one, the
    cross-entropy of "present" with probability 1 - prod (1 - p). The products are sums of logarithms here, so nothing
    underflows and the rescaling of Li et al. is not needed.

    Args:
        annotated_weight: lambda_ann, the weight of located findings. The paper's 70 is for its own loss, whose box term
            is between 0 and 2; here that term is a sum over all patches, so the default is 1.

    Example:
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 2, 2))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.ones(1, 1, dtype=torch.bool))
        >>> MultipleInstanceLoss()(prediction, target)  # four patches, each with -log(1/2)
        tensor(2.7726)
    """

    def __init__(self, annotated_weight: float = 1.0) -> None:
        super().__init__()
        self.annotated_weight = annotated_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum over findings and average over the images of which anything is known.

        Args:
            prediction: ``map`` (B, K, P, Q), logits of the patch probabilities.
            target: ``patch_supervision`` says what counts as located and known.

        Returns:
            Scalar, float32 or float64; zero with zero gradient if nothing is known.
        """
        logits = wide(prediction.map)
        supervision = patch_supervision(target, (logits.shape[2], logits.shape[3]), logits.dtype)
        present = supervision.present
        minus_log_absent = functional.softplus(logits)
        boxed = (minus_log_absent - supervision.inside * logits).sum(dim=(2, 3))
        unboxed = -present * log_present(logits) + (1 - present) * minus_log_absent.sum(dim=(2, 3))
        # torch.where instead of multiplication, because a term that does not count may be infinite.
        loss = torch.where(supervision.located, self.annotated_weight * boxed, torch.zeros_like(boxed))
        loss = loss + torch.where(supervision.known, unboxed, torch.zeros_like(unboxed))
        return mean_over_images(loss, supervision)


def log_present(logits: Tensor) -> Tensor:
    """Log-probability that at least one patch shows the finding, log(1 - prod (1 - p)), exact for any logits.

    With s = sum softplus(x) it is log(1 - exp(-s)). If s is so small that this difference would lose its digits, or s
    would underflow, log s - s / 2 is used, which is exact up to s^2 / 24.

    Args:
        logits: (B, K, P, Q), float32 or float64.

    Returns:
        (B, K), 0 or less.

    Example:
        >>> log_present(torch.zeros(1, 1, 1, 2)).exp()  # 1 - 1/2 * 1/2
        tensor([[0.7500]])
    """
    flat = logits.flatten(2)
    # Far below zero softplus(x) equals exp(x) to the last digit, and would underflow.
    far_below = flat < -30
    log_softplus = torch.where(far_below, flat, torch.log(functional.softplus(flat.clamp(min=-30))))
    log_s = torch.logsumexp(log_softplus, dim=2)
    s = torch.exp(log_s.clamp(max=80))
    is_small = log_s < -7
    by_difference = torch.log(-torch.expm1(-torch.where(is_small, torch.ones_like(s), s)))
    return torch.where(is_small, log_s - s / 2, by_difference)
