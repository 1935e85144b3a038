"""What every transform after reading asks of an image in hand: one plane of finite values in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

Image = Tensor | np.ndarray
"""(1, H, W), rows first, values in [0, 1]; a MetaTensor is a Tensor."""


def plane(image: Image) -> np.ndarray:
    """The one channel of an image as a contiguous (H, W) float32 array.

    Raises:
        ValueError: where the shape is not (1, H, W) with H and W above zero.
    """
    array = to_numpy(image)
    if array.ndim != 3 or array.shape[0] != 1 or 0 in array.shape:
        raise ValueError(f"image has shape {tuple(array.shape)}, but (1, height, width) is needed")
    return np.ascontiguousarray(array[0], dtype=np.float32)


def to_numpy(array: Image) -> np.ndarray:
    """A tensor on any device, with or without meta data, as a numpy array; numpy arrays pass through."""
    if isinstance(array, MetaTensor):
        array = array.as_tensor()
    return array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)


def to_image(pixels: np.ndarray) -> Tensor:
    """A plane (H, W) as an image: (1, H, W) float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None]


@contextmanager
def naming(sample: Mapping[Any, Any]) -> Iterator[None]:
    """Put the sample's ``name`` before the text of every ValueError raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{sample.get('name', 'a sample without a name')}: {error}") from error


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask file.

    Args:
        path: any picture that OpenCV reads, of 8 or 16 bit.

    Returns:
        (H, W) bool: whether any colour channel is not zero; an alpha channel does not count.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no picture.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such mask file")
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{path}: not a picture that can be read as a mask (PNG, TIFF, BMP and the like can)")
    return pixels != 0 if pixels.ndim == 2 else (pixels[..., :3] != 0).any(axis=2)
