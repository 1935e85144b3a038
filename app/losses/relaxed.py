"""Losses over the number of patches that show a finding: enough of them inside of a box, few outside."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target
from app.losses.multiple_instance_supervision import total
from app.losses.relaxed_counts import on_device, patch_counts
from app.networks.patch_thresholds import PatchThresholds, Setting


class RelaxedThresholdLoss(nn.Module):
    """What is missing to enough patches, and what is above few enough (equations 9 to 12 of Rozenberg et al. 2020).

    With z the patch probabilities, |b| the patches of a box and |b'| those outside of it:

    - located: ``ReLU(tau |b| - sum_inside z) / |b| + ReLU(sum_outside z - rho |b'|) / |b'|``;
    - present: ``ReLU(tau_hat - sum z)``; absent: ``gamma ReLU(sum z - rho_hat)``.

    Args:
        thresholds: by finding; shared with the pooling that makes the score.
        annotated_weight: lambda_ann; 70 in the paper.
        balance: gamma by finding, present over absent images in the data (``positive_ratio``); 1 by default.
    """

    balance: Tensor

    def __init__(
        self, thresholds: PatchThresholds, annotated_weight: float = 70.0, balance: Setting | None = None
    ) -> None:
        super().__init__()
        self.thresholds = thresholds
        self.annotated_weight = annotated_weight
        self.register_buffer("balance", _balance(balance, thresholds.tau))

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum over findings, mean over images of which anything is known.

        Args:
            prediction: ``map`` (B, K, P, Q), logits of z.
            target: see ``patch_supervision`` for what counts as located and known.

        Returns:
            Scalar float32 (or float64 of such a map); zero, with zero gradient, when nothing is known.
        """
        counts, known = patch_counts(prediction, target)
        t = on_device(self.thresholds, counts.inside)
        missing = functional.relu(t.tau - counts.inside / counts.box)
        surplus = functional.relu(counts.outside / counts.rest - t.rho)
        everywhere = counts.inside + counts.outside
        present = known.present * functional.relu(t.tau_hat - everywhere)
        absent = (1 - known.present) * functional.relu(everywhere - t.rho_hat)
        balance = self.balance.to(everywhere)
        loss = known.located * self.annotated_weight * (missing + surplus) + known.known * (present + balance * absent)
        return total(loss, known)


class SigmoidThresholdLoss(nn.Module):
    """The same demands, each as a sigmoid instead of a ReLU (equations 5 and 8 of Rozenberg et al. 2020).

    - located: ``-sigmoid(sum_inside z - tau |b|) sigmoid(rho |b'| - sum_outside z)``;
    - else: ``-y sigmoid(sum z - tau_hat) - (1 - y) sigmoid(rho_hat - sum z)``.

    Its gradients vanish where a demand is far from met, as the paper says: it is here to be compared with.

    Args:
        thresholds: by finding; shared with the pooling that makes the score.
        annotated_weight: lambda_ann of equation 3.
    """

    def __init__(self, thresholds: PatchThresholds, annotated_weight: float = 70.0) -> None:
        super().__init__()
        self.thresholds = thresholds
        self.annotated_weight = annotated_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum over findings, mean over images of which anything is known; see ``RelaxedThresholdLoss``.

        Returns:
            Scalar, negative or zero; zero, with zero gradient, when nothing is known.
        """
        counts, known = patch_counts(prediction, target)
        t = on_device(self.thresholds, counts.inside)
        enough = torch.sigmoid(counts.inside - t.tau * counts.box)
        few = torch.sigmoid(t.rho * counts.rest - counts.outside)
        everywhere = counts.inside + counts.outside
        present = known.present * torch.sigmoid(everywhere - t.tau_hat)
        absent = (1 - known.present) * torch.sigmoid(t.rho_hat - everywhere)
        loss = known.located * self.annotated_weight * enough * few + known.known * (present + absent)
        return total(-loss, known)


def _balance(balance: Setting | None, like: Tensor) -> Tensor:
    """Gamma by finding.

    Raises:
        ValueError: not one value a finding, or a negative one.
    """
    values = torch.ones_like(like) if balance is None else torch.as_tensor(balance, dtype=torch.float32)
    if values.dim() > 1 or (values.dim() == 1 and values.shape != like.shape) or bool((values < 0).any()):
        raise ValueError(f"balance is {values.tolist()}, but must be {len(like)} numbers, none negative")
    return values.expand_as(like).clone()
