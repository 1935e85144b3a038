"""Which part of the stored image an image in hand covers, and the way there and back for boxes, masks and maps.

A region is (x, y, width, height) in pixels of the stored image; the image in hand covers it whatever its own
resolution. Crops and resizes are all that happens, so four numbers are enough to undo them. A region may reach beyond
the stored image, where an image was padded. Pixel (row 0, column 0) covers x and y from 0 to 1.
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
    """The region of an image that is not cropped: (4,) float32, for a ``size`` of (height, width)."""
    return np.array([0, 0, size[1], size[0]], dtype=np.float32)


def subregion(region: np.ndarray, box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The region that remains when ``box`` is cut out of, or padded around, the image in hand.

    Args:
        region: (4,) of the image in hand.
        box: (4,) x, y, width, height in pixels of the image in hand.
        shape: (height, width) of the image in hand.

    Returns:
        (4,) float32.
    """
    return boxes_to_stored(np.asarray(box)[None], region, shape)[0]


def boxes_to_stored(boxes: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring boxes from pixels of the image in hand to pixels of the stored image.

    Args:
        boxes: (N, 4) x, y, width, height.
        region: (4,) of the image in hand.
        shape: (height, width) of the image in hand.

    Returns:
        (N, 4) float32.
    """
    corner, scale = _corner_and_scale(region, shape)
    boxes = _four_columns(boxes)
    return np.hstack([boxes[:, :2] * scale + corner, boxes[:, 2:] * scale]).astype(np.float32)


def boxes_to_image(boxes: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring boxes from pixels of the stored image to pixels of the image in hand; nothing is clipped.

    Args:
        boxes: (N, 4) x, y, width, height.
        region: (4,) of the image in hand.
        shape: (height, width) of the image in hand.

    Returns:
        (N, 4) float32.
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
        (N, 4) float32 boxes, none dropped, of zero size at the nearest edge where they lie outside; and (N,) bool,
        whether a box lay outside altogether.
    """
    boxes = _four_columns(boxes)
    limit = np.array(shape[::-1], dtype=np.float64)
    start, stop = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = ((stop <= 0) | (start >= limit)).any(axis=1)
    start, stop = np.clip(start, 0, limit), np.clip(stop, 0, limit)
    # A box that misses the image along one axis only keeps no area, so it keeps no extent along the other one.
    stop = np.where(outside[:, None], start, stop)
    return np.hstack([start, stop - start]).astype(np.float32), outside


def mask_on_region(mask: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a mask from the stored image's grid to the grid of an image that covers ``region``.

    A pixel is on where the mask covers half of its area or more. A mask of which the region holds anything never
    vanishes: where no pixel is half covered, the one that is covered most is on.

    Args:
        mask: (H, W), not zero is on.
        region: (4,) in pixels of the mask; what lies beyond the mask is off.
        shape: (h, w) to come out.

    Returns:
        (h, w) uint8, 0 or 1.
    """
    x, y, width, height = (float(value) for value in region)
    # The integral image is bilinear inside a pixel: interpolated at the new pixels' edges it gives exact areas.
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
    """Bring a map back to the pixels of the stored image: the inverse of every crop and resize.

    Args:
        map: (C, h, w) or (h, w), any real values, at whatever resolution the network has.
        region: (4,) what the map covers, in pixels of the stored image.
        original_size: (H, W) of the stored image.
        background: value where the map says nothing, outside the region.
        patches: whether each cell of the map has one value throughout, and not only at its centre.

    Returns:
        (C, H, W) or (H, W) float32: bilinear between the centres of the map's cells, constant beyond the outer ones;
        with ``patches`` that of the cell that the pixel's centre lies in.

    Raises:
        ValueError: where the map has neither two nor three axes, or the region has no area.
    """
    values = to_numpy(map).astype(np.float32)
    if values.ndim not in (2, 3) or 0 in values.shape[-2:]:
        raise ValueError(f"map has shape {values.shape}, but (C, h, w) or (h, w) is needed")
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
    """What ``restore_map`` makes of one map, in parts that are small enough to stay in a processor's cache.

    Args:
        map: (h, w) float32.
        region: as in ``restore_map``, like all others.
        original_size: (H, W).
        patches: see there.

    Yields:
        First row, first column, and values of some rows of the pixels that the region holds, (k, n) float32.
    """
    wide, down, top, left = at_pixel_columns(map, region, original_size, patches)
    step = max(1, PIXELS_AT_ONCE // max(wide.shape[1], 1))
    for first in range(0, len(down), step):
        yield top + first, left, _interpolate_rows(wide, down[first : first + step])


def at_pixel_columns(
    map: np.ndarray, region: np.ndarray, original_size: tuple[int, int] | np.ndarray, patches: bool = False
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """A map at the columns of the pixels that its region holds, still with its own rows.

    Args:
        map: (h, w) float32.
        region: as in ``restore_map``, like all others.
        original_size: (H, W).
        patches: see there.

    Returns:
        The map's rows at the columns of pixels (h, n), the position of each row of pixels among the map's rows (m,),
        within [0, h - 1], and the first row and the first column of these pixels.
    """
    x, y, width, height = _checked(region)
    rows = _inside(y, height, int(original_size[0]))
    columns = _inside(x, width, int(original_size[1]))
    if not (rows.size and columns.size):
        return np.zeros((len(map), 0), map.dtype), np.zeros(0), 0, 0
    down = (rows + 0.5 - y) * (map.shape[0] / height) - 0.5
    across = (columns + 0.5 - x) * (map.shape[1] / width) - 0.5
    if patches:
        # Half a cell from one centre to the border: a pixel whose centre is on it goes with what follows.
        down, across = np.floor(down + 0.5), np.floor(across + 0.5)
    wide = np.ascontiguousarray(_interpolate_rows(map.T, across).T)
    return wide, np.clip(down, 0, len(map) - 1), int(rows[0]), int(columns[0])


def _corner_and_scale(region: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    x, y, width, height = _checked(region)
    return np.array([x, y]), np.array([width / shape[1], height / shape[0]])


def _checked(region: np.ndarray) -> tuple[float, float, float, float]:
    values = np.asarray(region, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all() or (values[2:] <= 0).any():
        raise ValueError(f"region is {values.tolist()}, but x, y and a width and height above 0 are needed")
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
    # So written, what lies between equal values equals them.
    return array[below] + (array[above] - array[below]) * share
