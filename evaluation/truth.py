"""Where a finding is on a radiograph, as rectangles that do not overlap: boxes as they are, masks as their runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, require_dimensions


@dataclass(frozen=True)
class Truth:
    """The area that a finding takes up.

    Attributes:
        rectangles: (R, 4) left, top, right, bottom in pixels of the stored radiograph, of which no two overlap; pixel
            (row 0, column 0) covers x and y from 0 to 1. None at all means "nowhere".

    Example:
        >>> Truth.of_boxes([[0, 0, 2, 2], [1, 1, 2, 2]], (10, 10)).area
        7.0
    """

    rectangles: FloatArray

    @classmethod
    def of_boxes(cls, boxes: ArrayLike, size: tuple[int, int]) -> "Truth":
        """The union of boxes (N, 4), x, y, width, height; what lies beyond a radiograph of (height, width) is none."""
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).copy()
        corners[:, 2:] += corners[:, :2]
        np.clip(corners, 0, [size[1], size[0]] * 2, out=corners)
        return cls(disjoint(corners))

    @classmethod
    def of_mask(cls, mask: ArrayLike) -> "Truth":
        """The pixels of a mask (H, W) that are not zero."""
        pixels = np.asarray(mask) != 0
        require_dimensions(pixels, 2, "mask")
        return cls(_rectangles(pixels).astype(np.float64))

    @property
    def area(self) -> float:
        """In pixels of the stored radiograph."""
        return float((self._sides[:, 0] * self._sides[:, 1]).sum())

    def areas(self, down: FloatArray, across: FloatArray) -> FloatArray:
        """The area (h, w) in each cell of a grid, exactly.

        Args:
            down: (h + 1,) rising edges of its rows.
            across: (w + 1,) rising edges of its columns.
        """
        left, top, right, bottom = self.rectangles.T
        return np.asarray(covered(top, bottom, down).T @ covered(left, right, across))

    def pixels(self) -> tuple[int, int, FloatArray]:
        """The share of each pixel that belongs to the finding.

        Returns:
            The first row and the first column of the smallest window that holds all of it, and its shares (h, w).
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

    @property
    def _sides(self) -> FloatArray:
        return self.rectangles[:, 2:] - self.rectangles[:, :2]


def covered(start: FloatArray, stop: FloatArray, edges: FloatArray) -> FloatArray:
    """Length (M, cells) of each cell between ``edges`` (cells + 1,) that each of M intervals covers."""
    low, high = np.maximum(start[:, None], edges[:-1]), np.minimum(stop[:, None], edges[1:])
    return np.asarray(np.maximum(high - low, 0.0))


def disjoint(corners: FloatArray) -> FloatArray:
    """Rectangles (R, 4) that do not overlap and have the union of others (N, 4); left, top, right, bottom."""
    kept = corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)]
    if len(kept) < 2:
        return kept
    across, down = np.unique(kept[:, [0, 2]]), np.unique(kept[:, [1, 3]])
    inside = np.zeros((len(down) - 1, len(across) - 1), dtype=bool)
    left, right = np.searchsorted(across, kept[:, 0]), np.searchsorted(across, kept[:, 2])
    top, bottom = np.searchsorted(down, kept[:, 1]), np.searchsorted(down, kept[:, 3])
    for n in range(len(kept)):
        inside[top[n] : bottom[n], left[n] : right[n]] = True
    cells = _rectangles(inside)
    return np.stack([across[cells[:, 0]], down[cells[:, 1]], across[cells[:, 2]], down[cells[:, 3]]], axis=1)


def _rectangles(mask: BoolArray) -> IntArray:
    """(R, 4) left, top, right, bottom: runs of rows, those of the same columns in rows that follow taken together."""
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (row, left), right = np.nonzero(steps == 1), np.nonzero(steps == -1)[1]
    order = np.lexsort((row, right, left))
    row, left, right = row[order], left[order], right[order]
    goes_on = (left[1:] == left[:-1]) & (right[1:] == right[:-1]) & (row[1:] == row[:-1] + 1)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(row)), dtype=bool), ~goes_on]))
    last = np.append(first[1:], len(row)) - 1 if len(first) else first
    return np.stack([left[first], row[first], right[first], row[last] + 1], axis=1)
