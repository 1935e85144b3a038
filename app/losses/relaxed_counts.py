"""How many patches of a map show a finding, inside its box and outside."""

from typing import NamedTuple

import torch
from torch import Tensor

from app.contract import Prediction, Target, wide
from app.losses.multiple_instance_supervision import PatchSupervision, patch_supervision
from app.networks.patch_thresholds import PatchThresholds


class PatchCounts(NamedTuple):
    """Sums of patch probabilities z, each (B, K); without a box, all patches are outside.

    Attributes:
        inside: Sum of z over the patches of the box.
        outside: Sum of z over all other patches.
        box: Number of patches in the box, |b|; 1 without a box, because it is a divisor.
        rest: Number of patches outside; 1 if the box covers the whole map.
    """

    inside: Tensor
    outside: Tensor
    box: Tensor
    rest: Tensor


class Thresholds(NamedTuple):
    """The thresholds of ``PatchThresholds`` as tensors (K,)."""

    tau: Tensor
    rho: Tensor
    tau_hat: Tensor
    rho_hat: Tensor


def patch_counts(prediction: Prediction, target: Target) -> tuple[PatchCounts, PatchSupervision]:
    """Count the patches of a batch, from its ``map`` (B, K, P, Q), logits of z."""
    logits = wide(prediction.map)
    supervision = patch_supervision(target, (logits.shape[2], logits.shape[3]), logits.dtype)
    z = torch.sigmoid(logits)
    in_box = supervision.inside * supervision.located[:, :, None, None]
    box, patches = in_box.sum(dim=(2, 3)), logits.shape[2] * logits.shape[3]
    inside, outside = (z * in_box).sum(dim=(2, 3)), (z * (1 - in_box)).sum(dim=(2, 3))
    return PatchCounts(inside, outside, box.clamp(min=1), (patches - box).clamp(min=1)), supervision


def on_device(thresholds: PatchThresholds, like: Tensor) -> Thresholds:
    """Thresholds in the type and on the device of a tensor."""
    t = thresholds
    return Thresholds(t.tau.to(like), t.rho.to(like), t.tau_hat.to(like), t.rho_hat.to(like))
