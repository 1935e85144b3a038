"""Segmentation of the lungs by a trained U-Net."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from app.checking.model_records import recorded_settings
from app.installed import find_file
from app.networks.checkpoints import load_exactly
from app.networks.unet import UNet
from transforms.resize import ResizeRadiograph

SIZE = 256
"""Side of the input of weights that have no record."""


class LungSegmenter:
    """Segment both lungs, including the parts behind the heart.

    The network is loaded at the first call and is not pickled: each worker process loads its own.

    Args:
        checkpoint: Weights of a `UNet` with one finding, as the lung_segmentation bundle ships and trains them.
        size: Side of the square that the radiograph is resized to, a multiple of 4, at least 64; None for that of the
            training, which stands beside the weights, or else 256.

    Raises:
        FileNotFoundError: There is no such checkpoint; raised here, not at the first radiograph.
        ValueError: The record beside the weights is damaged.

    Example:
        >>> segment = LungSegmenter("bundles/lung_segmentation/models/model.pt")
        >>> segment(np.zeros((1, 512, 400), np.float32)).shape
        (256, 256)
    """

    def __init__(self, checkpoint: str | Path, size: int | None = None) -> None:
        self.checkpoint = find_file(checkpoint)
        if not self.checkpoint.is_file():
            raise FileNotFoundError(f"{self.checkpoint}: no such checkpoint of a lung segmentation network")
        self.size = int(recorded_settings(self.checkpoint).get("image_size", SIZE)) if size is None else size
        self._resize = ResizeRadiograph(self.size)
        self._network: UNet | None = None

    def __call__(self, image: Tensor | np.ndarray) -> np.ndarray:
        """Segment one radiograph.

        Args:
            image: (1, H, W) in [0, 1]; dense structures are bright.

        Returns:
            (size, size) float32 over the whole radiograph, whatever its aspect ratio: the probability of lung. It is
            above one half in at most two connected parts. There may be none, or they may be implausible; see
            `transforms.lungs.implausibility`.
        """
        with torch.inference_mode():
            logits = self._loaded()(self._resize(image)[None]).map[0, 0]
            probability: np.ndarray = torch.sigmoid(logits).numpy()
        is_lung = probability > 0.5
        return probability * (two_largest_parts(is_lung) | ~is_lung)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_network": None}

    def _loaded(self) -> UNet:
        if self._network is None:
            network = UNet()
            load_exactly(network, self.checkpoint)
            self._network = network.eval()
        return self._network


def two_largest_parts(mask: np.ndarray) -> np.ndarray:
    """Keep the two largest connected parts of a mask (h, w); bool.

    A third part is air elsewhere, such as beside the neck or between arm and chest.

    Example:
        >>> two_largest_parts(np.array([[1, 1, 0, 1, 0, 1, 1]]))
        array([[ True,  True, False, False, False,  True,  True]])
    """
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 3:
        return mask != 0
    largest = 1 + np.argsort(statistics[1:, cv2.CC_STAT_AREA], kind="stable")[-2:]
    return np.isin(parts, largest)
