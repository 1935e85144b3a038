"""Run lengths: against hand-made masks, published strings, and the drawing of transforms."""

from pathlib import Path

import numpy as np
import pytest

from app.datalist.item import Box, RunLengths
from app.datalist.run_lengths import (
    boxes_of,
    decode,
    ellipses,
    encode,
    from_compressed,
    from_relative,
    rectangles,
    resized,
    runs_of,
    union,
)

# Two columns of three rows: the second row of the first column, the first two of the second.
MASK = np.array([[0, 1], [1, 1], [0, 0]], np.uint8)
COUNTS = RunLengths((3, 2), (1, 1, 1, 2, 1))


def test_runs_go_down_the_columns():
    assert encode(MASK) == COUNTS
    np.testing.assert_array_equal(decode(COUNTS), MASK)
    assert runs_of(COUNTS) == [(1, 2), (3, 5)]
    assert union([RunLengths((3, 2), (3, 2, 1)), RunLengths((3, 2), (1, 1, 4))]) == COUNTS


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_masks(value: int):
    mask = np.full((2, 3), value, np.uint8)
    assert encode(mask).counts == ((6,) if value == 0 else (0, 6))
    np.testing.assert_array_equal(decode(encode(mask)), mask)
    assert union([encode(mask)]) == encode(mask)


def test_random_masks_come_back():
    rng = np.random.default_rng(0)
    masks = [(rng.random((17, 23)) < share).astype(np.uint8) for share in (0.02, 0.3, 0.9)]
    for mask in masks:
        np.testing.assert_array_equal(decode(encode(mask)), mask)
        assert union([encode(mask)]) == encode(mask)
    joined = np.maximum.reduce(masks[:2])
    assert union([encode(mask) for mask in masks[:2]]) == encode(joined)


def test_relative_run_lengths_say_how_far_on_and_how_long():
    assert from_relative("1 1 1 2", (3, 2)) == COUNTS
    assert from_relative("1 2", (1, 3)) == RunLengths((1, 3), (1, 2))


@pytest.mark.parametrize("text", ["", "1", "1 0", "-1 2", "5 2", "1 x", "1.5 2"])
def test_wrong_relative_run_lengths_are_refused(text: str):
    with pytest.raises(ValueError, match="run lengths"):
        from_relative(text, (3, 2))


def test_unions_are_of_one_size():
    with pytest.raises(ValueError, match="all of one size"):
        union([COUNTS, RunLengths((1, 1), (1,))])


def test_compressed_run_lengths():
    # By hand from COCO's rule: 1 -> '1', 1 -> '1', 1 -> '1', then 2 - 1 = 1 -> '1', 1 - 1 = 0 -> '0'.
    assert from_compressed("11110", (3, 2)) == COUNTS
    # 40 is 01000 with more to come (8 + 32 + 48 = 'X'), then 1 (49 = '1'); 20 is 10100 with more, then 0; 4 fits.
    assert from_compressed("X1d04", (8, 8)) == RunLengths((8, 8), (40, 20, 4))
    # A negative difference: counts 1, 9, 2, 4: the fourth is 4 - 9 = -5, 11011 with the sign: 27 + 48 = 'K'.
    assert from_compressed("192K", (4, 4)) == RunLengths((4, 4), (1, 9, 2, 4))
    with pytest.raises(ValueError, match="do not add up to 3 x 3"):
        from_compressed("11110", (3, 3))
    with pytest.raises(ValueError, match="character"):
        from_compressed("1 1", (3, 2))


def test_boxes_lie_around_regions():
    mask = np.zeros((8, 9), np.uint8)
    mask[1:3, 2:5] = 1
    mask[3, 5] = 1  # touches at a corner
    mask[6, 7] = 1
    assert boxes_of(mask, "Nodule") == [Box("Nodule", 2, 1, 4, 3), Box("Nodule", 7, 6, 1, 1)]
    assert boxes_of(np.zeros((3, 3), np.uint8), "Nodule") == []


BOXES = [(3.2, 4.1, 10.5, 7.3), (0, 0, 5, 5), (20.5, 10, 0.3, 0.2), (-3, 25, 9, 9), (0, 0, 40, 30)]


@pytest.mark.parametrize("box", BOXES)
def test_ellipses_are_those_that_transforms_draw(box: tuple[float, ...]):
    from transforms.shapes import ellipse_mask

    np.testing.assert_array_equal(decode(ellipses([Box("n", *box)], (30, 40))), ellipse_mask(box, (30, 40)))


@pytest.mark.parametrize("box", [box for box in BOXES if box[2] > 1])
def test_rectangles_are_those_that_transforms_draw(box: tuple[float, ...]):
    from transforms.shapes import box_mask

    np.testing.assert_array_equal(decode(rectangles([Box("n", *box)], (30, 40))), box_mask(box, (30, 40)))


def test_resizing_takes_the_pixel_below_each_centre():
    assert resized(COUNTS, (3, 2)) is COUNTS
    np.testing.assert_array_equal(decode(resized(COUNTS, (6, 4))), MASK.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(decode(resized(encode(MASK.repeat(4, 0).repeat(4, 1)), (3, 2))), MASK)


def test_published_outlines_come_back_from_pixels(frugal_data: Path):
    from app.datasets.siim import read_masks

    path = frugal_data / "tables" / "siim-pneumothorax-train-rle.csv.gz"
    masks = [mask for outlines in read_masks(path).values() for mask in outlines]
    assert len(masks) == 3576
    assert all(encode(decode(mask)) == mask for mask in masks)
