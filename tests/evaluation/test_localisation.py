"""Regions against boxes by drawing at full resolution, and by hand."""

import numpy as np
import pytest

from evaluation.localisation import (
    GridTruth,
    accuracy_over_folds,
    boxes_on_grid,
    is_correct,
    localisation_accuracy,
    map_histogram,
    pixel_histogram,
    pointing_hits,
    region_overlap,
)
from evaluation.overlap import areas_at, dice, iou
from evaluation.truth import Truth

WHOLE = (0, 0, 100, 100)


def drawn(boxes, size=100):
    """Boxes with whole-numbered corners as a mask of pixels."""
    mask = np.zeros((size, size), bool)
    for x, y, w, h in boxes:
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
    return mask


@pytest.mark.parametrize("seed", range(8))
def test_overlap_is_that_of_pixels(seed):
    # Oracle: map and box drawn pixel by pixel; a patch is 5 x 5 pixels.
    random = np.random.default_rng(seed)
    value = random.random((6, 20, 20))
    boxes = np.concatenate([random.integers(0, 60, (6, 2)), random.integers(1, 41, (6, 2))], axis=1)
    truth = boxes_on_grid(boxes, np.arange(6), [WHOLE] * 6, (20, 20))
    result = region_overlap(value, truth, 0.7)
    for n in range(6):
        found, true = np.kron(value[n] >= 0.7, np.ones((5, 5), bool)), drawn(boxes[n : n + 1])
        assert result.iou[n] == pytest.approx((found & true).sum() / (found | true).sum())
        assert result.ior[n] == pytest.approx((found & true).sum() / found.sum())


def test_a_cropped_map_misses_what_lies_outside():
    # The map covers the right half; half of the box lies in it. Everything is detected: 50 x 100 pixels.
    truth = boxes_on_grid([[40, 0, 20, 100]], [0], [[50, 0, 50, 100]], (4, 4))
    result = region_overlap(np.ones((1, 4, 4)), truth)
    assert result.iou[0] == pytest.approx(1000 / (5000 + 2000 - 1000))
    assert result.ior[0] == pytest.approx(1000 / 5000)


def test_boxes_of_one_item_are_united():
    truth = boxes_on_grid([[0, 0, 50, 100], [0, 0, 100, 50]], [1, 1], [WHOLE] * 2, (10, 10))
    assert truth.coverage[0].sum() == 0
    assert truth.coverage[1].sum() == 75
    assert truth.outside.tolist() == [0, 0]


def test_nothing_detected_and_nothing_there():
    truth = GridTruth(np.stack([np.eye(3), np.zeros((3, 3)), np.zeros((3, 3))]), np.zeros(3))
    value = np.stack([np.zeros((3, 3)), np.zeros((3, 3)), np.ones((3, 3))])
    result = region_overlap(value, truth)
    np.testing.assert_array_equal(result.iou, [0, np.nan, 0])
    np.testing.assert_array_equal(result.ior, [0, np.nan, 0])


def test_a_patch_of_exactly_one_half_is_detected():
    assert region_overlap(np.full((1, 2, 2), 0.5), GridTruth(np.ones((1, 2, 2)), np.zeros(1))).iou[0] == 1


def test_accuracy_by_hand():
    overlap, finding = [0.05, 0.1, 0.35, 0.8, np.nan], [0, 0, 0, 1, 1]
    result = localisation_accuracy(overlap, finding, findings=3)
    np.testing.assert_allclose(result.accuracy[:, 0], np.array([2, 1, 1, 0, 0, 0, 0]) / 3)
    np.testing.assert_array_equal(result.accuracy[:, 1], [1] * 7)
    assert np.isnan(result.accuracy[:, 2]).all()
    assert result.items.tolist() == [3, 1, 0]
    assert result.lower[0, 0] == pytest.approx(0.2077, abs=1e-4)  # Wilson for 2 of 3


def test_accuracy_over_folds_by_hand():
    overlap, finding, fold = [0.5, 0.0, 0.5, 0.5], [0, 0, 0, 1], [1, 1, 2, 2]
    result = accuracy_over_folds(overlap, finding, fold, findings=2, threshold=0.1)
    np.testing.assert_array_equal(result.folds[:, 0], [[0.5, np.nan], [1, 1]])
    np.testing.assert_allclose(result.mean, [[0.75, 1]])
    np.testing.assert_allclose(result.deviation, [[np.std([0.5, 1], ddof=1), np.nan]])


def test_pointing_game_by_hand():
    coverage = np.zeros((4, 2, 2))
    coverage[:3, 0, 0] = 1
    value = np.zeros((4, 2, 2))
    value[0, 0, 0], value[1, 1, 1] = 1, 1
    # hit, miss, a constant map that hits with one of four patches, and an item without truth
    np.testing.assert_array_equal(pointing_hits(value, GridTruth(coverage, np.zeros(4))), [1, 0, 0.25, np.nan])


