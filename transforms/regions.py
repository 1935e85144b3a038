"""The region of the stored image that an image covers, and conversions of boxes, masks and maps between the two.

A region is (x, y, width, height) in pixels of the stored image; the current image covers it at any resolution. Images
are only cropped and resized, so four numbers are enough to undo everything. The region of a padded image extends beyond
the stored image. Pixel (row 0, column 0) covers x and y from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from transforms.pixels import Image, to_numpy

_TOLERANCE = 1e-6
PIXELS_AT_ONCE = 1 << 17


def whole_region(size: tuple[int, int] | np.ndarray) -> np.ndarray:
    """The region of an image of ``size`` (height, width) that is not cropped: (4,) float32.

    Example:
        >>> whole_region((200, 100))
        array([  0.,   0., 100., 200.], dtype=float32)
    """
    return np.array([0, 0, size[1], size[0]], dtype=np.float32)


def subregion(region: np.ndarray, box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The region that remains if ``box`` is cut out of, or padded around, the current image.

    Args:
        region: (4,) of the current image.
        box: (4,) x, y, width, height in pixels of the current image.
        shape: (height, width) of the current image.

    Returns:
        (4,) float32.

    Example:
        >>> subregion(whole_region((200, 100)), np.array([10, 20, 30, 40]), shape=(100, 50))  # at half resolution
        array([20., 40., 60., 80.], dtype=float32)
    """
    return boxes_to_stored(np.asarray(box)[None], region, shape)[0]


