import cv2
import numpy as np
import pytest
import torch

from transforms.regions import boxes_to_stored, whole_region
from transforms.resize import ResizeRadiograph, ResizeRadiographd


def test_shrinking_is_the_mean_over_areas():
    pixels = np.random.default_rng(0).random((12, 20)).astype(np.float32)
    expected = pixels.reshape(4, 3, 5, 4).mean(axis=(1, 3))  # blocks of 3 x 4 pixels
    result = ResizeRadiograph((4, 5))(torch.from_numpy(pixels)[None])
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result[0], expected, atol=1e-6)


def test_growing_is_linear():
    pixels = np.random.default_rng(0).random((12, 20)).astype(np.float32)
    result = ResizeRadiograph((30, 64))(torch.from_numpy(pixels)[None])
    oracle = torch.nn.functional.interpolate(torch.from_numpy(pixels)[None, None], (30, 64), mode="bilinear")[0]
    np.testing.assert_allclose(result, oracle, atol=1e-5)


def test_one_side_shrinks_while_the_other_grows():
    rows = np.random.default_rng(0).random((12, 1)).astype(np.float32)
    result = ResizeRadiograph((4, 8))(np.repeat(rows, 4, axis=1)[None])
    np.testing.assert_allclose(result[0], np.repeat(rows.reshape(4, 3).mean(axis=1)[:, None], 8, axis=1), atol=1e-6)


def test_same_size_is_the_same():
    image = torch.rand(1, 9, 7)
    result = ResizeRadiograph((9, 7))(image)
    assert torch.equal(result, image)


def test_keep_aspect_pads_evenly():
    result = ResizeRadiograph(10, keep_aspect=True)(torch.ones(1, 40, 20))
    expected = torch.zeros(1, 10, 10)
    expected[:, :, 2:7] = 1  # 10 x 5 of content, 2 columns left and 3 right
    assert torch.equal(result, expected)


@pytest.mark.parametrize("size", [0, (4,), (4, -1), 2.5, (1, 2, 3)])
def test_rejects_size(size):
    with pytest.raises(ValueError, match=r"size must be one or two whole numbers"):
        ResizeRadiograph(size)


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_annotations_follow(keep_aspect):
    image = np.zeros((1, 90, 60), np.float32)
    image[0, 30:60, 24:48] = 1
    box = np.array([[24, 30, 24, 30]], np.float32)
    region = np.array([100, 200, 120, 180], np.float32)  # of a larger stored image, at half size
    sample = {"image": torch.from_numpy(image), "mask": torch.from_numpy(image.astype(np.uint8)), "boxes": box}
    result = ResizeRadiographd(size=30, keep_aspect=keep_aspect)({**sample, "region": region})
    assert result["image"].shape == result["mask"].shape == (1, 30, 30)
    assert result["mask"].dtype == torch.uint8
    # by hand: a third in height; in width a half, or a third from column 5 on
    expected = [5 + 8, 10, 8, 10] if keep_aspect else [12, 10, 12, 10]
    assert result["boxes"].tolist() == [expected]
    x, y, width, height = expected
    drawn = torch.zeros(1, 30, 30)
    drawn[:, y : y + height, x : x + width] = 1
    assert torch.equal(result["mask"].float(), drawn)
    torch.testing.assert_close(result["image"], drawn)
    # padding: 5 columns of 3 pixels of 2 stored ones on each side
    assert result["region"].tolist() == ([70, 200, 180, 180] if keep_aspect else [100, 200, 120, 180])
    np.testing.assert_allclose(boxes_to_stored(result["boxes"], result["region"], (30, 30)), [[148, 260, 48, 60]])


def test_mask_is_where_half_covered_and_never_vanishes():
    mask = torch.zeros(3, 8, 8, dtype=torch.uint8)
    mask[0, 0:4, 0:2] = 1  # half of the first cell of 4 x 4
    mask[1, 5, 6] = 1
    result = ResizeRadiographd(size=2)({"image": torch.zeros(1, 8, 8), "mask": mask})["mask"]
    assert result.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 0]]]


def test_list_of_masks_is_left_for_drawing():
    masks = [(0, "a.png")]
    sample = {"image": torch.zeros(1, 8, 8), "mask": masks, "region": whole_region((8, 8)), "name": "a.png"}
    result = ResizeRadiographd(size=4)(sample)
    assert result["mask"] is masks
    assert result["region"].tolist() == [0, 0, 8, 8]
    with pytest.raises(ValueError, match=r"a.png: image has shape \(2, 8, 8\)"):
        ResizeRadiographd(size=4)({**sample, "image": torch.zeros(2, 8, 8)})


def test_real_radiograph(frugal_data):
    path = sorted((frugal_data / "nih" / "images_1024").glob("*.png"))[0]
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    result = ResizeRadiograph(512)(torch.from_numpy(pixels / np.float32(255))[None])
    blocks = pixels.reshape(512, 2, 512, 2).mean(axis=(1, 3)) / 255  # mean of 2 x 2 pixels by hand
    np.testing.assert_allclose(result[0], blocks, atol=1e-6)
