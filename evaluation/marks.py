"""Marks on maps: peaks and connected regions, found in all maps at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray, require_dimensions


@dataclass(frozen=True)
class Marks:
    """M places that a reader or a map points at, in N images.

    Attributes:
        image: (M,) number of the image.
        x: (M,) pixels of the stored image, from its left edge.
        y: (M,) pixels, from its top edge.
        score: (M,) how sure.
    """

    image: IntArray
    x: FloatArray
    y: FloatArray
    score: FloatArray


def peaks(value: ArrayLike, region: ArrayLike, minimum: float) -> Marks:
    """Mark patches that none of their eight neighbours exceeds; of equal neighbours the first in reading order.

    Args:
        value: (N, h, w).
        region: (N, 4) x, y, width, height in pixels that each map covers.
        minimum: patches below it are not marked.
    """
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 3, "value")
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    height, width = values.shape[1:]
    highest = values >= minimum
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            if (down, right) != (1, 1):
                neighbour = padded[:, down : down + height, right : right + width]
                highest &= values > neighbour if (down, right) < (1, 1) else values >= neighbour
    image, row, column = np.nonzero(highest)
    x, y = _in_pixels(image, row, column, region, values.shape[1:])
    return Marks(image, x, y, values[image, row, column])


def components(value: ArrayLike, region: ArrayLike, threshold: float) -> Marks:
    """Mark each connected region of patches with at least ``threshold`` at its centre, scored by its highest patch.

    Patches that touch at a side or a corner are connected.

    Args:
        value: (N, h, w).
        region: (N, 4) as for ``peaks``.
        threshold: in the unit of ``value``.
    """
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 3, "value")
    number, count = label_components(values >= threshold)
    image, row, column = np.nonzero(number >= 0)
    belongs = number[image, row, column]
    size = np.bincount(belongs, minlength=count)
    centre_row, centre_column = (np.bincount(belongs, weights=place, minlength=count) / size for place in (row, column))
    score = np.full(count, -np.inf)
    np.maximum.at(score, belongs, values[image, row, column])
    of_image = np.zeros(count, dtype=np.int64)
    of_image[belongs] = image
    x, y = _in_pixels(of_image, centre_row, centre_column, region, values.shape[1:])
    return Marks(of_image, x, y, score)


def label_components(mask: ArrayLike) -> tuple[IntArray, int]:
    """Number the connected regions of many masks at once.

    Rows are cut into runs, runs that touch runs of the next row are joined, and joined runs take the smallest number,
    halving the distance to it in every round.

    Args:
        mask: (N, h, w) bool; pixels that touch at a side or a corner are connected.

    Returns:
        ``(number, count)``: (N, h, w) int64, -1 outside; regions count from 0 through all masks in reading order.
    """
    inside = np.asarray(mask, dtype=bool)
    require_dimensions(inside, 3, "mask")
    # A blank column parts the rows and a blank row the masks once everything is one line.
    line = np.pad(inside, ((0, 0), (0, 1), (0, 1))).ravel().astype(np.int8)
    stride = inside.shape[2] + 1
    change = np.diff(line, prepend=0, append=0)
    start, stop = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    joined = _joined(start, stop, stride)
    _, number = np.unique(joined, return_inverse=True)
    labels = np.full(line.shape, -1, dtype=np.int64)
    labels[line.astype(bool)] = np.repeat(number, stop - start)
    padded = labels.reshape(len(inside), inside.shape[1] + 1, stride)
    return padded[:, :-1, :-1], int(number.max()) + 1 if number.size else 0


def _joined(start: IntArray, stop: IntArray, stride: int) -> IntArray:
    """For every run, the smallest number among the runs it is connected with."""
    first = np.searchsorted(stop, start + stride, side="left")
    last = np.searchsorted(start, stop + stride, side="right")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(start)), touching)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(touching) - touching - first, touching)
    root = np.arange(len(start))
    while True:
        smallest = np.minimum(root[upper], root[lower])
        moved = root.copy()
        np.minimum.at(moved, root[upper], smallest)
        np.minimum.at(moved, root[lower], smallest)
        moved = moved[moved]
        if np.array_equal(moved, root):
            return root
        root = moved


def _in_pixels(
    image: IntArray, row: ArrayLike, column: ArrayLike, region: ArrayLike, grid: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Centres of patches as x and y in pixels of the stored image."""
    regions = np.asarray(region, dtype=np.float64)
    x = regions[image, 0] + (np.asarray(column) + 0.5) * regions[image, 2] / grid[1]
    y = regions[image, 1] + (np.asarray(row) + 0.5) * regions[image, 3] / grid[0]
    return x, y
