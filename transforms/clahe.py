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
    """Contrast-limited adaptive histogram equalisation, as OpenCV does it, on 256 grey levels.

    The image is rounded to 256 grey levels first, whatever the depth of its file: OpenCV's form for 16 bit has
    65,536 bins, in which the same clip limit hardly clips anything but flat areas and leaves the picture nearly as
    it was. So files of 8 and 16 bit, which differ by less than half a grey level, come out alike.

    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994, as in
    ``cv2.createCLAHE``.

    Args:
        clip_limit: highest bin of a tile's histogram, as a multiple of the mean bin; above 0. What is above it is
            spread over all bins.
        tiles: (rows, columns) of tiles that the image is divided into; 1 or more each.

    Raises:
        ValueError: where a parameter is out of its range.
    """

    def __init__(self, clip_limit: float = 2.0, tiles: tuple[int, int] = (8, 8)) -> None:
        if not (np.isfinite(clip_limit) and clip_limit > 0):
            raise ValueError(f"clip_limit is {clip_limit}, but must be a finite number above 0")
        if len(tiles) != 2 or any(int(count) != count or count < 1 for count in tiles):
            raise ValueError(f"tiles is {tuple(tiles)}, but must be two whole numbers (rows, columns) of 1 or more")
        self.clip_limit = float(clip_limit)
        self.tiles = (int(tiles[0]), int(tiles[1]))

    def __call__(self, image: Image) -> Tensor:
        """Equalise one image.

        Args:
            image: (1, H, W) in [0, 1], at least one pixel a tile.

        Returns:
            (1, H, W) float32 in [0, 1], multiples of 1/255.

        Raises:
            ValueError: where the image is of another shape, holds values outside [0, 1] or NaN, or is smaller than
                the grid of tiles.
        """
        pixels = plane(image)
        low, high = float(pixels.min()), float(pixels.max())
        # Means over areas overshoot by a rounding error. Written so that NaN fails as well.
        if not (low >= -_ROUNDING and high <= 1.0 + _ROUNDING):
            raise ValueError(f"image has values from {low:g} to {high:g}, but CLAHE needs [0, 1] without NaN")
        if pixels.shape[0] < self.tiles[0] or pixels.shape[1] < self.tiles[1]:
            raise ValueError(f"image of {pixels.shape} pixels is smaller than the grid of {self.tiles} tiles")
        levels = cv2.convertScaleAbs(pixels, alpha=255.0)  # rounds to the nearest level
        # Made here and not kept: OpenCV's object can neither be pickled for a worker process nor shared by threads.
        equalise = cv2.createCLAHE(clipLimit=self.clip_limit, tileGridSize=self.tiles[::-1])
        return to_image(np.divide(equalise.apply(levels), np.float32(255), dtype=np.float32))


class CLAHEd(MapTransform):
    """`CLAHE` of a sample's images.

    Args:
        keys: where the images are.
        clip_limit: as in `CLAHE`.
        tiles: as in `CLAHE`.
    """

    def __init__(
        self, keys: KeysCollection = ("image",), clip_limit: float = 2.0, tiles: tuple[int, int] = (8, 8)
    ) -> None:
        super().__init__(keys)
        self.clahe = CLAHE(clip_limit, tiles)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Equalise; errors name the sample."""
        sample = dict(data)
        with naming(sample):
            for key in self.key_iterator(sample):
                sample[key] = self.clahe(sample[key])
        return sample
