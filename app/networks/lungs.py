"""The lungs of a radiograph, outlined by a trained U-Net."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from app.networks.checkpoints import load_exactly
from app.networks.unet import UNet
from transforms.resize import ResizeRadiograph


class LungSegmenter:
    """Outline both lungs, the parts behind the heart included.

    The network is loaded at the first call, and is left behind on pickling: each worker process loads its own.

    Args:
        checkpoint: weights of a `UNet` of one finding, as the lung_segmentation bundle ships and trains them.
        size: side of the square that the radiograph is squeezed to, as in training; a multiple of 4, 64 or more.

    Raises:
        FileNotFoundError: there is no such checkpoint; raised at once, not at the first radiograph.
    """

    def __init__(self, checkpoint: str | Path, size: int = 256) -> None:
        self.checkpoint = Path(checkpoint)
        if not self.checkpoint.is_file():
            raise FileNotFoundError(f"{self.checkpoint}: no such checkpoint of a lung segmentation network")
        self.size = size
        self._resize = ResizeRadiograph(size)
        self._network: UNet | None = None

    def __call__(self, image: Tensor | np.ndarray) -> np.ndarray:
        """Segment one radiograph.

        Args:
            image: (1, H, W) in [0, 1], bright is dense.

        Returns:
            (size, size) bool over the whole radiograph, whatever its aspect ratio; True is lung, in two connected parts
            at most. It may be empty or absurd, where the radiograph is: see `transforms.lungs.implausibility`.
        """
        with torch.inference_mode():
            prediction = self._loaded()(self._resize(image)[None])
        return two_largest_parts((prediction.map[0, 0] > 0).numpy())

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_network": None}

    def _loaded(self) -> UNet:
        if self._network is None:
            network = UNet()
            load_exactly(network, self.checkpoint)
            self._network = network.eval()
        return self._network


def two_largest_parts(mask: np.ndarray) -> np.ndarray:
    """What is left of a mask (h, w) when of its connected parts only the two largest stay; bool.

    A third part is air elsewhere: beside the neck, between arm and chest.
    """
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 3:
        return mask != 0
    largest = 1 + np.argsort(statistics[1:, cv2.CC_STAT_AREA], kind="stable")[-2:]
    return np.isin(parts, largest)
