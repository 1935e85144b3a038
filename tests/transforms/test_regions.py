import cv2
import numpy as np
import pytest
import torch

from transforms.regions import (
    boxes_to_image,
    boxes_to_stored,
    clip_boxes,
    mask_on_region,
    restore_map,
    subregion,
    whole_region,
)


def covered_share(mask, region, shape):
    """Slow oracle: overlap of every new pixel with every old one."""
    x, y, width, height = region
    result = np.zeros(shape)
    for row in range(shape[0]):
        top, bottom = y + row * height / shape[0], y + (row + 1) * height / shape[0]
        for column in range(shape[1]):
            left, right = x + column * width / shape[1], x + (column + 1) * width / shape[1]
            for i, j in zip(*np.nonzero(mask), strict=True):
                down = max(0, min(bottom, i + 1) - max(top, i))
                across = max(0, min(right, j + 1) - max(left, j))
                result[row, column] += down * across / ((bottom - top) * (right - left))
    return result


@pytest.mark.parametrize(
    ("region", "shape"),
    [
        ((0, 0, 14, 10), (10, 14)),
        ((0, 0, 14, 10), (4, 5)),
        ((2, 1, 9, 7), (5, 4)),
        ((2.5, 1.25, 9.5, 7), (20, 31)),
        ((-3, -2, 20, 16), (9, 7)),
    ],
    ids=["same", "smaller", "cropped", "larger", "padded"],
)
def test_mask_on_region_is_half_covered_area(region, shape):
    mask = np.random.default_rng(0).random((10, 14)) > 0.5
    expected = covered_share(mask, region, shape) >= 0.5 - 1e-6
    np.testing.assert_array_equal(mask_on_region(mask, np.array(region), shape), expected)


def test_small_mask_does_not_vanish():
    mask = np.zeros((100, 100), np.uint8)
    mask[42, 57] = 255
    result = mask_on_region(mask, whole_region((100, 100)), (10, 10))
    assert np.argwhere(result).tolist() == [[4, 5]]
    # outside the region there is nothing to keep
    assert not mask_on_region(mask, np.array([0, 0, 50, 50]), (10, 10)).any()


def test_subregion_by_hand():
    # The image in hand shows 200 x 100 stored pixels from (10, 20) at half size, so its pixel is 2 stored ones.
    region = subregion(np.array([10, 20, 200, 100]), np.array([5, 10, 50, 20]), (50, 100))
    assert region.tolist() == [20, 40, 100, 40]


@pytest.mark.parametrize("region", [(0, 0, 640, 480), (100.5, 37, 301, 222), (-50, -20, 900, 700)])
def test_box_round_trip(region):
    boxes = np.random.default_rng(0).uniform(0, 400, (20, 4)).astype(np.float32)
    there = boxes_to_image(boxes, np.array(region), (256, 512))
    assert there.dtype == np.float32
    np.testing.assert_allclose(boxes_to_stored(there, np.array(region), (256, 512)), boxes, rtol=1e-5, atol=1e-4)


def test_no_boxes():
    region = whole_region((10, 10))
    assert boxes_to_image(np.zeros((0, 4)), region, (5, 5)).shape == (0, 4)
    assert clip_boxes(np.zeros((0, 4)), (5, 5))[0].shape == (0, 4)


def test_clip_boxes_by_hand():
    boxes = [[-2, 1, 5, 3], [8, 8, 9, 9], [1, 12, 3, 2], [-5, 2, 5, 2], [2, 2, 3, 3]]
    clipped, outside = clip_boxes(np.array(boxes), (10, 12))
    assert clipped.tolist() == [[0, 1, 3, 3], [8, 8, 4, 2], [1, 10, 0, 0], [0, 2, 0, 0], [2, 2, 3, 3]]
    assert outside.tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("grid", [(8, 8), (40, 30), (7, 200)])
def test_restored_map_equals_opencv_resize(grid):
    # OpenCV's linear resize has the same centres; over a whole-pixel region the two are one thing.
    values = np.random.default_rng(0).random(grid).astype(np.float32)
    result = restore_map(torch.from_numpy(values), np.array([30, 10, 90, 60]), (100, 150), background=-9.0)
    assert result.shape == (100, 150)
    oracle = cv2.resize(values, (90, 60), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(result[10:70, 30:120], oracle, atol=2e-5)
    inside = torch.zeros(100, 150, dtype=torch.bool)
    inside[10:70, 30:120] = True
    assert (result[~inside] == -9.0).all()


def test_restored_map_of_a_padded_region_loses_the_padding():
    # 3 columns of cells over x from -10 to 20: the first lies outside the image of width 20.
    values = torch.tensor([[5.0, 1.0, 2.0]])
    result = restore_map(values, np.array([-10, 0, 30, 4]), (4, 20))
    assert result.shape == (4, 20)
    # x = 4.5 and 5.5 lie beside the centre of the second cell (x = 5), x = 15 is that of the third
    assert result[0, 5] == pytest.approx(1.05)
    assert result[0, 4] == pytest.approx(1.2)
    assert result[0, 19] == pytest.approx(2.0)


def test_restored_map_keeps_channels():
    values = torch.arange(6.0).reshape(6, 1, 1).expand(6, 2, 3)
    result = restore_map(values, whole_region((4, 5)), np.array([4, 5]))
    assert result.shape == (6, 4, 5)
    assert torch.equal(result, torch.arange(6.0).reshape(6, 1, 1).expand(6, 4, 5))


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (0, 0, 5, -1), (0, 0, np.nan, 5), (0, 0, 5)])
def test_rejects_region(region):
    with pytest.raises(ValueError, match="a width and height above 0, not"):
        restore_map(torch.zeros(2, 2), np.array(region), (4, 4))


def test_rejects_map_shape():
    with pytest.raises(ValueError, match=r"map must have the shape .*, not \(1, 1, 2, 2\)"):
        restore_map(torch.zeros(1, 1, 2, 2), whole_region((4, 4)), (4, 4))
