"""The area of a finding on a radiograph, as rectangles that do not overlap: boxes, or the runs of a mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, require_dimensions


@dataclass(frozen=True)
class Truth:
    """The area of a finding.

    Attributes:
        rectangles: (R, 4) left, top, right, bottom in pixels of the stored radiograph, no two of which overlap; pixel
            (row 0, column 0) covers x and y from 0 to 1. No rectangle means that the finding is nowhere.

    Example:
        >>> Truth.of_boxes([[0, 0, 2, 2], [1, 1, 2, 2]], size=(10, 10)).area
        7.0
        >>> Truth.of_mask([[0, 1, 1], [0, 1, 1]]).rectangles.tolist()
        [[1.0, 0.0, 3.0, 2.0]]
    """

    rectangles: FloatArray

    @classmethod
    def of_boxes(cls, boxes: ArrayLike, size: tuple[int, int]) -> "Truth":
        """The union of boxes (N, 4) x, y, width, height, within a radiograph of (height, width)."""
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).copy()
        corners[:, 2:] += corners[:, :2]
        np.clip(corners, 0, [size[1], size[0]] * 2, out=corners)
        return cls(_disjoint(corners))

    @classmethod
    def of_mask(cls, mask: ArrayLike) -> "Truth":
        """The pixels of a mask (H, W) that are not zero."""
        pixels = np.asarray(mask) != 0
        require_dimensions(pixels, 2, "mask")
        return cls(_rectangles(pixels).astype(np.float64))

    @property
    def area(self) -> float:
        """In pixels of the stored radiograph."""
        sides = self.rectangles[:, 2:] - self.rectangles[:, :2]
        return float((sides[:, 0] * sides[:, 1]).sum())

    def areas(self, down: FloatArray, across: FloatArray) -> FloatArray:
        """The exact area (h, w) in each cell of a grid.

        Args:
            down: (h + 1,) rising edges of its rows.
            across: (w + 1,) rising edges of its columns.
        """
        left, top, right, bottom = self.rectangles.T
        return np.asarray(_covered(top, bottom, down).T @ _covered(left, right, across))

    def pixels(self) -> tuple[int, int, FloatArray]:
        """The share of each pixel that belongs to the finding.

        Returns:
            The first row and the first column of the smallest window that holds the finding, and its shares (h, w).
        """
        if not len(self.rectangles):
            return 0, 0, np.zeros((0, 0))
        left, top = np.floor(self.rectangles[:, :2].min(axis=0)).astype(int).tolist()
        right, bottom = np.ceil(self.rectangles[:, 2:].max(axis=0)).astype(int).tolist()
        if (self.rectangles % 1).any():
            share = self.areas(np.arange(top, bottom + 1.0), np.arange(left, right + 1.0))
        else:
            share = np.zeros((bottom - top, right - left))
            for x, y, end, below in (self.rectangles.astype(int) - [left, top, left, top]).tolist():
                share[y:below, x:end] = 1
        return top, left, share

    def mask(self, size: tuple[int, int]) -> BoolArray:
        """(H, W) pixels at least half of which belong to the finding."""
        top, left, share = self.pixels()
        result = np.zeros(size, dtype=bool)
        result[top : top + share.shape[0], left : left + share.shape[1]] = share >= 0.5
        return result

    def holds(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Whether points (N,) lie on the finding."""
        left, top, right, bottom = self.rectangles.T[..., None]
        return np.asarray(((left <= x) & (x < right) & (top <= y) & (y < bottom)).any(axis=0))


def _covered(start: FloatArray, stop: FloatArray, edges: FloatArray) -> FloatArray:
    """How much (M, cells) of each cell between ``edges`` (cells + 1,) each of M intervals covers."""
    low, high = np.maximum(start[:, None], edges[:-1]), np.minimum(stop[:, None], edges[1:])
    return np.asarray(np.maximum(high - low, 0.0))


def _disjoint(corners: FloatArray) -> FloatArray:
    """Rectangles (R, 4) left, top, right, bottom that do not overlap, with the union of others (N, 4)."""
    kept = corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)]
    if len(kept) < 2:
        return kept
    # All edges together cut the plane into a grid; a cell of it belongs to the union or does not.
    across, down = np.unique(kept[:, [0, 2]]), np.unique(kept[:, [1, 3]])
    inside = np.zeros((len(down) - 1, len(across) - 1), dtype=bool)
    left, right = np.searchsorted(across, kept[:, 0]), np.searchsorted(across, kept[:, 2])
    top, bottom = np.searchsorted(down, kept[:, 1]), np.searchsorted(down, kept[:, 3])
    for n in range(len(kept)):
        inside[top[n] : bottom[n], left[n] : right[n]] = True
    cells = _rectangles(inside)
    return np.stack([across[cells[:, 0]], down[cells[:, 1]], across[cells[:, 2]], down[cells[:, 3]]], axis=1)


def _rectangles(mask: BoolArray) -> IntArray:
    """(R, 4) left, top, right, bottom: runs of the rows, with equal runs of consecutive rows put together."""
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (row, left), right = np.nonzero(steps == 1), np.nonzero(steps == -1)[1]
    order = np.lexsort((row, right, left))
    row, left, right = row[order], left[order], right[order]
    goes_on = (left[1:] == left[:-1]) & (right[1:] == right[:-1]) & (row[1:] == row[:-1] + 1)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(row)), dtype=bool), ~goes_on]))
    last = np.append(first[1:], len(row)) - 1 if len(first) else first
    return np.stack([left[first], row[first], right[first], row[last] + 1], axis=1)
