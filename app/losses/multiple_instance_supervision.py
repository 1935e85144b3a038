"""The supervision of losses over patches: the patches of a located finding, or else whether it is present."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from app.contract import Target, mask_on_grid


class PatchSupervision(NamedTuple):
    """What is known about a batch, for each patch.

    Attributes:
        located: (B, K) bool, a^k of Rozenberg et al. 2020: the finding's location was drawn.
        inside: (B, K, P, Q) float, 0 or 1: the patches of the box b^k; defined only if ``located``.
        present: (B, K) float, y^k: 1 present, 0 absent, a certainty between them; used only if not located.
        known: (B, K) bool: y^k is known and the finding is not located.
    """

    located: Tensor
    inside: Tensor
    present: Tensor
    known: Tensor


def patch_supervision(target: Target, grid: tuple[int, int], dtype: torch.dtype) -> PatchSupervision:
    """Sort the (image, finding) pairs of a batch into located, known and unknown ones.

    A patch belongs to a box if the box covers at least half as much of it as of the patch that it covers most. For a
    large box these are the patches it covers by half, and a small box always has one. (The paper only says that a box
    is a subset of the patches.) A box is trusted whatever the label says. An empty mask of an annotated finding means
    "nowhere", so the finding is absent, unless its label says that it is present: then its location was lost, for
    example by a crop, and only the label counts. A negative label is unknown.

    Args:
        target: The batch.
        grid: (P, Q) of the map.
        dtype: Floating type of the result.

    Example:
        >>> mask = torch.zeros(1, 1, 8, 8)
        >>> mask[..., :4, :3] = 1  # three quarters of the first patch of a 2 x 2 grid
        >>> target = Target(torch.ones(1, 1), mask, torch.ones(1, 1, dtype=torch.bool))
        >>> patch_supervision(target, (2, 2), torch.float32).inside
        tensor([[[[1., 0.],
                  [0., 0.]]]])
    """
    covered = mask_on_grid(target.mask, grid)
    most_covered = covered.amax(dim=(2, 3), keepdim=True)
    annotated = target.annotated.bool()
    located = annotated & (most_covered[:, :, 0, 0] > 0)
    nowhere = annotated & ~located & (target.label < 0)
    return PatchSupervision(
        located=located,
        inside=((covered >= 0.5 * most_covered) & (most_covered > 0)).to(dtype),
        present=target.label.clamp(min=0).to(dtype),
        known=~located & ((target.label >= 0) | nowhere),
    )


def positive_ratio(labels: ArrayLike) -> list[float]:
    """Number of present over absent images for each finding: gamma of equation 11 of Rozenberg et al. 2020.

    Args:
        labels: (N, K) array or nested sequence; 1 present, 0 absent, negative unknown; from 0.5 on, present.

    Returns:
        K numbers; 1 for a finding that is always or never present.

    Example:
        >>> positive_ratio([[1, 0], [0, 0], [0, -1]])
        [0.5, 1.0]
    """
    values = torch.as_tensor(np.asarray(labels, dtype=np.float64))
    present = (values >= 0.5).sum(dim=0).double()
    absent = ((values >= 0) & (values < 0.5)).sum(dim=0).double()
    ratio = torch.where((present > 0) & (absent > 0), present / absent.clamp(min=1), torch.ones_like(present))
    return [float(value) for value in ratio]


def mean_over_images(loss: Tensor, supervision: PatchSupervision) -> Tensor:
    """Sum losses (B, K) over findings (equation 3) and average over the images of which anything is known.

    Returns:
        Scalar; zero if nothing is known.
    """
    images = (supervision.located | supervision.known).any(dim=1).sum()
    return loss.sum() / images.clamp(min=1)
