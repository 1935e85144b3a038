"""Truth as rectangles: the same areas as drawing it, pixel by pixel or on a much finer grid."""

import itertools

import numpy as np
import pytest

from evaluation.truth import Truth


def drawn(boxes, size, fine=1):
    """Boxes whose corners are multiples of 1 / fine as a mask of ``fine`` x ``fine`` points a pixel."""
    mask = np.zeros((size[0] * fine, size[1] * fine), bool)
    for x, y, w, h in np.round(np.asarray(boxes) * fine).astype(int):
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
    return mask


@pytest.mark.parametrize("seed", range(6))
def test_boxes_are_united_and_end_with_the_radiograph(seed):
    random = np.random.default_rng(seed)
    boxes = np.concatenate([random.integers(-30, 90, (5, 2)), random.integers(0, 60, (5, 2))], axis=1) / 4
    truth, fine = Truth.of_boxes(boxes, (20, 25)), drawn(boxes, (20, 25), 4)
    assert truth.area == fine.sum() / 16
    top, left, share = truth.pixels()
    expected = fine.reshape(20, 4, 25, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(share, expected[top : top + share.shape[0], left : left + share.shape[1]])
    assert share.sum() == pytest.approx(expected.sum())
    np.testing.assert_array_equal(truth.mask((20, 25)), expected >= 0.5)


@pytest.mark.parametrize("density", [0, 0.1, 0.5, 0.9, 1])
def test_a_mask_comes_back(density):
    mask = np.random.default_rng(0).random((13, 17)) < density
    truth = Truth.of_mask(mask.astype(np.uint8) * 255)
    np.testing.assert_array_equal(truth.mask((13, 17)), mask)
    assert truth.area == mask.sum()
    down, across = np.array([0, 2.5, 7, 7, 13]), np.array([1, 4.25, 17])
    # Each pixel cut into 4 x 4 equal parts, summed by hand.
    fine = np.kron(mask, np.ones((4, 4))) / 16
    rows, columns = (down * 4).astype(int), (across * 4).astype(int)
    expected = [[fine[a:b, c:d].sum() for c, d in itertools.pairwise(columns)] for a, b in itertools.pairwise(rows)]
    np.testing.assert_allclose(truth.areas(down, across), expected)


def test_a_rectangle_is_one_rectangle():
    mask = np.zeros((2000, 2500), bool)
    mask[100:1900, 300:2000] = True
    assert Truth.of_mask(mask).rectangles.tolist() == [[300, 100, 2000, 1900]]


def test_points_by_hand():
    truth = Truth.of_boxes([[1, 2, 3, 4]], (10, 10))
    x, y = np.array([1, 3.9, 4, 2, 0.9]), np.array([2, 5.9, 3, 6, 3])
    assert truth.holds(x, y).tolist() == [True, True, False, False, False]
    assert Truth.of_boxes([], (10, 10)).holds(x, y).tolist() == [False] * 5
    assert Truth.of_boxes([[20, 20, 5, 5], [3, 3, 0, 4]], (10, 10)).area == 0
