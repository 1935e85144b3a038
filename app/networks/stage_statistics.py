"""What each stage of a backbone sees of an image: the mean and the deviation of its features in each cell of a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def stage_statistics(stages: list[Tensor]) -> Tensor:
    """Means of all stages' features in the cells of the last stage, and deviations within these cells.

    Early layers see edges and textures, which the last layers of a network trained on photographs have partly thrown
    away. The last stage has one value a cell, so no deviation. Both statistics are computed in float32.

    Args:
        stages: (B, F_i, h_i, w_i), from fine to coarse.

    Returns:
        (B, F, h, w): F is the sum of all F_i, and of all but the last.

    Example:
        >>> fine = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])
        >>> stage_statistics([fine, torch.full((1, 1, 1, 1), 5.0)]).flatten()
        tensor([2., 5., 1.])
    """
    grid = (int(stages[-1].shape[2]), int(stages[-1].shape[3]))
    means, deviations = [], []
    for stage in stages:
        mean = _pooled(stage.float(), grid)
        square = _pooled(stage.float().square(), grid)
        means.append(mean)
        # A constant cell has the deviation 0, where a root has no gradient.
        deviations.append((square - mean.square()).clamp(min=1e-6).sqrt())
    return torch.cat(means + deviations[:-1], dim=1)


def _pooled(stage: Tensor, grid: tuple[int, int]) -> Tensor:
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        # For export: ONNX has no adaptive pooling.
        rows = _windows(int(stage.shape[2]), grid[0]).to(stage)
        columns = _windows(int(stage.shape[3]), grid[1]).to(stage)
        return rows @ stage @ columns.transpose(0, 1)
    return functional.adaptive_avg_pool2d(stage, grid)


def _windows(size: int, cells: int) -> Tensor:
    """(cells, size): the weight of each pixel in each cell's mean; cells overlap if they do not divide the size."""
    pixel, cell = torch.arange(size), torch.arange(cells)[:, None]
    first = torch.div(cell * size, cells, rounding_mode="floor")
    end = torch.div((cell + 1) * size + cells - 1, cells, rounding_mode="floor")
    inside = ((pixel >= first) & (pixel < end)).float()
    return inside / inside.sum(dim=1, keepdim=True)


class Standardise(nn.Module):
    """Centre and scale each channel of a map by mean and deviation, over training images, of its spatial mean.

    So features that were stored as spatial means, and whole maps, are treated alike. Every batch of the training counts
    with the same weight; unlike in batch normalisation, a batch is scaled by all batches so far, as it is later.

    Args:
        channels: F.

    Example:
        >>> layer = Standardise(1)
        >>> layer(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)).flatten().round(decimals=2)  # mean 2, variance 2
        tensor([-0.7100,  0.7100])
        >>> layer.eval()(torch.tensor([2.0]).view(1, 1, 1, 1)).flatten()
        tensor([0.])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, affine=False, momentum=None)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, h, w) to the same shape, in float32; a batch of one image is not remembered.

        Raises:
            ValueError: The first batch of a training has one image.
        """
        features = features.float()
        batches = self.norm.num_batches_tracked
        assert batches is not None
        if self.training and len(features) == 1 and batches == 0:
            raise ValueError(
                "batches of 1 image have no deviation to standardise all stages by; set batch_size to more"
            )
        if self.training and len(features) > 1:
            self.norm(features.detach().mean(dim=(2, 3)))
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None  # torch's types allow it, as does TorchScript
        assert variance is not None
        return (features - mean[:, None, None]) * (variance[:, None, None] + self.norm.eps).rsqrt()
