"""Losses over the number of patches that show a finding: enough inside a box, few outside."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction, Target
from app.losses.multiple_instance_supervision import mean_over_images
from app.losses.relaxed_counts import on_device, patch_counts
from app.networks.patch_thresholds import PatchThresholds, Setting


class RelaxedThresholdLoss(nn.Module):
    """By how much patches fall short of, or exceed, what is required (equations 9 to 12 of Rozenberg et al. 2020).

    With z the patch probabilities, |b| the number of patches in a box and |b'| of those outside it:

    - located: ``ReLU(tau |b| - sum_inside z) / |b| + ReLU(sum_outside z - rho |b'|) / |b'|``;
    - present: ``ReLU(tau_hat - sum z)``; absent: ``gamma ReLU(sum z - rho_hat)``.

    Args:
        thresholds: For each finding; shared with the pooling that makes the score.
        annotated_weight: lambda_ann; 70 in the paper.
        balance: gamma for each finding, present over absent images in the data (``positive_ratio``); 1 by default.

    Example:
        >>> thresholds = PatchThresholds(findings=1, tau=0.7, rho=0.05, tau_hat=1.0, rho_hat=0.5)
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 2, 2))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.ones(1, 1, dtype=torch.bool))
        >>> RelaxedThresholdLoss(thresholds)(prediction, target)  # 70 (0.7 - 0.5)
        tensor(14.0000)
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
        """Sum over findings and average over the images of which anything is known.

        Args:
            prediction: ``map`` (B, K, P, Q), logits of z.
            target: ``patch_supervision`` says what counts as located and known.

        Returns:
            Scalar, float32 or float64; zero with zero gradient if nothing is known.
        """
        counts, supervision = patch_counts(prediction, target)
        t = on_device(self.thresholds, counts.inside)
        missing = functional.relu(t.tau - counts.inside / counts.box)
        surplus = functional.relu(counts.outside / counts.rest - t.rho)
        everywhere = counts.inside + counts.outside
        present = supervision.present * functional.relu(t.tau_hat - everywhere)
        absent = (1 - supervision.present) * functional.relu(everywhere - t.rho_hat)
        located_loss = supervision.located * self.annotated_weight * (missing + surplus)
        label_loss = supervision.known * (present + self.balance.to(everywhere) * absent)
        return mean_over_images(located_loss + label_loss, supervision)


class SigmoidThresholdLoss(nn.Module):
    """The same requirements with a sigmoid instead of a ReLU (equations 5 and 8 of Rozenberg et al. 2020).

    - located: ``-sigmoid(sum_inside z - tau |b|) sigmoid(rho |b'| - sum_outside z)``;
    - otherwise: ``-y sigmoid(sum z - tau_hat) - (1 - y) sigmoid(rho_hat - sum z)``.

    Its gradients vanish if a requirement is far from being met, as the paper says; it is here for comparison.

    Args:
        thresholds: For each finding; shared with the pooling that makes the score.
        annotated_weight: lambda_ann of equation 3.

    Example:
        >>> thresholds = PatchThresholds(findings=1, tau=0.5, rho=0.05, tau_hat=1.0, rho_hat=0.5)
        >>> prediction = Prediction(score=torch.zeros(1, 1), map=torch.zeros(1, 1, 2, 2))
        >>> target = Target(torch.ones(1, 1), torch.ones(1, 1, 8, 8), torch.ones(1, 1, dtype=torch.bool))
        >>> SigmoidThresholdLoss(thresholds, annotated_weight=1.0)(prediction, target)  # sigmoid(0) sigmoid(0.05)
        tensor(-0.2562)
    """

    def __init__(self, thresholds: PatchThresholds, annotated_weight: float = 70.0) -> None:
        super().__init__()
        self.thresholds = thresholds
        self.annotated_weight = annotated_weight

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Sum over findings and average over images; see ``RelaxedThresholdLoss``.

        Returns:
            Scalar, negative or zero; zero with zero gradient if nothing is known.
        """
        counts, supervision = patch_counts(prediction, target)
        t = on_device(self.thresholds, counts.inside)
        enough_inside = torch.sigmoid(counts.inside - t.tau * counts.box)
        few_outside = torch.sigmoid(t.rho * counts.rest - counts.outside)
        everywhere = counts.inside + counts.outside
        present = supervision.present * torch.sigmoid(everywhere - t.tau_hat)
        absent = (1 - supervision.present) * torch.sigmoid(t.rho_hat - everywhere)
        located_loss = supervision.located * self.annotated_weight * enough_inside * few_outside
        return mean_over_images(-(located_loss + supervision.known * (present + absent)), supervision)


def _balance(balance: Setting | None, like: Tensor) -> Tensor:
    """Gamma for each finding.

    Raises:
        ValueError: There is not one value for each finding, or one is negative.
    """
    values = torch.ones_like(like) if balance is None else torch.as_tensor(balance, dtype=torch.float32)
    if values.dim() > 1 or (values.dim() == 1 and values.shape != like.shape) or bool((values < 0).any()):
        raise ValueError(f"balance is {values.tolist()}, but must be {len(like)} numbers, none negative")
    return values.expand_as(like).clone()
