"""Overlays: regions and captions over a radiograph."""

import numpy as np
import pytest

from app.engines.overlay import Region, colour_of, overlay

RED, OTHER = (0, 0, 255), (255, 0, 0)


def test_the_overlay_covers_the_region_of_the_map():
    image, map = np.full((40, 60), 0.5, np.float32), np.zeros((40, 60), np.float32)
    map[10:20, 30:50] = 1
    picture = overlay(image, [Region("", map, 0.5, RED)])
    assert picture.shape == (40, 60, 3)
    assert picture.dtype == np.uint8
    red = picture[..., 2].astype(int) - picture[..., 0]
    assert np.array_equal(red > 0, map == 1)
    # Inside the outline: 0.55 of grey 127, and 0.45 of pure red on top.
    assert picture[15, 40].tolist() == [69, 69, 184]
    assert picture[0, 0].tolist() == [127, 127, 127]
    # The outline itself is pure red.
    assert picture[10, 30].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("thresholds", "outlined"), [([0.2, 0.9], [0]), ([0.9, 0.2], [1]), ([0.3, 0.3], [0, 1]), ([0.9, 0.9], [])], ids=str
)
def test_each_finding_is_outlined_at_its_own_threshold_in_its_own_colour(thresholds, outlined):
    # Each map is 0.3 in its own square; only an outline has the pure colour.
    corners, colours, maps = [(5, 5), (25, 40)], (RED, OTHER), np.zeros((2, 40, 60), np.float32)
    for c, (y, x) in enumerate(corners):
        maps[c, y : y + 10, x : x + 10] = 0.3
    regions = [Region("", *values) for values in zip(maps, thresholds, colours, strict=True)]
    picture = overlay(np.full((40, 60), 0.5, np.float32), regions)
    assert [c for c, (y, x) in enumerate(corners) if tuple(picture[y, x]) == colours[c]] == outlined


def test_a_large_radiograph_is_reduced():
    regions = [Region("Nodule 0.50", np.zeros((2048, 512), np.float32), 0.5, colour_of(0))]
    picture = overlay(np.zeros((2048, 512), np.float32), regions)
    assert picture.shape == (1024, 256, 3)
    assert picture.reshape(-1, 3).max(axis=0).tolist() == list(colour_of(0)), (
        "the caption has the colour of its finding"
    )


def test_a_map_is_shown_from_its_threshold_on():
    map = np.full((40, 60), 0.4, np.float32)
    map[10:20, 30:50] = 0.8
    picture = overlay(np.full((40, 60), 0.5, np.float32), [Region("", map, 0.5, RED)])
    assert np.array_equal((picture != 127).any(axis=-1), map == np.float32(0.8))


def test_findings_have_colours_of_their_own():
    # ChestX-ray14 has 14 findings.
    colours = np.array([colour_of(finding) for finding in range(14)], float)
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1000 * np.eye(14)
    assert distance.min() > 30


def test_a_note_is_written_if_there_is_nothing_to_draw():
    picture = overlay(np.zeros((256, 256), np.float32), [], "nothing called")
    assert picture[:40].max() == 255
    assert not picture[40:].any()


@pytest.mark.parametrize(("height", "lines"), [(256, 7), (1024, 10)])
def test_captions_cover_at_most_a_third_of_the_picture(height, lines):
    # By hand: a third of 256 rows holds 7 lines of 12 pixels; ten of 22 fit into that of 1,024.
    image, empty = np.full((height, 200), 0.5, np.float32), np.zeros((height, 200), np.float32)
    regions = [Region(f"Finding {number} 0.{9 - number}0", empty, 0.5) for number in range(10)]
    picture = overlay(image, regions)

    def with_captions(count: int) -> np.ndarray:
        return overlay(image, [each if c < count else each._replace(caption="") for c, each in enumerate(regions)])

    # The last line's letters may reach a little below it.
    assert (picture[height // 3 + 5 :] == 127).all()
    assert np.array_equal(picture, with_captions(lines))
    assert not np.array_equal(picture, with_captions(lines - 1))
