"""Dice and IoU by hand, against scikit-learn, and histograms against thresholding pixel by pixel."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from evaluation.overlap import (
    aggregated_dice,
    aggregated_dice_at_thresholds,
    areas,
    areas_at,
    best_threshold,
    best_threshold_of_aggregate,
    best_threshold_of_mean,
    dice,
    dice_at_thresholds,
    iou,
    probability_histogram,
    thresholds,
)


def regions(seed, shape, share=0.3):
    random = np.random.default_rng(seed)
    return random.random(shape) < share, random.random(shape) < share


def test_dice_is_the_f1_score_and_iou_the_jaccard_score_of_pixels():
    prediction, truth = regions(0, (6, 9, 11))
    expected = [
        (f1_score(t.ravel(), p.ravel()), jaccard_score(t.ravel(), p.ravel()))
        for p, t in zip(prediction, truth, strict=True)
    ]
    np.testing.assert_allclose(np.stack([dice(prediction, truth), iou(prediction, truth)], 1), expected, atol=1e-15)


@pytest.mark.parametrize("empty", [1.0, 0.0, np.nan])
def test_empty_regions_are_defined(empty):
    prediction, truth = np.zeros((4, 2, 2)), np.zeros((4, 2, 2))
    prediction[1, 0, 0] = truth[2, 0, 0] = 1
    prediction[3, 0, 0] = truth[3, 0] = 1
    # nothing on both sides, only predicted, only true, then one pixel shared of one and two
    np.testing.assert_array_equal(dice(prediction, truth, empty), [empty, 0, 0, 2 / 3])
    np.testing.assert_array_equal(iou(prediction, truth, empty), [empty, 0, 0, 1 / 2])


def test_aggregated_dice_is_that_of_one_large_image():
    prediction, truth = regions(1, (5, 3, 8, 8))
    annotated = np.ones((5, 3), bool)
    annotated[:2, 1] = False
    annotated[:, 2] = False
    result = aggregated_dice(prediction, truth, annotated)
    expected = [
        f1_score(truth[:, 0].ravel(), prediction[:, 0].ravel()),
        f1_score(truth[2:, 1].ravel(), prediction[2:, 1].ravel()),
    ]
    np.testing.assert_allclose(result[:2], expected, atol=1e-15)
    assert np.isnan(result[2])


@pytest.mark.parametrize("bins", [1, 7, 100, 200, 256])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_histograms_give_dice_at_every_threshold(bins, kind):
    random = np.random.default_rng(2)
    # half of the values lie on the grid itself, where rounding would show
    probability = np.where(
        random.random((5, 12, 13)) < 0.5, random.integers(0, bins + 1, (5, 12, 13)) / bins, random.random((5, 12, 13))
    ).astype(kind)
    truth = random.random(probability.shape) < 0.2
    truth[4] = False
    curves = dice_at_thresholds(*probability_histogram(probability, truth, bins))
    slow = np.stack([dice(probability.astype(float) >= t, truth) for t in thresholds(bins)], axis=1)
    np.testing.assert_array_equal(curves, slow)
    together = aggregated_dice_at_thresholds(*probability_histogram(probability, truth, bins))
    slow = [areas(probability.astype(float) >= t, truth).over_set().dice() for t in thresholds(bins)]
    np.testing.assert_array_equal(together, slow)


def test_one_map_is_a_batch_of_one():
    probability, truth = np.array([[0.0, 1.0], [0.5, 0.499]]), np.array([[False, True], [True, False]])
    inside, outside = probability_histogram(probability, truth, bins=4)
    np.testing.assert_array_equal(inside, [0, 0, 1, 1])
    np.testing.assert_array_equal(outside, [1, 1, 0, 0])
    batch = probability_histogram(np.stack([[probability, 1 - probability]] * 3), np.stack([[truth] * 2] * 3), bins=4)
    assert batch[0].shape == (3, 2, 4)
    np.testing.assert_array_equal(batch[0][2, 0], inside)
    assert probability_histogram(np.zeros((0, 2, 2)), np.zeros((0, 2, 2)))[0].shape == (0, 200)


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan])
def test_other_values_than_probabilities_are_refused(value):
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]"):
        probability_histogram([[0.5, value]], [[True, False]])


def test_best_threshold_takes_the_middle_of_equals():
    assert best_threshold([0.1, 0.5, 0.5, 0.5, 0.2]).threshold == pytest.approx(2 / 5)
    assert np.isnan(best_threshold([np.nan, np.nan]).dice)


def test_best_threshold_by_hand():
    # One image of one row: truth is the two pixels of 0.6 and 0.8; everything else lies at 0.3.
    probability, truth = np.array([[[0.3, 0.3, 0.6, 0.8]]]), np.array([[[0, 0, 1, 1]]], bool)
    histograms = probability_histogram(probability, truth, bins=10)
    for best in (best_threshold_of_mean(*histograms), best_threshold_of_aggregate(*histograms)):
        assert best.threshold == pytest.approx(0.5)  # 0.4, 0.5 and 0.6 part them; the middle one
        assert best.dice == 1.0


def test_images_without_truth_do_not_move_the_mean_threshold():
    random = np.random.default_rng(4)
    probability, truth = random.random((4, 6, 6)), random.random((4, 6, 6)) < 0.4
    truth[2:] = False
    all_images = best_threshold_of_mean(*probability_histogram(probability, truth))
    assert all_images == best_threshold_of_mean(*probability_histogram(probability[:2], truth[:2]))
    assert np.isnan(best_threshold_of_mean(*probability_histogram(probability[2:], truth[2:])).dice)


def test_a_pixel_that_is_nan_is_refused():
    with pytest.raises(ValueError, match="the prediction holds 4 NaN"):
        dice(np.full((1, 2, 2), np.nan), np.ones((1, 2, 2)))


def test_truth_beyond_the_map_is_missed_at_every_threshold():
    # Image 0 has 4 true pixels at 0.75 and 4 beyond the map: Dice 2 * 4 / (4 + 8) up to there. Image 1 has all of its
    # 8 beyond the map, which says 0.25 in 2 pixels: 0 throughout.
    inside, outside = np.zeros((2, 4)), np.zeros((2, 4))
    inside[0, 3], outside[1, 1], missed = 4, 2, np.array([4.0, 8.0])
    np.testing.assert_allclose(dice_at_thresholds(inside, outside, missed=missed), [[2 / 3] * 4, [0] * 4])
    # As one image: 8 / (4 + 2 + 16) with the false pixels, 8 / (4 + 16) without.
    expected = [8 / 22, 8 / 22, 8 / 20, 8 / 20]
    np.testing.assert_allclose(aggregated_dice_at_thresholds(inside, outside, missed=missed), expected)
    assert best_threshold_of_mean(inside, outside, missed).dice == pytest.approx(1 / 3)
    assert best_threshold_of_aggregate(inside, outside, missed).threshold == 0.5
    areas = areas_at(inside, outside, missed, 0.5)
    np.testing.assert_allclose(areas.iou(), [0.5, 0])
    np.testing.assert_allclose(areas.ior(), [1, 0])
