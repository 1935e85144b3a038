"""How far the boundary of a region lies from that of the truth: Hausdorff distance and normalised surface distance.

A boundary runs between pixels: each group of 2 x 2 pixels that is partly inside holds a piece of it at the group's
centre, with a length (marching squares). Shares and percentiles are of length, so that they do not depend on how a
boundary lies on the grid.

Source: Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
radiotherapy", 2018, with their library surface-distance; Maier-Hein et al., "Metrics reloaded", Nature Methods 2024,
for when to use them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, require_dimensions

ROUNDING = 1e-9  # a distance that is the tolerance but for rounding lies within it


@dataclass(frozen=True)
class BoundaryDistances:
    """Distances between two boundaries, in the unit of the spacing.

    Attributes:
        from_first: (M,) distance of each piece of the first boundary to the nearest piece of the second; infinite if
            there is none.
        first_length: (M,) lengths of these pieces.
        from_second: (N,) the same for the second.
        second_length: (N,).
    """

    from_first: FloatArray
    first_length: FloatArray
    from_second: FloatArray
    second_length: FloatArray

    def hausdorff(self, share: float = 0.95) -> float:
        """The distance within which that share of each boundary lies of the other; 1 for the largest distance.

        NaN if both regions are empty, infinite if one is.
        """
        sides = (self.from_first, self.first_length), (self.from_second, self.second_length)
        if not any(len(length) for _, length in sides):
            return math.nan
        return max(_quantile(*side, share) for side in sides)

    def within(self, tolerance: float) -> float:
        """The normalised surface distance: the share of both boundaries that lies within a tolerance of the other.

        NaN if both regions are empty, 0 if one is.
        """
        total = float(self.first_length.sum() + self.second_length.sum())
        most = tolerance * (1 + ROUNDING)
        near = self.first_length[self.from_first <= most].sum() + self.second_length[self.from_second <= most].sum()
        return float(near) / total if total else math.nan


def boundary_distances(
    first: ArrayLike, second: ArrayLike, spacing: tuple[float, float] = (1.0, 1.0)
) -> BoundaryDistances:
    """Distances between the boundaries of two regions.

    Example:
        >>> first, second = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
        >>> first[5:15, 5:15] = True
        >>> second[5:15, 7:15] = True
        >>> distances = boundary_distances(first, second, spacing=(0.5, 0.5))
        >>> distances.hausdorff(), round(distances.within(0.5), 3)
        (1.0, 0.764)

    Args:
        first: (H, W); pixels that are not zero are inside.
        second: (H, W).
        spacing: Millimetres (or another unit) between rows and between columns.

    Raises:
        ValueError: The shapes differ or do not have two axes.
    """
    from scipy.spatial import cKDTree

    regions = [np.asarray(region) != 0 for region in (first, second)]
    require_dimensions(regions[0], 2, "a region")
    if regions[0].shape != regions[1].shape:
        raise ValueError(f"regions have the shapes {regions[0].shape} and {regions[1].shape}; they must be the same")
    (points, lengths), (others, other_lengths) = (_boundary(region, spacing) for region in regions)
    if not len(points) or not len(others):
        return BoundaryDistances(np.full(len(points), np.inf), lengths, np.full(len(others), np.inf), other_lengths)
    return BoundaryDistances(cKDTree(others).query(points)[0], lengths, cKDTree(points).query(others)[0], other_lengths)


def _boundary(region: BoolArray, spacing: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Pieces of a boundary: their places (M, 2) and lengths (M,)."""
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros((0, 2)), np.zeros(0)
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(region[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1], 1)
    code = 8 * inside[:-1, :-1] + 4 * inside[:-1, 1:] + 2 * inside[1:, :-1] + inside[1:, 1:]
    place = np.argwhere((code > 0) & (code < 15))
    lengths = _lengths(spacing)[code[place[:, 0], place[:, 1]]]
    return (place + np.array([top, left])) * np.array(spacing, dtype=np.float64), lengths


def _lengths(spacing: tuple[float, float]) -> FloatArray:
    """(16,) length of the boundary by which of 2 x 2 pixels are inside: 8 * above left + 4 * above right + ..."""
    down, across = spacing
    slant = math.hypot(down, across) / 2
    lengths = np.full(16, slant)
    lengths[[0, 15]] = 0
    lengths[[0b0011, 0b1100]] = across
    lengths[[0b0101, 0b1010]] = down
    lengths[[0b0110, 0b1001]] = 2 * slant
    return lengths


def _quantile(distance: FloatArray, length: FloatArray, share: float) -> float:
    """The smallest distance within which that share of the length lies; infinite without a boundary."""
    if not len(length):
        return math.inf
    order = np.argsort(distance, kind="stable")
    reached = np.cumsum(length[order])
    position = int(np.searchsorted(reached / reached[-1], share))
    return float(distance[order][min(position, len(order) - 1)])
