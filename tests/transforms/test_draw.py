import time

import cv2
import numpy as np
import pytest
import torch

from transforms.clahe import CLAHEd
from transforms.draw import DrawAnnotationsd
from transforms.lungs import CropLungsd
from transforms.regions import restore_map, whole_region
from transforms.resize import ResizeRadiographd
from transforms.shapes import box_mask, ellipse_mask, run_length_mask

BOXES = [(3, 4, 10, 6), (0.3, 2.7, 5.5, 9.1), (-4, -3, 12, 9), (20, 10, 30, 30), (5, 5, 1, 1)]


def sample(shape=(32, 40), **more):
    return {
        "image": torch.zeros(1, *shape),
        "name": "a.png",
        "original_size": np.array(shape),
        "region": whole_region(shape),
        "boxes": np.zeros((0, 4), np.float32),
        "box_finding": np.zeros(0, np.int64),
        "mask": [],
        **more,
    }


@pytest.mark.parametrize("box", BOXES)
def test_ellipse_and_box_equal_a_slow_loop(box):
    x, y, width, height = box
    ellipse, full = np.zeros((24, 32)), np.zeros((24, 32))
    for row in range(24):
        for column in range(32):
            across = (column + 0.5 - x - width / 2) / (width / 2)
            down = (row + 0.5 - y - height / 2) / (height / 2)
            ellipse[row, column] = across**2 + down**2 <= 1
            full[row, column] = x <= column + 0.5 <= x + width and y <= row + 0.5 <= y + height
    np.testing.assert_array_equal(ellipse_mask(box, (24, 32)), ellipse)
    np.testing.assert_array_equal(box_mask(box, (24, 32)), full)


def test_ellipse_has_the_area_of_one():
    # pi / 4 of its box
    assert ellipse_mask((10, 20, 200, 100), (200, 300)).sum() == pytest.approx(np.pi / 4 * 200 * 100, rel=0.001)


@pytest.mark.parametrize(
    ("box", "expected"),
    [((3.6, 4.6, 0.3, 0.3), [[4, 3]]), ((3, 4, 0, 5), []), ((50, 4, 3, 3), []), ((-9, 4, 3, 3), [])],
    ids=["between centres", "no area", "right of the image", "left of the image"],
)
def test_tiny_and_absent(box, expected):
    assert np.argwhere(ellipse_mask(box, (10, 10))).tolist() == expected
    assert np.argwhere(box_mask(box, (10, 10))).tolist() == expected


def test_run_lengths_by_hand():
    # Column by column in 3 x 2: off, off, on | on, off, on
    assert run_length_mask((3, 2), (2, 2, 1, 1)).tolist() == [[0, 1], [0, 0], [1, 1]]
    assert run_length_mask((2, 2), (0, 4)).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match="run lengths add up to 5, but a mask of 3 x 2 has 6"):
        run_length_mask((3, 2), (2, 3))


@pytest.mark.parametrize("name", ["mask.png", "mask.bmp", "deep.png", "colour.png", "alpha.png"])
def test_mask_files(tmp_path, name):
    expected = np.zeros((32, 40), np.uint8)
    expected[5:20, 7:30] = 1
    pixels = {
        "deep.png": expected.astype(np.uint16) * 256,  # low byte is zero
        "colour.png": np.dstack([0 * expected, 0 * expected, expected * 255]),
        "alpha.png": np.dstack([expected, expected, expected, 0 * expected + 255]),
    }.get(name, expected)
    cv2.imwrite(str(tmp_path / name), pixels)
    result = DrawAnnotationsd(2)(sample(mask=[(1, str(tmp_path / name))]))["mask"]
    assert result.shape == (2, 32, 40)
    assert result.dtype == torch.uint8
    assert not result[0].any()
    np.testing.assert_array_equal(result[1], expected)


def test_boxes_are_drawn_where_there_is_no_mask():
    boxes = np.array([[3, 4, 10, 6], [20, 8, 12, 12], [4, 20, 8, 8]], np.float32)
    counts = (0, 32, 32 * 39)  # the first column
    given = sample(boxes=boxes, box_finding=np.array([0, 1, 0]), mask=[(1, ((32, 40), counts))])
    result = DrawAnnotationsd(3)(given)
    union = ellipse_mask(boxes[0], (32, 40)) | ellipse_mask(boxes[2], (32, 40))
    np.testing.assert_array_equal(result["mask"][0], union)
    assert result["mask"][1].sum() == result["mask"][1][:, 0].sum() == 32
    assert not result["mask"][2].any()
    assert result["boxes"] is boxes
    full = DrawAnnotationsd(3, ellipses=False)(given)["mask"][0]
    np.testing.assert_array_equal(full, box_mask(boxes[0], (32, 40)) | box_mask(boxes[2], (32, 40)))


