"""Localisation of findings by coarse maps: the detected region against boxes, and the pointing game.

Source: Rozenberg, Freedman and Bronstein, "Localization with Limited Annotation for Chest X-rays", 2020, section 4:
the detected region is the union of patches whose value is at least 0.5, and it is correct when its IoU (or IoR) with
the box is at least T. Overlaps here are exact areas: a patch that a box covers in part counts in part.

An item is one finding of one image whose location was annotated.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import AnyArray, BoolArray, FloatArray, IntArray, require_dimensions
from evaluation.distributions import wilson_interval
from evaluation.overlap import Areas, threshold_number
from evaluation.truth import Truth, covered, disjoint

CORRECT_FROM = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # the thresholds T of Wang et al. 2017 and Li et al. 2018
ROUNDING = 1e-9  # what sums of areas may be off by: an overlap of one half is at least one half


@dataclass(frozen=True)
class GridTruth:
    """Where N findings are, on the grid of their maps.

    Attributes:
        coverage: (N, h, w) in [0, 1]; share of each patch that lies in a box (or mask).
        outside: (N,) area of truth, in patches, that lies outside the map: it was missed whatever the map shows.
    """

    coverage: FloatArray
    outside: FloatArray


@dataclass(frozen=True)
class RegionOverlap:
    """Overlap of detected regions with the truth of N items; 0 where nothing was detected.

    Attributes:
        iou: (N,) intersection over union; NaN where neither truth nor detection exists.
        ior: (N,) intersection over the detected region; NaN likewise.
    """

    iou: FloatArray
    ior: FloatArray


@dataclass(frozen=True)
class MapHistogram:
    """One map against the truth at every threshold, by exact areas.

    Attributes:
        inside: (bins,) area of truth by the map's value there, in the bins of ``probability_histogram``.
        outside: (bins,) the same of all other area that the map covers.
        missed: area of truth that the map does not cover.
    """

    inside: FloatArray
    outside: FloatArray
    missed: float


@dataclass(frozen=True)
class LocalisationAccuracy:
    """Share of items localised correctly, by threshold T and finding C, with Wilson's interval; NaN without an item.

    Attributes:
        threshold: (T,) an item is correct when its overlap is at least this.
        accuracy: (T, C).
        lower: (T, C).
        upper: (T, C).
        items: (C,) items of each finding.
    """

    threshold: FloatArray
    accuracy: FloatArray
    lower: FloatArray
    upper: FloatArray
    items: IntArray


@dataclass(frozen=True)
class FoldAccuracy:
    """Localisation accuracy over K folds of a cross-validation.

    Attributes:
        mean: (T, C) over folds that hold the finding.
        deviation: (T, C) standard deviation over folds; NaN with fewer than two.
        folds: (K, T, C) each fold; NaN where it holds no item of the finding.
    """

    mean: FloatArray
    deviation: FloatArray
    folds: FloatArray


def boxes_on_grid(box: ArrayLike, item: ArrayLike, region: ArrayLike, grid: tuple[int, int]) -> GridTruth:
    """Draw boxes on the grids of their items' maps, by exact area.

    Boxes of one item are united: where two of them overlap, the area counts once.

    Args:
        box: (M, 4) x, y, width, height in pixels of the stored image.
        item: (M,) the item, 0 to N - 1, that each box belongs to.
        region: (N, 4) x, y, width, height in the same pixels that each item's map covers; (0, 0, W, H) for a whole
            image.
        grid: (h, w) of the maps.

    Raises:
        ValueError: shapes do not fit, a region is empty, a box has a negative side, or an item does not exist.
    """
    boxes, regions = np.asarray(box, dtype=np.float64).reshape(-1, 4), np.asarray(region, dtype=np.float64)
    items = np.asarray(item, dtype=np.int64)
    _check_boxes(boxes, items, regions)
    boxes, items = _united(boxes, items)
    patch = regions[:, 2:] / [grid[1], grid[0]]
    start = (boxes[:, :2] - regions[items, :2]) / patch[items]
    size = boxes[:, 2:] / patch[items]
    columns = covered(start[:, 0], start[:, 0] + size[:, 0], np.arange(grid[1] + 1.0))
    rows = covered(start[:, 1], start[:, 1] + size[:, 1], np.arange(grid[0] + 1.0))
    coverage = np.zeros((len(regions), *grid))
    # Boxes go in by rounds, each with at most one box an item; nearly always one round is all.
    for chosen in _rounds(items):
        coverage[items[chosen]] += rows[chosen, :, None] * columns[chosen, None, :]
    np.minimum(coverage, 1.0, out=coverage)
    outside = np.bincount(
        items, weights=size.prod(axis=1) - rows.sum(axis=1) * columns.sum(axis=1), minlength=len(regions)
    )
    return GridTruth(coverage, np.maximum(outside, 0.0))


def region_overlap(value: ArrayLike, truth: GridTruth, threshold: float = 0.5) -> RegionOverlap:
    """IoU and IoR of the union of patches with a value of at least ``threshold``.

    Args:
        value: (N, h, w).
        truth: of the same N items and grid.
        threshold: in the unit of ``value``.
    """
    values = np.asarray(value)
    _check_maps(values, truth.coverage)
    detected = (values >= threshold).reshape(len(values), -1)
    coverage = truth.coverage.reshape(len(values), -1)
    both = np.einsum("np,np->n", detected, coverage)
    overlap = Areas(both, detected.sum(axis=1), coverage.sum(axis=1) + truth.outside)
    return RegionOverlap(overlap.iou(np.nan), overlap.ior(np.nan))


def map_histogram(probability: AnyArray, truth: Truth, grid: tuple[FloatArray, FloatArray], bins: int) -> MapHistogram:
    """Areas inside and outside of a finding by the probability of the map's cells there.

    Args:
        probability: (h, w) in [0, 1], one value for the whole of each cell.
        truth: of the radiograph.
        grid: (h + 1,) edges of the cells' rows and (w + 1,) of their columns, rising, in pixels of the radiograph and
            nowhere beyond it. Cells may be empty.
        bins: how many; ``areas_at`` gives the areas at a threshold.
    """
    down, across = grid
    place = threshold_number(probability, bins)
    cells = np.diff(down)[:, None] * np.diff(across)
    everywhere = np.bincount(place.ravel(), cells.ravel(), bins)
    inside: FloatArray = np.zeros(bins)
    if len(truth.rectangles):
        rows, columns = (_touched(edges, truth, axis) for edges, axis in ((down, 1), (across, 0)))
        within = truth.areas(down[rows.start : rows.stop + 1], across[columns.start : columns.stop + 1])
        inside += np.bincount(place[rows, columns].ravel(), within.ravel(), bins)
    return MapHistogram(inside, np.maximum(everywhere - inside, 0.0), max(truth.area - float(inside.sum()), 0.0))


def pixel_histogram(parts: Iterable[tuple[int, int, AnyArray]], truth: Truth, bins: int) -> MapHistogram:
    """``map_histogram`` of a map that has a value for each pixel of the radiograph.

    Args:
        parts: of the map: first row, first column, and values (h, w) in [0, 1].
        truth: of the radiograph.
        bins: how many.
    """
    top, left, share = truth.pixels()
    everywhere, inside = np.zeros(bins), np.zeros(bins)
    for row, column, values in parts:
        place = threshold_number(values, bins)
        everywhere += np.bincount(place.ravel(), minlength=bins)
        first, last = max(row, top), min(row + place.shape[0], top + share.shape[0])
        start, stop = max(column, left), min(column + place.shape[1], left + share.shape[1])
        if first < last and start < stop:
            within = share[first - top : last - top, start - left : stop - left]
            at = place[first - row : last - row, start - column : stop - column]
            inside += np.bincount(at.ravel(), within.ravel(), bins)
    return MapHistogram(inside, np.maximum(everywhere - inside, 0.0), max(truth.area - float(inside.sum()), 0.0))


def is_correct(overlap: ArrayLike, least: ArrayLike) -> BoolArray:
    """Whether an overlap is at least so large, but for what rounding takes from sums of areas."""
    return np.asarray(np.asarray(overlap) >= np.asarray(least) - ROUNDING)


def localisation_accuracy(
    overlap: ArrayLike, finding: ArrayLike, findings: int, threshold: ArrayLike = CORRECT_FROM, level: float = 0.95
) -> LocalisationAccuracy:
    """Share of items whose overlap is at least T, by finding.

    Args:
        overlap: (N,) IoU or IoR; NaN is left out.
        finding: (N,) number of each item's finding, 0 to ``findings`` - 1.
        findings: how many, C.
        threshold: (T,).
        level: confidence of the intervals, which treat items as independent.
    """
    values, cuts = np.asarray(overlap, dtype=np.float64), np.atleast_1d(np.asarray(threshold, dtype=np.float64))
    number = np.asarray(finding, dtype=np.int64)
    correct, items = _count_correct(values, number, findings, cuts)
    limits = [
        [wilson_interval(k, n, level) for k, n in zip(row, items.tolist(), strict=True)] for row in correct.tolist()
    ]
    table = np.array([[(x.value, x.lower, x.upper) for x in row] for row in limits]).reshape(len(cuts), findings, 3)
    return LocalisationAccuracy(cuts, table[..., 0], table[..., 1], table[..., 2], items)


def accuracy_over_folds(
    overlap: ArrayLike, finding: ArrayLike, fold: ArrayLike, findings: int, threshold: ArrayLike = CORRECT_FROM
) -> FoldAccuracy:
    """``localisation_accuracy`` of each fold, and its mean and deviation over folds, as the paper's Table 1 has it.

    Args:
        overlap: (N,) IoU or IoR of all items, each measured by the model that did not train on it.
        finding: (N,) as for ``localisation_accuracy``.
        fold: (N,) any names or numbers.
        findings: how many, C.
        threshold: (T,).
    """
    values, cuts = np.asarray(overlap, dtype=np.float64), np.atleast_1d(np.asarray(threshold, dtype=np.float64))
    number, folds = np.asarray(finding, dtype=np.int64), np.asarray(fold)
    counted = [_count_correct(values[folds == k], number[folds == k], findings, cuts) for k in np.unique(folds)]
    each = np.array([np.where(items > 0, correct / np.maximum(items, 1), np.nan) for correct, items in counted])
    known = ~np.isnan(each)
    count = known.sum(axis=0)
    mean = _over(np.where(known, each, 0).sum(axis=0), count)
    spread = np.where(known, np.square(each - mean), 0).sum(axis=0)
    return FoldAccuracy(mean, np.sqrt(_over(spread, count - 1)), each)


def pointing_hits(value: ArrayLike, truth: GridTruth, covered: float = 0.5) -> FloatArray:
    """The pointing game: whether the highest patch of each map lies in the truth. Its mean is the hit rate.

    Source: Zhang et al., "Top-down neural attention by excitation backprop", 2016, without their 15 pixels of grace.

    Args:
        value: (N, h, w).
        truth: of the same items.
        covered: a patch lies in the truth when at least this share of it does.

    Returns:
        (N,) 1 hit, 0 miss; where several patches are highest, the share of them that hit, so that a constant map gains
        nothing. NaN for an item without truth.
    """
    values = np.asarray(value)
    _check_maps(values, truth.coverage)
    values, coverage = values.reshape(len(values), -1), truth.coverage.reshape(len(values), -1)
    highest = values == values.max(axis=1, keepdims=True)
    hit = (highest & (coverage >= covered)).sum(axis=1) / highest.sum(axis=1)
    return np.where(coverage.sum(axis=1) + truth.outside > 0, hit, np.nan)


def _rounds(items: IntArray) -> Iterator[IntArray]:
    """Boxes parted so that no part names an item twice."""
    left = np.arange(len(items))
    while left.size:
        _, first = np.unique(items[left], return_index=True)
        yield left[first]
        left = np.delete(left, first)


def _united(boxes: FloatArray, items: IntArray) -> tuple[FloatArray, IntArray]:
    """The same boxes, those of items with several of them parted so that none overlap."""
    several = np.flatnonzero(np.bincount(items) > 1)
    if not several.size:
        return boxes, items
    alone = ~np.isin(items, several)
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    parts = [disjoint(corners[items == item]) for item in several]
    united = np.concatenate(parts)
    united[:, 2:] -= united[:, :2]
    owners = np.repeat(several, [len(part) for part in parts])
    return np.concatenate([boxes[alone], united]), np.concatenate([items[alone], owners])


def _touched(edges: FloatArray, truth: Truth, axis: int) -> slice:
    """The cells along one axis that the truth may reach into."""
    start, stop = truth.rectangles[:, axis].min(), truth.rectangles[:, axis + 2].max()
    first = max(int(np.searchsorted(edges, start, side="right")) - 1, 0)
    last = min(int(np.searchsorted(edges, stop, side="left")), len(edges) - 1)
    return slice(first, max(first, last))


def _count_correct(
    overlap: FloatArray, finding: IntArray, findings: int, threshold: FloatArray
) -> tuple[IntArray, IntArray]:
    """(T, C) correct items and (C,) items."""
    known = ~np.isnan(overlap)
    overlap, finding = overlap[known], finding[known]
    right = is_correct(overlap[None], threshold[:, None])
    counts = [np.bincount(finding[row], minlength=findings) for row in right]
    return np.array(counts).reshape(len(threshold), findings), np.bincount(finding, minlength=findings)


def _over(part: FloatArray, whole: IntArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _check_boxes(boxes: FloatArray, items: IntArray, regions: FloatArray) -> None:
    require_dimensions(regions, 2, "region")
    if items.shape != (len(boxes),):
        raise ValueError(f"{len(boxes)} boxes need as many items, not shape {items.shape}")
    if items.size and not (items.min() >= 0 and items.max() < len(regions)):
        raise ValueError(f"items must lie in [0, {len(regions)}), not in [{items.min()}, {items.max()}]")
    if (regions[:, 2:] <= 0).any():
        raise ValueError(f"a region has no area: {regions[(regions[:, 2:] <= 0).any(axis=1)][0].tolist()}")
    if (boxes[:, 2:] < 0).any():
        raise ValueError(f"a box has a negative side: {boxes[(boxes[:, 2:] < 0).any(axis=1)][0].tolist()}")


def _check_maps(values: AnyArray, coverage: FloatArray) -> None:
    if values.shape != coverage.shape or values.ndim != 3:
        raise ValueError(
            f"maps have shape {values.shape} and the truth {coverage.shape}; both must be the same (N, h, w)"
        )
    if np.isnan(values.astype(np.float64, copy=False)).any():
        raise ValueError(f"{int(np.isnan(values.astype(np.float64)).any(axis=(1, 2)).sum())} maps hold NaN")
