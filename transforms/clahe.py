"""Contrast-limited adaptive histogram equalisation (CLAHE) of a radiograph."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import cv2
import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, Transform
from torch import Tensor

from transforms.pixels import Image, naming, plane, to_image

_ROUNDING = 1e-5


class CLAHE(Transform):
    """Contrast-limited adaptive histogram equalisation by OpenCV, on 256 grey levels.

    The image is first rounded to 256 grey levels, whatever the depth of its file: with 16 bits OpenCV uses 65,536 bins,
    for which the same clip limit clips hardly anything and leaves the picture almost unchanged. This way files of 8 and
    16 bits, which differ by less than half a grey level, give the same result.

    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994, as in
    ``cv2.createCLAHE``.

    Args:
        clip_limit: Highest bin of a tile's histogram, as a multiple of the mean bin; above 0. The excess is distributed
            over all bins.
        tiles: Number of tiles (rows, columns) that the image is divided into; at least 1 each.

    Raises:
        ValueError: A parameter is out of its range.

    Example:
        >>> image = np.linspace(0.4, 0.6, 64, dtype=np.float32).reshape(1, 8, 8)  # little contrast
        >>> equalised = CLAHE(tiles=(1, 1))(image)
        >>> bool(equalised.max() - equalised.min() > 0.2)
        True
    """

    def __init__(self, clip_limit: float = 2.0, tiles: tuple[int, int] = (8, 8)) -> None:
        if not (np.isfinite(clip_limit) and clip_limit > 0):
            raise ValueError(f"clip_limit must be a finite number above 0, not {clip_limit}")
        if len(tiles) != 2 or any(int(count) != count or count < 1 for count in tiles):
            raise ValueError(f"tiles must be two whole numbers (rows, columns) of at least 1, not {tuple(tiles)}")
        self.clip_limit = float(clip_limit)
        self.tiles = (int(tiles[0]), int(tiles[1]))

    def __call__(self, image: Image) -> Tensor:
        """Equalise one image.

        Args:
            image: (1, H, W) in [0, 1], with at least one pixel per tile.

        Returns:
            (1, H, W) float32 in [0, 1], multiples of 1/255.

        Raises:
            ValueError: The image has another shape, values outside [0, 1] or NaN, or is smaller than the grid of tiles.
        """
        pixels = plane(image)
        low, high = float(pixels.min()), float(pixels.max())
        # Means over areas overshoot by a rounding error. The condition is also false for NaN.
        if not (low >= -_ROUNDING and high <= 1.0 + _ROUNDING):
            raise ValueError(f"image has values from {low:g} to {high:g}, but CLAHE needs [0, 1] without NaN")
        if pixels.shape[0] < self.tiles[0] or pixels.shape[1] < self.tiles[1]:
            raise ValueError(f"image of {pixels.shape} pixels is smaller than the grid of {self.tiles} tiles")
        levels = cv2.convertScaleAbs(pixels, alpha=255.0)  # rounds to the nearest level
        # Not kept, because OpenCV's object can neither be pickled for a worker process nor shared by threads.
        equalise = cv2.createCLAHE(clipLimit=self.clip_limit, tileGridSize=self.tiles[::-1])
        return to_image(np.divide(equalise.apply(levels), np.float32(255), dtype=np.float32))


class CLAHEd(MapTransform):
    """Dictionary form of `CLAHE`.

    Args:
        keys: Keys of the images.
        clip_limit: See `CLAHE`.
        tiles: See `CLAHE`.
    """

    def __init__(
        self, keys: KeysCollection = ("image",), clip_limit: float = 2.0, tiles: tuple[int, int] = (8, 8)
    ) -> None:
        super().__init__(keys)
        self.clahe = CLAHE(clip_limit, tiles)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Equalise the images of a sample; errors name it."""
        sample = dict(data)
        with naming(sample):
            for key in self.key_iterator(sample):
                sample[key] = self.clahe(sample[key])
        return sample
