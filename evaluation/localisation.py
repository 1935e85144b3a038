"""Where a map points, against where a finding is: areas at every threshold, and the pointing game.

Source: Rozenberg, Freedman and Bronstein, "Localization with Limited Annotation for Chest X-rays", 2020, section 4:
the detected region is the union of the patches whose value is at least 0.5, and it is correct if its IoU (or IoR) with
the box is at least T. Areas are exact: a patch that a box covers in part counts in part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.cases import AnyArray, BoolArray, FloatArray
from evaluation.overlap import threshold_number
from evaluation.truth import Truth

CORRECT_FROM = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # the thresholds T of Wang et al. 2017 and Li et al. 2018
ROUNDING = 1e-9  # error of sums of areas: an overlap of one half must pass a threshold of one half
PIXELS_AT_ONCE = 1 << 17  # values of so many pixels stay in a processor's cache
FEWEST_ROWS = 32  # pixels between two rows of a map from which on it pays to look for columns of one bin

Grid = tuple[FloatArray, FloatArray]
"""Edges of the rows (h + 1,) and of the columns (w + 1,) of a map's cells, rising, in pixels of the radiograph and
within it. A cell that lies beyond the radiograph has no extent."""


@dataclass(frozen=True)
class MapHistogram:
    """One map against the truth at every threshold; ``overlap.areas_at`` gives the areas at one of them.

    Attributes:
        inside: (bins,) area of the finding by the probability of the map there, in the bins of ``threshold_number``.
        outside: (bins,) all other area that the map covers.
        missed: Area of the finding that the map does not cover.
    """

    inside: FloatArray
    outside: FloatArray
    missed: float


@dataclass(frozen=True)
class LinearMap:
    """A map with a value for each pixel of a window of the radiograph, linear between the map's rows.

    Attributes:
        rows: (h, n) probabilities in [0, 1] of the map's rows at the columns of the window, float32.
        position: (m,) where each row of pixels lies among the map's rows, rising, in [0, h - 1].
        top: First row of the window.
        left: First column of the window.
    """

    rows: NDArray[np.float32]
    position: FloatArray
    top: int
    left: int


def map_histogram(probability: AnyArray, truth: Truth, grid: Grid, bins: int) -> MapHistogram:
    """Areas inside and outside a finding by the probability of the map, which is constant in each cell.

    Example:
        >>> truth = Truth.of_boxes([[0, 0, 3, 2]], size=(4, 4))  # the map has four cells of 2 x 2 pixels
        >>> grid = np.array([0.0, 2, 4]), np.array([0.0, 2, 4])
        >>> map_histogram(np.array([[0.9, 0.2], [0.6, 0.1]]), truth, grid, bins=2)
        MapHistogram(inside=array([2., 4.]), outside=array([6., 4.]), missed=0.0)

    Args:
        probability: (h, w) in [0, 1].
        truth: The finding on the radiograph.
        grid: Edges of the map's cells on the radiograph.
        bins: Number of thresholds.
    """
    down, across = grid
    number = threshold_number(probability, bins)
    cells = np.diff(down)[:, None] * np.diff(across)
    everywhere = np.asarray(np.bincount(number.ravel(), cells.ravel(), bins), dtype=np.float64)
    inside: FloatArray = np.zeros(bins)
    if len(truth.rectangles):
        rows, columns = (_touched(edges, truth, axis) for edges, axis in ((down, 1), (across, 0)))
        within = truth.areas(down[rows.start : rows.stop + 1], across[columns.start : columns.stop + 1])
        inside += np.bincount(number[rows, columns].ravel(), within.ravel(), bins)
    return _histogram(everywhere, inside, truth)


def linear_histogram(map: LinearMap, truth: Truth, bins: int) -> MapHistogram:
    """Areas inside and outside a finding by the probability of the map at the centre of each pixel.

    Example:
        >>> rows = np.array([[0, 0, 0], [1, 1, 1]], dtype=np.float32)  # from 0 in the first row to 1 in the last
        >>> map = LinearMap(rows, position=np.array([0, 0.25, 0.75, 1]), top=0, left=0)
        >>> linear_histogram(map, Truth.of_boxes([[0, 2, 2, 2]], size=(4, 3)), bins=2)
        MapHistogram(inside=array([0., 4.]), outside=array([6., 2.]), missed=0.0)
    """
    top, left, share = truth.pixels()
    inside = np.zeros(bins)
    columns = slice(max(left - map.left, 0), max(left + share.shape[1] - map.left, 0))
    step = _rows_at_once(map)
    for start in range(0, len(map.position), step):
        first = max(start, top - map.top)
        last = min(start + step, len(map.position), top + share.shape[0] - map.top)
        if first < last:
            number = threshold_number(_between(map.rows[:, columns], map.position[first:last]), bins)
            at = map.left + columns.start - left
            within = share[first + map.top - top : last + map.top - top, at : at + number.shape[1]]
            inside += np.bincount(number.ravel(), within.ravel(), bins)
    return _histogram(_pixels_by_bin(map, bins), inside, truth)


def pointing_hit(value: ArrayLike, truth: Truth, grid: Grid) -> float:
    """The pointing game: whether the centre of the map's highest cell lies on the finding.

    Source: Zhang et al., "Top-down neural attention by excitation backprop", 2016, without their tolerance of 15
    pixels.

    Example:
        >>> truth, edges = Truth.of_boxes([[0, 0, 3, 2]], size=(4, 4)), np.array([0.0, 2, 4])
        >>> pointing_hit([[0.9, 0.2], [0.6, 0.9]], truth, (edges, edges))  # one of the two highest cells
        0.5

    Args:
        value: (h, w) real. Cells beyond the radiograph do not count.
        truth: The finding on the radiograph.
        grid: Edges of the map's cells on the radiograph.

    Returns:
        1 hit, 0 miss. If several cells are highest, the share of them that hit, so that a constant map gains nothing.
        NaN if the finding is nowhere.

    Raises:
        ValueError: The map holds NaN.
    """
    values = np.asarray(value)
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} cells of the map are NaN")
    if not len(truth.rectangles):
        return float("nan")
    down, across = grid
    is_seen = np.outer(np.diff(down) > 0, np.diff(across) > 0)
    if not is_seen.any():
        return 0.0
    row, column = np.nonzero(is_seen & (values == values[is_seen].max()))
    x, y = (across[column] + across[column + 1]) / 2, (down[row] + down[row + 1]) / 2
    return float(truth.holds(x, y).mean())


def is_correct(overlap: ArrayLike, least: ArrayLike) -> BoolArray:
    """Whether an overlap is at least as large as ``least``, up to the rounding of sums of areas.

    Example:
        >>> is_correct([0.7 - 0.4, 0.29], 0.3).tolist()  # 0.7 - 0.4 is 0.29999999999999993
        [True, False]
    """
    return np.asarray(np.asarray(overlap) >= np.asarray(least) - ROUNDING)


def _histogram(everywhere: FloatArray, inside: FloatArray, truth: Truth) -> MapHistogram:
    return MapHistogram(inside, np.maximum(everywhere - inside, 0.0), max(truth.area - float(inside.sum()), 0.0))


def _touched(edges: FloatArray, truth: Truth, axis: int) -> slice:
    """The cells along one axis that the truth may reach into."""
    start, stop = truth.rectangles[:, axis].min(), truth.rectangles[:, axis + 2].max()
    first = max(int(np.searchsorted(edges, start, side="right")) - 1, 0)
    last = min(int(np.searchsorted(edges, stop, side="left")), len(edges) - 1)
    return slice(first, max(first, last))


def _rows_at_once(map: LinearMap) -> int:
    return max(1, PIXELS_AT_ONCE // max(map.rows.shape[1], 1))


def _between(rows: NDArray[np.float32], position: FloatArray) -> NDArray[np.float32]:
    """Values (m, n) of a map at the positions (m,) between its rows (h, n)."""
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (position - below).astype(rows.dtype)[:, None]
    if below.size and below[0] == below[-1]:
        below, above = below[:1], above[:1]  # one row, which numpy repeats for nothing
    return np.asarray((rows[above] - rows[below]) * share + rows[below])


def _pixels_by_bin(map: LinearMap, bins: int) -> FloatArray:
    """How many pixels of the window have a probability in each bin.

    Between two rows of the map the values of a column of pixels rise or fall, rounding included. So if the first and
    the last of them are in one bin all are, and need not be looked at.
    """
    below = np.floor(map.position).astype(np.intp)
    start = np.arange(0, len(below), _rows_at_once(map))
    if len(below) >= FEWEST_ROWS * len(map.rows):
        start = np.union1d(start, np.flatnonzero(np.diff(below, prepend=-1)))
    stop = np.append(start[1:], len(below))[: len(start)]
    first, last = (threshold_number(_between(map.rows, map.position[edge]), bins) for edge in (start, stop - 1))
    is_one_bin = (first == last) & (below[start] == below[stop - 1])[:, None]
    heights = np.broadcast_to((stop - start)[:, None], is_one_bin.shape)
    counts = np.asarray(np.bincount(first[is_one_bin], heights[is_one_bin], bins), dtype=np.float64)
    for begin, end, is_done in zip(start.tolist(), stop.tolist(), is_one_bin, strict=True):
        if not is_done.all():
            rows = map.rows[below[begin] : below[end - 1] + 2]
            values = _between(rows[:, ~is_done] if is_done.any() else rows, map.position[begin:end] - below[begin])
            counts += np.bincount(threshold_number(values, bins).ravel(), minlength=bins)
    return counts
