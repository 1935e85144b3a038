"""Overlays: maps and captions over a radiograph."""

import numpy as np
import pytest

from app.engines.overlay import overlay


def test_the_overlay_covers_the_region_of_the_map():
    image, maps = np.full((40, 60), 0.5, np.float32), np.zeros((2, 40, 60), np.float32)
    maps[1, 10:20, 30:50] = 1
    picture = overlay(image, maps, [], [0.5, 0.5])
    assert picture.shape == (40, 60, 3)
    assert picture.dtype == np.uint8
    red = picture[..., 2].astype(int) - picture[..., 0]
    assert np.array_equal(red > 0, maps[1] == 1)
    # Inside the outline: 0.55 of grey 127, and 0.45 of pure red on top.
    assert picture[15, 40].tolist() == [69, 69, 184]
    assert picture[0, 0].tolist() == [127, 127, 127]
    # The outline itself is pure red.
    assert picture[10, 30].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("thresholds", "outlined"), [([0.2, 0.9], [0]), ([0.9, 0.2], [1]), ([0.3, 0.3], [0, 1]), ([0.9, 0.9], [])], ids=str
)
def test_each_finding_is_outlined_at_its_own_threshold(thresholds, outlined):
    # Each map is 0.3 in its own square; only an outline is pure red.
    maps = np.zeros((2, 40, 60), np.float32)
    corners = [(5, 5), (25, 40)]
    for c, (y, x) in enumerate(corners):
        maps[c, y : y + 10, x : x + 10] = 0.3
    picture = overlay(np.full((40, 60), 0.5, np.float32), maps, [], thresholds)
    assert [c for c, (y, x) in enumerate(corners) if picture[y, x].tolist() == [0, 0, 255]] == outlined


def test_a_large_radiograph_is_reduced():
    picture = overlay(np.zeros((2048, 512), np.float32), np.zeros((1, 2048, 512), np.float32), ["Nodule 0.50"], [0.5])
    assert picture.shape == (1024, 256, 3)
    # The caption is written in white.
    assert picture.max() == 255


@pytest.mark.parametrize(("height", "lines"), [(256, 7), (1024, 10)])
def test_captions_cover_at_most_a_third_of_the_picture(height, lines):
    # By hand: a third of 256 rows holds 7 lines of 12 pixels; ten of 22 fit into that of 1,024.
    captions = [f"Finding {number} 0.{9 - number}0" for number in range(10)]
    image, maps = np.full((height, 200), 0.5, np.float32), np.zeros((10, height, 200), np.float32)
    picture = overlay(image, maps, captions, [0.5] * 10)
    # The last line's letters may reach a little below it.
    assert (picture[height // 3 + 5 :] == 127).all()
    assert np.array_equal(picture, overlay(image, maps, captions[:lines], [0.5] * 10))
    assert not np.array_equal(picture, overlay(image, maps, captions[: lines - 1], [0.5] * 10))