def test_several_masks_of_one_finding_are_joined():
    left, right = (0, 32, 32 * 39), (32 * 39, 32)
    result = DrawAnnotationsd(1)(sample(mask=[(0, ((32, 40), left)), (0, ((32, 40), right))]))["mask"]
    assert result.sum() == 64


@pytest.mark.parametrize("missing", [(), ("mask", "boxes", "box_finding", "region", "original_size")])
def test_without_annotation(missing):
    given = {key: value for key, value in sample().items() if key not in missing}
    result = DrawAnnotationsd(14)(given)["mask"]
    assert result.shape == (14, 32, 40)
    assert not result.any()


def test_without_annotation_is_fast():
    given = sample((512, 512))
    draw = DrawAnnotationsd(14)
    draw(given)
    start = time.perf_counter()
    for _ in range(20):
        draw(given)
    assert (time.perf_counter() - start) / 20 < 0.02  # seconds; 0.0001 on an idle core


@pytest.mark.parametrize("source", ["file", "run lengths"])
def test_mask_of_another_size_is_an_error(tmp_path, source):
    path = tmp_path / "small.png"
    cv2.imwrite(str(path), np.ones((16, 20), np.uint8))
    mask = str(path) if source == "file" else ((16, 20), (320,))
    name = "small.png" if source == "file" else "run lengths"
    with pytest.raises(ValueError, match=rf"a.png: .*{name}: the mask has 16 x 20 .* its image has 32 x 40"):
        DrawAnnotationsd(1)(sample(mask=[(0, mask)]))


def test_other_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing.png: there is no such mask file"):
        DrawAnnotationsd(1)(sample(mask=[(0, str(tmp_path / "missing.png"))]))
    with pytest.raises(ValueError, match=r"a.png: the index of a finding must be from 0 to 1, not 2"):
        DrawAnnotationsd(2)(sample(mask=[(2, ((32, 40), (1280,)))]))
    with pytest.raises(ValueError, match="findings must be a whole number of at least 1, not 0"):
        DrawAnnotationsd(0)


def chain(draw: DrawAnnotationsd, size: int | tuple[int, int], keep_aspect: bool):
    steps = [
        CropLungsd(margin=0.05),
        CLAHEd(),
        ResizeRadiographd(size=size, keep_aspect=keep_aspect),
        draw,
    ]

    def apply(data):
        for step in steps:
            data = step(data)
        return data

    return apply


def lungs_of(shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 5 : shape[0] * 4 // 5, shape[1] // 8 : shape[1] * 7 // 8] = True
    return mask


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_round_trip_of_a_mask(keep_aspect):
    shape = (700, 500)
    truth = ellipse_mask((150, 300, 120, 180), shape)
    runs = np.flatnonzero(np.diff(truth.T.ravel(), prepend=0, append=0))
    counts = np.diff(runs, prepend=0, append=truth.size)
    given = sample(shape, mask=[(0, (shape, tuple(counts)))], lungs=lungs_of(shape))
    result = chain(DrawAnnotationsd(1), 256, keep_aspect)(given)
    restored = restore_map(result["mask"], result["region"], result["original_size"])[0].numpy() >= 0.5
    overlap = (restored & (truth > 0)).sum() / (restored | (truth > 0)).sum()
    assert overlap > 0.95


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_box_and_mask_file_of_the_same_ellipse_agree_after_the_chain(tmp_path, keep_aspect):
    shape = (700, 500)
    box = np.array([[20, 300, 120, 180]], np.float32)  # cut by the left side of the lungs' box
    cv2.imwrite(str(tmp_path / "mask.png"), ellipse_mask(box[0], shape))
    apply = chain(DrawAnnotationsd(1), 256, keep_aspect)
    from_file = apply(sample(shape, mask=[(0, str(tmp_path / "mask.png"))], lungs=lungs_of(shape)))["mask"]
    boxed = apply(sample(shape, boxes=box, box_finding=np.zeros(1, np.int64), lungs=lungs_of(shape)))
    both, either = (from_file & boxed["mask"]).sum(), (from_file | boxed["mask"]).sum()
    assert both / either > 0.98
    if not keep_aspect:
        assert boxed["boxes"][0, 0] == 0  # clipped


def test_drawing_before_or_after_the_crop_agrees(tmp_path):
    shape = (640, 480)
    truth = ellipse_mask((100, 200, 200, 150), shape)
    cv2.imwrite(str(tmp_path / "mask.png"), truth)
    given = sample(shape, mask=[(0, str(tmp_path / "mask.png"))], lungs=lungs_of(shape))
    late = chain(DrawAnnotationsd(1), 128, False)(given)["mask"]
    early = ResizeRadiographd(size=128)(CropLungsd()(DrawAnnotationsd(1)(given)))["mask"]
    assert torch.equal(early, late)