def boxes_to_stored(boxes: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Convert boxes from pixels of the current image to pixels of the stored image.

    Args:
        boxes: (N, 4) x, y, width, height.
        region: (4,) of the current image.
        shape: (height, width) of the current image.

    Returns:
        (N, 4) float32.
    """
    corner, scale = _corner_and_scale(region, shape)
    boxes = _four_columns(boxes)
    return np.hstack([boxes[:, :2] * scale + corner, boxes[:, 2:] * scale]).astype(np.float32)


def boxes_to_image(boxes: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Convert boxes from pixels of the stored image to pixels of the current image, without clipping.

    Args:
        boxes: (N, 4) x, y, width, height.
        region: (4,) of the current image.
        shape: (height, width) of the current image.

    Returns:
        (N, 4) float32.

    Example:
        >>> boxes_to_image(np.array([[20, 40, 60, 80]]), whole_region((200, 100)), shape=(100, 50))
        array([[10., 20., 30., 40.]], dtype=float32)
    """
    corner, scale = _corner_and_scale(region, shape)
    boxes = _four_columns(boxes)
    return np.hstack([(boxes[:, :2] - corner) / scale, boxes[:, 2:] / scale]).astype(np.float32)


def clip_boxes(boxes: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Clip boxes to an image.

    Args:
        boxes: (N, 4) x, y, width, height in pixels of the image.
        shape: (height, width) of the image.

    Returns:
        (N, 4) float32 boxes, none dropped, with zero size at the nearest edge if they lie outside; and (N,) bool,
        whether a box lies entirely outside.

    Example:
        >>> clip_boxes(np.array([[-5, 0, 10, 10], [30, 0, 10, 10]]), (20, 20))
        (array([[ 0.,  0.,  5., 10.],
               [20.,  0.,  0.,  0.]], dtype=float32), array([False,  True]))
    """
    boxes = _four_columns(boxes)
    limit = np.array(shape[::-1], dtype=np.float64)
    start, stop = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = ((stop <= 0) | (start >= limit)).any(axis=1)
    start, stop = np.clip(start, 0, limit), np.clip(stop, 0, limit)
    # A box that misses the image along one axis has no area left, so its extent along the other one is dropped too.
    stop = np.where(outside[:, None], start, stop)
    return np.hstack([start, stop - start]).astype(np.float32), outside


def mask_on_region(mask: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample a mask from the stored image's grid to the grid of an image that covers ``region``.

    A pixel is on if the mask covers at least half of its area. A mask that overlaps the region never vanishes: if no
    pixel is half covered, the most covered one is on.

    Args:
        mask: (H, W), nonzero is on.
        region: (4,) in pixels of the mask; the mask is off outside its own grid.
        shape: (h, w) of the result.

    Returns:
        (h, w) uint8, 0 or 1.

    Example:
        >>> mask_on_region(np.array([[1, 1, 0, 1]]), whole_region((1, 4)), (1, 2))
        array([[1, 1]], dtype=uint8)
    """
    x, y, width, height = (float(value) for value in region)
    # The integral image is bilinear within a pixel, so interpolating it at the new pixels' edges gives exact areas.
    area = cv2.integral((mask != 0).astype(np.uint8)).astype(np.float64)
    area = _interpolate_rows(area, y + height / shape[0] * np.arange(shape[0] + 1))
    area = _interpolate_rows(area.T, x + width / shape[1] * np.arange(shape[1] + 1)).T
    share = np.diff(np.diff(area, axis=0), axis=1) * (shape[0] * shape[1] / (width * height))
    result = (share >= 0.5 - _TOLERANCE).astype(np.uint8)
    if not result.any() and share.max() > _TOLERANCE:
        result.flat[share.argmax()] = 1
    return result


def restore_map(
    map: Image,
    region: np.ndarray,
    original_size: tuple[int, int] | np.ndarray,
    background: float = 0.0,
    patches: bool = False,
) -> Tensor:
    """Bring a map back to the pixels of the stored image, inverting every crop and resize.

    Args:
        map: (C, h, w) or (h, w), any real values, at any resolution.
        region: (4,) area that the map covers, in pixels of the stored image.
        original_size: (H, W) of the stored image.
        background: Value outside the region.
        patches: Whether the value of a cell holds for the whole cell instead of its centre.

    Returns:
        (C, H, W) or (H, W) float32: bilinear between the centres of the map's cells and constant beyond the outer ones;
        with ``patches``, the value of the cell that contains the pixel's centre.

    Raises:
        ValueError: The map has neither two nor three axes, or the region has no area.

    Example:
        >>> restore_map(np.array([[1.0, 2.0]]), np.array([0, 0, 4, 1]), (1, 5), patches=True)
        tensor([[1., 1., 2., 2., 0.]])
    """
    values = to_numpy(map).astype(np.float32)
    if values.ndim not in (2, 3) or 0 in values.shape[-2:]:
        raise ValueError(f"map must have the shape (C, h, w) or (h, w), not {values.shape}")
    result = np.full((*values.shape[:-2], int(original_size[0]), int(original_size[1])), background, np.float32)
    for source, goal in zip(
        values.reshape(-1, *values.shape[-2:]), result.reshape(-1, *result.shape[-2:]), strict=True
    ):
        for row, column, part in restored_parts(source, region, original_size, patches):
            goal[row : row + part.shape[0], column : column + part.shape[1]] = part
    return torch.from_numpy(result)


def restored_parts(
    map: np.ndarray, region: np.ndarray, original_size: tuple[int, int] | np.ndarray, patches: bool = False
) -> Iterator[tuple[int, int, np.ndarray]]:
    """The result of ``restore_map`` for one map (h, w) float32, in parts that fit into a processor's cache.

    Yields:
        First row, first column, and values (k, n) float32 of some rows of the pixels in the region.
    """
    wide, down, top, left = at_pixel_columns(map, region, original_size, patches)
    step = max(1, PIXELS_AT_ONCE // max(wide.shape[1], 1))
    for first in range(0, len(down), step):
        yield top + first, left, _interpolate_rows(wide, down[first : first + step])


def at_pixel_columns(
    map: np.ndarray, region: np.ndarray, original_size: tuple[int, int] | np.ndarray, patches: bool = False
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Interpolate a map (h, w) float32 along its rows to the columns of the pixels in its region; see ``restore_map``.

    Returns:
        The map's rows at the columns of pixels, (h, n); the position of each row of pixels among the map's rows, (m,)
        in [0, h - 1]; and the first row and column of these pixels.
    """
    x, y, width, height = _checked(region)
    rows = _inside(y, height, int(original_size[0]))
    columns = _inside(x, width, int(original_size[1]))
    if not (rows.size and columns.size):
        return np.zeros((len(map), 0), map.dtype), np.zeros(0), 0, 0
    down = (rows + 0.5 - y) * (map.shape[0] / height) - 0.5
    across = (columns + 0.5 - x) * (map.shape[1] / width) - 0.5
    if patches:
        # A pixel whose centre is on the border of two cells belongs to the following one.
        down, across = np.floor(down + 0.5), np.floor(across + 0.5)
    wide = np.ascontiguousarray(_interpolate_rows(map.T, across).T)
    return wide, np.clip(down, 0, len(map) - 1), int(rows[0]), int(columns[0])


def _corner_and_scale(region: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    x, y, width, height = _checked(region)
    return np.array([x, y]), np.array([width / shape[1], height / shape[0]])


def _checked(region: np.ndarray) -> tuple[float, float, float, float]:
    values = np.asarray(region, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all() or (values[2:] <= 0).any():
        raise ValueError(f"region must be x, y, and a width and height above 0, not {values.tolist()}")
    x, y, width, height = values.tolist()
    return x, y, width, height


def _four_columns(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def _inside(start: float, extent: float, size: int) -> np.ndarray:
    """Indices of the pixels of ``size`` whose centres lie within an interval."""
    first, last = np.ceil(start - 0.5 - _TOLERANCE), np.floor(start + extent - 0.5 + _TOLERANCE)
    return np.arange(max(0, int(first)), min(size - 1, int(last)) + 1)


def _interpolate_rows(array: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of ``array`` at fractional indices, linear between rows and constant beyond the outer ones."""
    positions = np.clip(positions, 0, array.shape[0] - 1)
    below = np.floor(positions).astype(np.intp)
    above = np.minimum(below + 1, array.shape[0] - 1)
    share = (positions - below).astype(array.dtype)[:, None]
    # In this form, the interpolation of two equal values is exactly that value.
    return array[below] + (array[above] - array[below]) * share
