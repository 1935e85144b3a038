"""The loss of Li et al. over patches: a box holds the finding everywhere, a label means one patch at least."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target
from app.losses.multiple_instance_supervision import patch_supervision, total, wide


class MultipleInstanceLoss(nn.Module):
    """Patches as independent instances, combined by products, in log space.

    Source: Li et al. 2018, "Thoracic disease identification and localization with limited supervision", as equations 1
    to 3 of Rozenberg et al. 2020: with a box, -log of prod_inside p prod_outside (1 - p); without, cross-entropy of
    "present" with probability 1 - prod (1 - p). The products are sums of logarithms here, so that nothing underflows
    and none of the rescalings that Li et al. need are made.

    Args:
        annotated_weight: lambda_ann, of located findings. The paper's 70 is for its own loss, whose term of a box is
            between 0 and 2; here it is a sum over all patches, so 1 by default.
    """

    def __init__(self, annotated_weight: float = 1.0) -> None:
        super().__init__()
        self.annotated_weight = annotated_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum over findings, mean over images of which anything is known.

        Args:
            prediction: ``map`` (B, K, P, Q), logits of the patch probabilities.
            target: see ``patch_supervision`` for what counts as located and known.

        Returns:
            Scalar float32 (or float64 of such a map); zero, with zero gradient, when nothing is known.
        """
        here = wide(prediction.map)
        known = patch_supervision(target, (here.shape[2], here.shape[3]), here.dtype)
        absent_by_patch = functional.softplus(here)
        boxed = (absent_by_patch - known.inside * here).sum(dim=(2, 3))
        unboxed = -known.present * log_present(here) + (1 - known.present) * absent_by_patch.sum(dim=(2, 3))
        # Chosen, not multiplied: a term that is not asked for may be infinite.
        loss = torch.where(known.located, self.annotated_weight * boxed, torch.zeros_like(boxed))
        return total(loss + torch.where(known.known, unboxed, torch.zeros_like(unboxed)), known)


def log_present(logits: Tensor) -> Tensor:
    """log(1 - prod (1 - p)): that at least one patch shows the finding, exact from 0 down to any logit.

    With s = sum softplus(x) it is log(1 - exp(-s)); where s is so small that the difference would lose its digits, or s
    itself underflow, log s - s / 2 says the same to s^2 / 24.

    Args:
        logits: (B, K, P, Q), float32 or wider.

    Returns:
        (B, K), 0 or less.
    """
    flat = logits.flatten(2)
    # softplus(x) is exp(x) to the last digit far below zero, where it would underflow.
    far_below = flat < -30
    log_softplus = torch.where(far_below, flat, torch.log(functional.softplus(flat.clamp(min=-30))))
    log_s = torch.logsumexp(log_softplus, dim=2)
    s = torch.exp(log_s.clamp(max=80))
    is_small = log_s < -7
    by_difference = torch.log(-torch.expm1(-torch.where(is_small, torch.ones_like(s), s)))
    return torch.where(is_small, log_s - s / 2, by_difference)
