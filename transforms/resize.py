"""Resizing of a radiograph and its annotations to the size that a network takes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import cv2
import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, Transform
from torch import Tensor

from transforms.pixels import Image, naming, plane, to_image, to_numpy
from transforms.regions import mask_on_region, subregion, whole_region


class ResizeRadiograph(Transform):
    """Resize an image: area means along a side that shrinks, linear interpolation along one that grows.

    Args:
        size: (height, width) of the result, or one number for both.
        keep_aspect: Whether to keep the aspect ratio and pad with 0 on both sides, instead of stretching.

    Raises:
        ValueError: ``size`` is not one or two whole numbers of at least 1.

    Example:
        >>> ResizeRadiograph(2)(np.array([[[0, 1, 2, 3], [0, 1, 2, 3]]], np.float32))
        tensor([[[0.5000, 2.5000],
                 [0.5000, 2.5000]]])
        >>> ResizeRadiograph(4, keep_aspect=True)(np.ones((1, 8, 4), np.float32))[0, 0]
        tensor([0., 1., 1., 0.])
    """

    def __init__(self, size: int | tuple[int, int], keep_aspect: bool = False) -> None:
        sides = (size, size) if isinstance(size, int | float) else tuple(size)
        if len(sides) != 2 or any(int(side) != side or side < 1 for side in sides):
            raise ValueError(f"size must be one or two whole numbers (height, width) of at least 1, not {size}")
        self.size = (int(sides[0]), int(sides[1]))
        self.keep_aspect = bool(keep_aspect)

    def __call__(self, image: Image) -> Tensor:
        """Resize.

        Args:
            image: (1, H, W).

        Returns:
            (1, height, width) float32.
        """
        pixels = plane(image)
        x, y, width, height = self.content(pixels.shape)
        pixels = _resized(pixels, (height, width))
        if (height, width) == self.size:
            return to_image(pixels)
        padded = np.zeros(self.size, dtype=np.float32)
        padded[y : y + height, x : x + width] = pixels
        return to_image(padded)

    def content(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Position of an image of ``shape`` (H, W) in the result: x, y, width, height in its pixels."""
        if not self.keep_aspect:
            return 0, 0, self.size[1], self.size[0]
        scale = min(self.size[0] / shape[0], self.size[1] / shape[1])
        height, width = (max(1, round(side * scale)) for side in shape)
        return (self.size[1] - width) // 2, (self.size[0] - height) // 2, width, height


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    # OpenCV computes area means only if both sides shrink, so a side that grows is resized afterwards.
    smaller = (min(size[0], pixels.shape[0]), min(size[1], pixels.shape[1]))
    if smaller != pixels.shape:
        pixels = cv2.resize(pixels, smaller[::-1], interpolation=cv2.INTER_AREA)
    if size != smaller:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)
    return pixels


class ResizeRadiographd(MapTransform):
    """Dictionary form of `ResizeRadiograph`, which also transforms annotations.

    Boxes are scaled; a ``mask`` tensor (C, H, W) is resampled by `mask_on_region` (on if at least half covered; no mask
    vanishes); a list of mask files and run lengths stays unchanged. With ``keep_aspect`` the ``region`` grows by the
    padding and may extend beyond the stored image; otherwise it stays the same.

    Args:
        keys: Keys of images, all of one size.
        mask_key: Key of the findings' masks; None leaves them unchanged.
        boxes_key: Key of boxes (N, 4) in pixels of the image.
        size: See `ResizeRadiograph`.
        keep_aspect: See `ResizeRadiograph`.

    Example:
        >>> sample = {"image": np.zeros((1, 8, 8), np.float32), "boxes": np.array([[4, 0, 4, 8]])}
        >>> ResizeRadiographd(size=(8, 4))(sample)["boxes"]
        array([[2., 0., 2., 8.]], dtype=float32)
    """

    def __init__(
        self,
        keys: KeysCollection = ("image",),
        mask_key: str | None = "mask",
        boxes_key: str = "boxes",
        size: int | tuple[int, int] = 512,
        keep_aspect: bool = False,
    ) -> None:
        super().__init__(keys)
        self.resize = ResizeRadiograph(size, keep_aspect)
        self.mask_key = mask_key
        self.boxes_key = boxes_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resize the images of a sample; errors name it."""
        sample = dict(data)
        with naming(sample):
            shape = tuple(sample[self.first_key(sample)].shape[-2:])
            extent = self._extent(shape)
            for key in self.key_iterator(sample):
                sample[key] = self.resize(sample[key])
            mask = sample.get(self.mask_key) if self.mask_key is not None else None
            if isinstance(mask, Tensor | np.ndarray):
                sample[self.mask_key] = _masks_on_region(to_numpy(mask), extent, self.resize.size)
            if sample.get(self.boxes_key) is not None:
                sample[self.boxes_key] = self._moved(sample[self.boxes_key], shape)
            sample["region"] = subregion(sample.get("region", whole_region(shape)), extent, shape)
        return sample

    def _extent(self, shape: tuple[int, int]) -> np.ndarray:
        """The area that the result covers, including padding: x, y, width, height in pixels before resizing."""
        x, y, width, height = self.resize.content(shape)
        step = np.array([shape[1] / width, shape[0] / height])
        return np.concatenate([-step * [x, y], step * self.resize.size[::-1]])

    def _moved(self, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        x, y, width, height = self.resize.content(shape)
        scale = np.array([width / shape[1], height / shape[0]] * 2)
        return (np.asarray(boxes).reshape(-1, 4) * scale + [x, y, 0, 0]).astype(np.float32)


def _masks_on_region(masks: np.ndarray, region: np.ndarray, size: tuple[int, int]) -> Tensor:
    result = torch.zeros((len(masks), *size), dtype=torch.uint8)
    for index in np.flatnonzero(masks.reshape(len(masks), -1).any(axis=1)):
        result[index] = torch.from_numpy(mask_on_region(masks[index], region, size))
    return result
