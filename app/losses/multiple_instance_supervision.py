"""What the losses over patches go by: where a finding was located, its patches; elsewhere whether it is present."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from app.contract import Target, mask_on_grid


class PatchSupervision(NamedTuple):
    """A batch of what is known, patch by patch.

    Attributes:
        located: (B, K) bool, a^k of Rozenberg et al. 2020: somebody drew where the finding is.
        inside: (B, K, P, Q) float, 0 or 1: patches of the box b^k; meaningful only where ``located``.
        present: (B, K) float, y^k: where not located, 1 present, 0 absent, between them a certainty.
        known: (B, K) bool: not located, but y^k is known.
    """

    located: Tensor
    inside: Tensor
    present: Tensor
    known: Tensor


def patch_supervision(target: Target, grid: tuple[int, int], kind: torch.dtype) -> PatchSupervision:
    """Sort a batch into located, known and unknown pairs of image and finding.

    A patch belongs to a box that covers at least half as much of it as of the patch that it covers most: of a large box
    these are the patches it covers by half, and a small box always has one. (The paper only says that a box is a subset
    of the patches.) A box itself is trusted, whatever the label says. An empty mask of an annotated finding says
    "nowhere", so the finding is absent unless the label says that it is present: then its location was lost, such as by
    a crop, and the label alone counts. A negative label is unknown.

    Args:
        target: of the batch.
        grid: (P, Q) of the map.
        kind: floating type of the result.
    """
    share = mask_on_grid(target.mask, grid)
    most = share.amax(dim=(2, 3), keepdim=True)
    asked = target.annotated.bool()
    located = asked & (most[:, :, 0, 0] > 0)
    nowhere = asked & ~located & (target.label < 0)
    return PatchSupervision(
        located=located,
        inside=((share >= 0.5 * most) & (most > 0)).to(kind),
        present=target.label.clamp(min=0).to(kind),
        known=~located & ((target.label >= 0) | nowhere),
    )


def positive_ratio(labels: ArrayLike) -> list[float]:
    """By finding, present over absent images: gamma of equation 11 of Rozenberg et al. 2020.

    Args:
        labels: (N, K) nested sequence or array; 1 present, 0 absent, negative unknown, a certainty from 0.5 on present.

    Returns:
        K numbers; 1 where either kind does not occur.
    """
    values = torch.as_tensor(np.asarray(labels, dtype=np.float64))
    present = (values >= 0.5).sum(dim=0).double()
    absent = ((values >= 0) & (values < 0.5)).sum(dim=0).double()
    ratio = torch.where((present > 0) & (absent > 0), present / absent.clamp(min=1), torch.ones_like(present))
    return [float(value) for value in ratio]


def wide(logits: Tensor) -> Tensor:
    """As float32 where the type is narrower: hundreds of patches are summed."""
    return logits if logits.dtype == torch.float64 else logits.float()


def total(loss: Tensor, supervision: PatchSupervision) -> Tensor:
    """Equation 3's sum over findings, and the mean over the images of which anything is known.

    Args:
        loss: (B, K), zero where nothing is known.
        supervision: of the batch.

    Returns:
        Scalar; zero where nothing is known of any image.
    """
    images = (supervision.located | supervision.known).any(dim=1).sum()
    return loss.sum() / images.clamp(min=1)