@pytest.mark.parametrize(
    ("box", "item", "region", "message"),
    [
        ([[0, 0, 1, 1]], [0, 1], [WHOLE], "1 boxes need as many items"),
        ([[0, 0, 1, 1]], [1], [WHOLE], r"items must lie in \[0, 1\), not in \[1, 1\]"),
        ([[0, 0, -1, 1]], [0], [WHOLE], r"negative side: \[0.0, 0.0, -1.0, 1.0\]"),
        ([[0, 0, 1, 1]], [0], [(0, 0, 0, 5)], "a region has no area"),
    ],
)
def test_boxes_are_checked(box, item, region, message):
    with pytest.raises(ValueError, match=message):
        boxes_on_grid(box, item, region, (2, 2))


def test_maps_are_checked():
    truth = GridTruth(np.zeros((1, 2, 2)), np.zeros(1))
    with pytest.raises(ValueError, match=r"maps have shape \(1, 3, 3\)"):
        region_overlap(np.zeros((1, 3, 3)), truth)
    with pytest.raises(ValueError, match="1 maps hold NaN"):
        pointing_hits(np.full((1, 2, 2), np.nan), truth)


def test_boxes_that_overlap_inside_a_patch_count_once():
    # Two boxes of 2 x 1 patches with one patch in common, half a patch off the grid: 3 patches in all, by hand.
    truth = boxes_on_grid([[5, 0, 20, 10], [15, 0, 20, 10], [0, 0, 10, 10]], [0, 0, 1], [WHOLE] * 2, (10, 10))
    np.testing.assert_allclose(truth.coverage[0, 0, :4], [0.5, 1, 1, 0.5])
    assert truth.coverage[0].sum() == pytest.approx(3)
    assert truth.coverage[1, 0, 0] == 1
    inside = boxes_on_grid([[1, 1, 4, 4], [3, 3, 4, 4]], [0, 0], [WHOLE], (10, 10))
    assert inside.coverage[0, 0, 0] == pytest.approx((16 + 16 - 4) / 100)


@pytest.mark.parametrize("seed", range(4))
def test_areas_of_patches_are_those_of_regions_on_the_grid(seed):
    # The other implementation here takes many maps at once and knows no edge of the radiograph.
    random = np.random.default_rng(seed)
    value, box = random.random((8, 8)), np.array([[10.5, 20.25, 60, 30], [40, 30, 55, 50]])
    grid = (np.linspace(10, 90, 9), np.linspace(20, 84, 9))
    histogram = map_histogram(value, Truth.of_boxes(box, (100, 100)), grid, 1000)
    truth = boxes_on_grid(box, [0, 0], [[20, 10, 64, 80]], (8, 8))
    for threshold in (0.25, 0.5, 0.75):
        ours = areas_at(histogram.inside, histogram.outside, histogram.missed, threshold)
        theirs = region_overlap(value[None], truth, threshold)
        assert ours.iou() == pytest.approx(theirs.iou[0])
        assert ours.ior() == pytest.approx(theirs.ior[0])
    assert histogram.missed == pytest.approx(truth.outside[0] * 80)  # a patch is 8 x 10 pixels


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_areas_of_pixels_are_those_of_drawn_masks(rows):
    # The map covers rows 5 to 44 and columns 10 to 49 of 60 x 60 pixels, handed over in parts of some rows.
    random = np.random.default_rng(0)
    value, mask = random.random((40, 40)).astype(np.float32), random.random((60, 60)) < 0.3
    parts = [(5 + at, 10, value[at : at + rows]) for at in range(0, 40, rows)]
    histogram = pixel_histogram(parts, Truth.of_mask(mask), 1000)
    for threshold in (0.001, 0.29, 0.5, 0.731):
        found = np.zeros((60, 60), bool)
        found[5:45, 10:50] = value.astype(np.float64) >= threshold
        ours = areas_at(histogram.inside, histogram.outside, histogram.missed, threshold)
        assert ours.dice() == pytest.approx(dice(found, mask))
        assert ours.iou() == pytest.approx(iou(found, mask))
        assert ours.ior() == pytest.approx((found & mask).sum() / found.sum())


def test_an_overlap_that_rounding_lowers_is_still_correct():
    # 0.1 added three times is not 0.3, and 0.7 - 0.4 is less than 0.3.
    assert is_correct([0.7 - 0.4, 0.3 - 1e-6], 0.3).tolist() == [True, False]
    assert localisation_accuracy([0.7 - 0.4], [0], 1, 0.3).accuracy.tolist() == [[1]]
