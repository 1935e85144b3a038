"""Marks on maps: peaks and connected regions, found in all maps at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, require_dimensions


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
    runs = _runs(values >= threshold)
    number, count = _numbered(runs)
    length = runs.stop - runs.start
    size = np.bincount(number, weights=length, minlength=count)
    row, left = runs.start // runs.stride, runs.start % runs.stride
    per_image = values.shape[1] + 1
    in_row = np.bincount(number, weights=(row % per_image) * length, minlength=count) / size
    in_column = np.bincount(number, weights=(left + (length - 1) / 2) * length, minlength=count) / size
    score = np.full(count, -np.inf)
    np.maximum.at(score, number, _highest(values, runs))
    image = np.zeros(count, dtype=np.int64)
    image[number] = row // per_image
    x, y = _in_pixels(image, in_row, in_column, region, values.shape[1:])
    return Marks(image, x, y, score)


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
    runs = _runs(inside)
    number, count = _numbered(runs)
    labels = np.full(len(inside) * (inside.shape[1] + 1) * runs.stride, -1, dtype=np.int64)
    padded = labels.reshape(len(inside), inside.shape[1] + 1, runs.stride)
    padded[:, :-1, :-1][inside] = np.repeat(number, runs.stop - runs.start)
    return padded[:, :-1, :-1], count


@dataclass(frozen=True)
class _Runs:
    """Runs of marked pixels in all rows of all masks, which lie behind each other in one line.

    A blank column parts the rows and a blank row the masks.
    """

    start: IntArray
    stop: IntArray
    stride: int


def _runs(inside: BoolArray) -> _Runs:
    line = np.zeros((len(inside), inside.shape[1] + 1, inside.shape[2] + 1), dtype=bool)
    line[:, :-1, :-1] = inside
    flat = line.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        changes = np.concatenate([[0], changes])
    return _Runs(changes[::2], changes[1::2], inside.shape[2] + 1)


def _highest(values: FloatArray, runs: _Runs) -> FloatArray:
    """Highest value of each run."""
    if not len(runs.start):
        return np.zeros(0)
    line = np.zeros((len(values), values.shape[1] + 1, runs.stride))
    line[:, :-1, :-1] = values
    limits = np.stack([runs.start, runs.stop], axis=1).ravel()
    return np.asarray(np.maximum.reduceat(line.ravel(), limits)[::2])


def _numbered(runs: _Runs) -> tuple[IntArray, int]:
    """The number of each run's region, and how many regions there are."""
    joined = _joined(runs.start, runs.stop, runs.stride)
    first = joined == np.arange(len(joined))
    return (np.cumsum(first) - 1)[joined], int(first.sum())


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
