"""Generalised Dice: overlap of a finding and of what is not it, each weighed by how little of it there is."""

from typing import NamedTuple

import torch
from torch import Tensor


def generalised_dice(here: Tensor, mask: Tensor) -> Tensor:
    """Generalised Dice loss of each (image, finding).

    Source: Sudre et al. 2017, "Generalised Dice overlap as a deep learning loss function for highly unbalanced
    segmentations", the loss GDL_v: ``1 - 2 sum_l w_l sum_n r_ln p_ln / sum_l w_l sum_n (r_ln + p_ln)`` over the two
    labels l "finding" and "not the finding", with ``w_l = 1 / (sum_n r_ln)^2``. A label that no cell has would weigh
    infinitely; both labels then weigh alike, which makes the loss of an empty mask the mean probability over the map.

    Args:
        here: (B, C, h, w) logits.
        mask: (B, C, h, w) share of each cell that is the finding, 0 to 1.

    Returns:
        (B, C) in [0, 1], of the logits' type, float32 at the least.
    """
    here = here if here.dtype == torch.float64 else here.float()
    mask = mask.to(here.dtype)
    # Both from their own side: 1 - sigmoid would lose what is left of a large logit.
    finding, rest = _sums(torch.sigmoid(here), mask), _sums(torch.sigmoid(-here), 1 - mask)
    # Weights times both squares, so that a finding of a pixel overflows nothing.
    is_mixed = (finding.true > 0) & (rest.true > 0)
    weight = torch.where(is_mixed, rest.true.square(), 1.0)
    other = torch.where(is_mixed, finding.true.square(), 1.0)
    return 1 - 2 * (weight * finding.both + other * rest.both) / (weight * finding.total + other * rest.total)


class _Sums(NamedTuple):
    """Of a label, over the cells of each map: in the truth, in both, and truth plus prediction; each (B, C)."""

    true: Tensor
    both: Tensor
    total: Tensor


def _sums(said: Tensor, true: Tensor) -> _Sums:
    across = true.sum(dim=(2, 3))
    return _Sums(across, (said * true).sum(dim=(2, 3)), across + said.sum(dim=(2, 3)))
