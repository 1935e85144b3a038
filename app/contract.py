"""The two batches that every network, loss and metric reads: what the network predicts, and what is known."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Prediction(NamedTuple):
    """A batch of predictions.

    Attributes:
        score: (B, C) logits that the finding is present in the image.
        map: (B, C, h, w) logits that it is at this place, at any resolution.

    Example:
        >>> Prediction(score=torch.zeros(4, 14), map=torch.zeros(4, 14, 16, 16)).shape
        torch.Size([4, 14])
    """

    score: Tensor
    map: Tensor

    @property
    def shape(self) -> torch.Size:
        """Shape of ``score``, for tools that expect a tensor (MONAI's checks)."""
        return self.score.shape

    @property
    def dtype(self) -> torch.dtype:
        """Type of ``score``."""
        return self.score.dtype


class Target(NamedTuple):
    """A batch of what is known.

    Attributes:
        label: (B, C) float: 1 present, 0 absent, between them a certainty, -1 uncertain, -2 not said.
        mask: (B, C, H, W) float in [0, 1]; means something only if ``annotated``.
        annotated: (B, C) bool: whether somebody was asked for the location. An empty mask then means "nowhere".
    """

    label: Tensor
    mask: Tensor
    annotated: Tensor


def mask_on_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring masks to the grid of a map: each cell gets the share of its area that the mask covers.

    This is the only place in which ``Target.mask`` changes its resolution.

    Args:
        mask: (B, C, H, W) of any real or integer type, values from 0 to 1.
        grid: (h, w) of the map. If it is finer than the mask, the mask is repeated (nearest neighbour).

    Returns:
        (B, C, h, w) float.

    Example:
        >>> mask_on_grid(torch.tensor([[[[1, 1], [1, 0]]]]), (1, 1))
        tensor([[[[0.7500]]]])
    """
    mask = mask.float()
    if mask.shape[-2:] == grid:
        return mask
    if grid[0] > mask.shape[-2] or grid[1] > mask.shape[-1]:
        return functional.interpolate(mask, size=grid, mode="nearest")
    return functional.adaptive_avg_pool2d(mask, grid)


def wide(values: Tensor) -> Tensor:
    """Values as float32 if their type is narrower, so that sums of many do not lose digits; float64 stays."""
    return values if values.dtype == torch.float64 else values.float()
