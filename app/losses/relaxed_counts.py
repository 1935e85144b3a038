"""How many patches of a map show a finding, inside of its box and outside."""

from typing import NamedTuple

import torch
from torch import Tensor

from app.contract import Prediction, Target
from app.losses.multiple_instance_supervision import PatchSupervision, patch_supervision, wide
from app.networks.patch_thresholds import PatchThresholds


class PatchCounts(NamedTuple):
    """Sums of patch probabilities, each (B, K); without a box everything is outside.

    Attributes:
        inside: sum of z over the box's patches.
        outside: over all others.
        box: patches of the box, |b|; 1 where there is none, as it divides.
        rest: patches outside; 1 where the box is the whole map.
    """

    inside: Tensor
    outside: Tensor
    box: Tensor
    rest: Tensor


class Thresholds(NamedTuple):
    """Those of ``PatchThresholds`` beside some counts, each (K,)."""

    tau: Tensor
    rho: Tensor
    tau_hat: Tensor
    rho_hat: Tensor


def patch_counts(prediction: Prediction, target: Target) -> tuple[PatchCounts, PatchSupervision]:
    """Count a batch.

    Args:
        prediction: ``map`` (B, K, P, Q), logits of z.
        target: of the same images.
    """
    here = wide(prediction.map)
    known = patch_supervision(target, (here.shape[2], here.shape[3]), here.dtype)
    z, inside = torch.sigmoid(here), known.inside * known.located[:, :, None, None]
    box, patches = inside.sum(dim=(2, 3)), here.shape[2] * here.shape[3]
    found = (z * inside).sum(dim=(2, 3))
    outside = (z * (1 - inside)).sum(dim=(2, 3))
    return PatchCounts(found, outside, box.clamp(min=1), (patches - box).clamp(min=1)), known


def on_device(thresholds: PatchThresholds, like: Tensor) -> Thresholds:
    """Thresholds in the type and on the device of some counts."""
    t = thresholds
    return Thresholds(t.tau.to(like), t.rho.to(like), t.tau_hat.to(like), t.rho_hat.to(like))
