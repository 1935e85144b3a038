"""The small network that tells frontal radiographs of the chest from all other pictures."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
from safetensors.torch import load_file
from torch import Tensor, nn

from transforms.pixels import Image, plane
from transforms.resize import ResizeRadiograph

WEIGHTS = Path(__file__).with_name("frontal.safetensors")
"""Trained by ``python -m benchmarks.views --train``; float16."""
SIDE = 64
"""Of the square that a picture is resized to."""
WIDTHS = (16, 32, 64, 64)
FAINTEST = 0.03
"""Added to the deviation of a picture, so that the noise of an empty one is not taken for structure."""


class ViewNetwork(nn.Module):
    """Four convolutions of stride 2, each with batch normalisation, and a linear layer; 61,000 parameters.

    Example:
        >>> import torch
        >>> ViewNetwork()(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2])
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((1, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(WIDTHS[-1] * (SIDE // 2 ** len(WIDTHS)) ** 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, 1, 64, 64) from `standardised`; above 0 for frontal radiographs of the chest."""
        logits: Tensor = self.last(self.dropout(self.features(image).flatten(1)))
        return logits[:, 0]


def standardised(image: Image) -> Tensor:
    """A picture (1, H, W) as the network takes it: (1, 64, 64) of mean 0 and a deviation of about 1.

    Example:
        >>> import torch
        >>> standardised(torch.rand(1, 200, 300)).shape
        torch.Size([1, 64, 64])
    """
    small = ResizeRadiograph(SIDE)(_halved(plane(image))[None])
    return (small - small.mean()) / (small.std() + FAINTEST)


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) halved until a side is below 1,024: means of four are a tenth of the cost of means of thousands."""
    while min(pixels.shape) >= 16 * SIDE:
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels = cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return pixels


@functools.cache
def trained_network(weights: Path = WEIGHTS) -> ViewNetwork:
    """The network with trained weights, loaded once a process."""
    network = ViewNetwork()
    network.load_state_dict(load_file(weights))
    return network.eval().requires_grad_(False)
