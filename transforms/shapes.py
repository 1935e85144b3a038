"""Masks of ellipses, boxes and run lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ellipse_mask(box: Sequence[float] | np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The ellipse inscribed in a box: pixels whose centres are inside it.

    Source: Kim et al. 2023, where ellipses drawn in boxes represent nodules.

    Args:
        box: x, y, width, height in pixels; may reach beyond the image.
        shape: (H, W) of the image.

    Returns:
        (H, W) uint8, 0 or 1. An ellipse too small to hold a pixel's centre is the pixel that holds its own centre; a
        box without area draws nothing.

    Example:
        >>> ellipse_mask((0, 0, 4, 4), (4, 5))
        array([[0, 1, 1, 0, 0],
               [1, 1, 1, 1, 0],
               [1, 1, 1, 1, 0],
               [0, 1, 1, 0, 0]], dtype=uint8)
    """
    return _draw(box, shape, ellipse=True)


def box_mask(box: Sequence[float] | np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A full box: pixels whose centres are inside it; otherwise like `ellipse_mask`.

    Example:
        >>> int(box_mask((1, 0, 2, 2), (3, 4)).sum())
        4
    """
    return _draw(box, shape, ellipse=False)


def run_length_mask(size: tuple[int, int], counts: Sequence[int]) -> np.ndarray:
    """A mask from COCO's uncompressed run lengths.

    Args:
        size: (height, width).
        counts: Lengths of runs down the columns, alternately off and on, starting with off.

    Returns:
        (height, width) uint8, 0 or 1.

    Raises:
        ValueError: A length is negative, or the lengths do not add up to the size.

    Example:
        >>> run_length_mask((2, 3), (1, 2, 3))
        array([[0, 1, 0],
               [1, 0, 0]], dtype=uint8)
    """
    height, width = (int(side) for side in size)
    lengths = np.asarray(counts, dtype=np.int64)
    if (lengths < 0).any() or int(lengths.sum()) != height * width:
        raise ValueError(
            f"run lengths add up to {lengths.sum()}, but a mask of {height} x {width} has {height * width}"
        )
    values = np.arange(len(lengths), dtype=np.uint8) % 2
    return np.repeat(values, lengths).reshape(width, height).T


def _draw(box: Sequence[float] | np.ndarray, shape: tuple[int, int], ellipse: bool) -> np.ndarray:
    x, y, width, height = (float(value) for value in box)
    result = np.zeros(shape, dtype=np.uint8)
    if not (width > 0 and height > 0):
        return result
    left, top = max(0, int(np.floor(x))), max(0, int(np.floor(y)))
    right, bottom = min(shape[1], int(np.ceil(x + width))), min(shape[0], int(np.ceil(y + height)))
    if right <= left or bottom <= top:
        return result
    # Distance of the pixels' centres from the box's centre, in units of half a side.
    across = np.abs((np.arange(left, right) + 0.5 - x) / (width / 2) - 1)
    down = np.abs((np.arange(top, bottom) + 0.5 - y) / (height / 2) - 1)
    distance = across**2 + down[:, None] ** 2 if ellipse else np.maximum(across, down[:, None])
    inside = distance <= 1
    result[top:bottom, left:right] = inside
    if not inside.any():
        row, column = int(np.floor(y + height / 2)), int(np.floor(x + width / 2))
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            result[row, column] = 1
    return result
