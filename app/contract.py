"""What a network says and what is known: the two batches that every network, loss and metric meets in."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Prediction(NamedTuple):
    """A batch of what a network says.

    Attributes:
        score: (B, C) logits of "present in the image".
        map: (B, C, h, w) logits of "here", at whatever resolution the network has.
    """

    score: Tensor
    map: Tensor

    @property
    def shape(self) -> torch.Size:
        """Shape of ``score``: a prediction stands for its scores where a tool (MONAI's checks) wants one tensor."""
        return self.score.shape

    @property
    def dtype(self) -> torch.dtype:
        """Type of ``score``."""
        return self.score.dtype


class Target(NamedTuple):
    """A batch of what is known.

    Attributes:
        label: (B, C) float; 1 present, 0 absent, between them a certainty, -1 uncertain, -2 not said.
        mask: (B, C, H, W) float in [0, 1]; meaningful only where ``annotated``.
        annotated: (B, C) bool; whether the location was asked for. An empty mask then means "nowhere".
    """

    label: Tensor
    mask: Tensor
    annotated: Tensor


def mask_on_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring masks to the grid of a map: each cell gets the share of its area that the mask covers.

    The one place where ``Target.mask`` changes its resolution.

    Args:
        mask: (B, C, H, W), any real or integer type, values 0 to 1.
        grid: (h, w) of the map. Where it is finer than the mask, the mask is repeated (nearest neighbour).

    Returns:
        (B, C, h, w) float.
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
