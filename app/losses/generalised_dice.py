"""Generalised Dice: the overlap of a finding and of the rest, each weighted by how small it is."""

from typing import NamedTuple

import torch
from torch import Tensor

from app.contract import wide


def generalised_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Generalised Dice loss of each (image, finding) pair.

    Source: Sudre et al. 2017, "Generalised Dice overlap as a deep learning loss function for highly unbalanced
    segmentations", the loss GDL_v: ``1 - 2 sum_l w_l sum_n r_ln p_ln / sum_l w_l sum_n (r_ln + p_ln)`` over the two
    labels l "finding" and "rest", with ``w_l = 1 / (sum_n r_ln)^2``. A label without any cell would have infinite
    weight; in that case both labels have the same weight, so the loss of an empty mask is the mean probability.

    Args:
        logits: (B, C, h, w).
        mask: (B, C, h, w), the share of each cell that the finding covers, 0 to 1.

    Returns:
        (B, C) in [0, 1], float32 or float64.

    Example:
        >>> generalised_dice(torch.full((1, 1, 2, 2), -100.0), torch.zeros(1, 1, 2, 2))
        tensor([[0.]])
    """
    logits = wide(logits)
    mask = mask.to(logits.dtype)
    # The probability of the rest is sigmoid(-x): 1 - sigmoid(x) would round to 0 for large logits.
    finding, rest = _sums(torch.sigmoid(logits), mask), _sums(torch.sigmoid(-logits), 1 - mask)
    # Both weights are multiplied by both squares, so that a finding of one pixel does not overflow.
    is_mixed = (finding.true > 0) & (rest.true > 0)
    weight = torch.where(is_mixed, rest.true.square(), 1.0)
    rest_weight = torch.where(is_mixed, finding.true.square(), 1.0)
    overlap = weight * finding.overlap + rest_weight * rest.overlap
    return 1 - 2 * overlap / (weight * finding.total + rest_weight * rest.total)


class _Sums(NamedTuple):
    """Sums of one label over the cells of each map: truth, overlap, and truth plus prediction; each (B, C)."""

    true: Tensor
    overlap: Tensor
    total: Tensor


def _sums(probability: Tensor, truth: Tensor) -> _Sums:
    true = truth.sum(dim=(2, 3))
    return _Sums(true, (probability * truth).sum(dim=(2, 3)), true + probability.sum(dim=(2, 3)))
