"""Conversions between tensors, arrays and planes that the transforms share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from transforms.errors import MissingFileError
from transforms.masks import read_mask as read_mask

Image = Tensor | np.ndarray
"""(1, H, W), rows first, values in [0, 1]; a MetaTensor is a Tensor."""


def plane(image: Image) -> np.ndarray:
    """The one channel of an image as a contiguous (H, W) float32 array.

    Raises:
        ValueError: The shape is not (1, H, W) with H and W above zero.

    Example:
        >>> plane(torch.zeros(1, 2, 3)).shape
        (2, 3)
    """
    array = to_numpy(image)
    if array.ndim != 3 or array.shape[0] != 1 or 0 in array.shape:
        raise ValueError(f"image has shape {tuple(array.shape)}, but (1, height, width) is needed")
    return np.ascontiguousarray(array[0], dtype=np.float32)


def to_numpy(array: Image) -> np.ndarray:
    """Convert a tensor on any device, with or without metadata, to a numpy array; arrays are returned unchanged."""
    if isinstance(array, MetaTensor):
        array = array.as_tensor()
    return array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)


def to_image(pixels: np.ndarray) -> Tensor:
    """Convert a plane (H, W) to an image, a (1, H, W) float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None]


@contextmanager
def naming(sample: Mapping[Any, Any]) -> Iterator[None]:
    """Prefix the text of every ValueError raised inside with the sample's ``name``."""
    try:
        yield
    except ValueError as error:
        kind = MissingFileError if isinstance(error, MissingFileError) else ValueError
        raise kind(f"{sample.get('name', 'a sample without a name')}: {error}") from error
