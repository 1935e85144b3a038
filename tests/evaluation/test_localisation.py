"""Regions against boxes and masks drawn pixel by pixel, and by hand."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from evaluation.localisation import LinearMap, is_correct, linear_histogram, map_histogram, pointing_hit
from evaluation.overlap import areas_at, dice, iou, threshold_number
from evaluation.truth import Truth

EDGES = np.array([0.0, 10, 20])


def overlap(histogram, threshold):
    return areas_at(histogram.inside, histogram.outside, histogram.missed, threshold)


def drawn(boxes, size=(100, 100)):
    """Boxes with whole-numbered corners as a mask of pixels."""
    mask = np.zeros(size, bool)
    for x, y, w, h in boxes:
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
    return mask


@pytest.mark.parametrize("seed", range(8))
def test_areas_of_patches_are_those_of_pixels(seed):
    # Oracle: map and boxes drawn pixel by pixel; the map covers rows 10 to 89 and columns 20 to 79, a patch 8 x 6.
    random = np.random.default_rng(seed)
    value = random.random((10, 10))
    boxes = np.concatenate([random.integers(0, 60, (3, 2)), random.integers(1, 41, (3, 2))], axis=1)
    grid = np.linspace(10, 90, 11), np.linspace(20, 80, 11)
    histogram = map_histogram(value, Truth.of_boxes(boxes, (100, 100)), grid, 1000)
    true, found = drawn(boxes), np.zeros((100, 100), bool)
    for threshold in (0.25, 0.5, 0.731):
        found[10:90, 20:80] = np.kron(value >= threshold, np.ones((8, 6), bool))
        ours = overlap(histogram, threshold)
        assert ours.iou() == pytest.approx((found & true).sum() / (found | true).sum())
        assert ours.ior() == pytest.approx((found & true).sum() / found.sum())
    assert histogram.missed == pytest.approx(true.sum() - true[10:90, 20:80].sum())


def test_a_cropped_map_misses_what_lies_outside():
    # The map covers the right half; half of the box lies in it. Everything is detected: 50 x 100 pixels.
    grid = np.linspace(0, 100, 5), np.linspace(50, 100, 5)
    histogram = map_histogram(np.ones((4, 4)), Truth.of_boxes([[40, 0, 20, 100]], (100, 100)), grid, 10)
    assert overlap(histogram, 0.5).iou() == pytest.approx(1000 / (5000 + 2000 - 1000))
    assert overlap(histogram, 0.5).ior() == pytest.approx(1000 / 5000)
    assert histogram.missed == pytest.approx(1000)


def test_boxes_that_overlap_inside_a_patch_count_once():
    inside = Truth.of_boxes([[1, 1, 4, 4], [3, 3, 4, 4]], (20, 20)).areas(EDGES, EDGES)
    np.testing.assert_allclose(inside, [[16 + 16 - 4, 0], [0, 0]])


def test_a_patch_of_exactly_one_half_is_detected():
    histogram = map_histogram(np.full((2, 2), 0.5), Truth.of_boxes([[0, 0, 20, 20]], (20, 20)), (EDGES, EDGES), 1000)
    assert overlap(histogram, 0.5).iou() == 1


def linear(value, top, left, height, width):
    """A map whose outer rows and columns lie on those of a window of pixels; and its values, pixel by pixel."""
    rows, columns = np.linspace(0, len(value) - 1, height), np.linspace(0, value.shape[1] - 1, width)
    wide = np.stack([np.interp(columns, np.arange(value.shape[1]), row) for row in value]).astype(np.float32)
    below = np.floor(rows).astype(int)
    above = np.minimum(below + 1, len(value) - 1)
    share = (rows - below).astype(np.float32)[:, None]
    return LinearMap(wide, rows, top, left), wide[below] + (wide[above] - wide[below]) * share


@pytest.mark.parametrize("size", [(60, 60), (700, 300)])
@pytest.mark.parametrize("grid", [(1, 1), (3, 2), (8, 5), (60, 50)])
@pytest.mark.parametrize("kind", ["random", "saturated", "flat", "coarse"])
def test_areas_of_pixels_are_those_of_drawn_masks(size, grid, kind):
    # Oracle: every pixel looked at by itself. 700 rows are several to each row of the map, 60 are few.
    random = np.random.default_rng(0)
    noise = random.random(grid)
    value = {
        "random": noise,
        "saturated": 1 / (1 + np.exp(80 * (0.5 - noise))),
        "flat": gaussian_filter(noise, 3) / 50,
        "coarse": np.round(noise, 1),
    }[kind]
    mask = random.random(size) < 0.3
    map, values = linear(value, 5, 10, size[0] - 15, size[1] - 20)
    histogram = linear_histogram(map, Truth.of_mask(mask), 1000)
    window = (slice(5, size[0] - 10), slice(10, size[1] - 10))
    number = threshold_number(values, 1000)
    np.testing.assert_array_equal(histogram.inside, np.bincount(number[mask[window]], minlength=1000))
    np.testing.assert_array_equal(histogram.outside, np.bincount(number[~mask[window]], minlength=1000))
    for threshold in (0.001, 0.29, 0.5):
        found = np.zeros(size, bool)
        found[window] = values.astype(np.float64) >= threshold
        assert overlap(histogram, threshold).dice() == pytest.approx(dice(found, mask))
        assert overlap(histogram, threshold).iou() == pytest.approx(iou(found, mask))


def test_parts_of_pixels_and_a_window_that_misses_the_finding():
    map, _ = linear(np.ones((2, 2)), 2, 2, 6, 6)
    histogram = linear_histogram(map, Truth.of_boxes([[1.5, 1.5, 1, 1]], (10, 10)), 10)
    assert (histogram.inside.sum(), histogram.outside.sum(), histogram.missed) == (0.25, 35.75, 0.75)
    away = linear_histogram(map, Truth.of_boxes([[0, 0, 2, 1]], (10, 10)), 10)
    assert (away.inside.sum(), away.outside.sum(), away.missed) == (0, 36, 2)
    nowhere = LinearMap(np.zeros((2, 0), np.float32), np.zeros(0), 0, 0)
    assert linear_histogram(nowhere, Truth.of_boxes([[0, 0, 2, 1]], (10, 10)), 10).missed == 2


@pytest.mark.parametrize(
    ("value", "hit"),
    [([[1, 0], [0, 0]], 1), ([[0, 0], [0, 1]], 0), ([[5, 5], [5, 5]], 0.25), ([[-np.inf] * 2] * 2, 0.25)],
    ids=["hit", "miss", "constant", "constant at minus infinity"],
)
def test_pointing_game_by_hand(value, hit):
    assert pointing_hit(value, Truth.of_boxes([[0, 0, 10, 10]], (20, 20)), (EDGES, EDGES)) == hit


def test_pointing_game_at_the_edge():
    box, nowhere = Truth.of_boxes([[0, 0, 10, 10]], (20, 20)), Truth.of_boxes([], (20, 20))
    assert np.isnan(pointing_hit(np.eye(2), nowhere, (EDGES, EDGES)))
    # The highest cell lies in the padding, which has no extent; the highest of the others hits.
    assert pointing_hit([[1, 0], [9, 9]], box, (np.array([0.0, 20, 20]), EDGES)) == 0
    assert pointing_hit([[1, 0], [9, 9]], box, (np.array([0.0, 15, 15]), EDGES)) == 1
    assert pointing_hit(np.eye(2), box, (np.zeros(3), EDGES)) == 0
    with pytest.raises(ValueError, match="1 cells of the map are NaN"):
        pointing_hit([[np.nan, 0]], box, (EDGES[:2], EDGES))


def test_an_overlap_that_rounding_lowers_is_still_correct():
    # 0.1 added three times is not 0.3, and 0.7 - 0.4 is less than 0.3.
    assert is_correct([0.7 - 0.4, 0.3 - 1e-6], 0.3).tolist() == [True, False]
