"""COCO JSON: boxes, polygons, run lengths, and what is wrong with a file."""

from pathlib import Path

import numpy as np
import pytest

from app.annotation_formats.coco import read_coco
from app.annotation_formats.marks import AnnotationError
from app.datalist.item import Box
from app.datalist.run_lengths import encode
from tests.app.annotation_formats.coco_files import SIZE, coco, write_coco
from tests.app.annotation_formats.drawn import by_name, drawn


def located(folder: Path, *annotations: dict) -> tuple[tuple[Box, ...], dict[str, np.ndarray]]:
    return drawn(by_name(read_coco(write_coco(folder, coco(*annotations))))["w/1.png"], SIZE)


def test_boxes(tmp_path: Path):
    export = read_coco(write_coco(tmp_path, coco({"bbox": [1, 2, 3, 4]}, {"bbox": [0, 0, 1, 1], "category_id": 2})))
    images = by_name(export)
    assert drawn(images["w/1.png"], SIZE)[0] == (Box("nodule", 1, 2, 3, 4), Box("ribbon", 0, 0, 1, 1))
    assert images["w/2.png"].marks == []
    assert export.asked == ("nodule", "ribbon")


def test_polygons_hold_the_pixels_whose_centres_lie_inside(tmp_path: Path):
    # A triangle below the diagonal of the first four pixels, and a square.
    polygons = [[0, 0, 4, 4, 0, 4], [10, 10, 12, 10, 12, 13, 10, 13]]
    mask = located(tmp_path, {"segmentation": polygons})[1]["nodule"]
    expected = np.zeros(SIZE, np.uint8)
    for row in range(4):
        expected[row, :row] = 1  # centres on the diagonal lie on the edge
    expected[10:13, 10:12] = 1
    mask[range(4), range(4)] = 0
    np.testing.assert_array_equal(mask, expected)


def test_polygons_agree_with_a_second_implementation(tmp_path: Path):
    from matplotlib.path import Path as Outline

    rng = np.random.default_rng(0)
    angles = np.sort(rng.random(12)) * 2 * np.pi
    radii = rng.uniform(3, 9, 12)
    points = np.stack([15 + radii * np.cos(angles), 10 + radii * np.sin(angles)], axis=1)
    mask = located(tmp_path, {"segmentation": [points.ravel().tolist()]})[1]["nodule"]
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    inside = Outline(points).contains_points(np.stack([columns.ravel(), rows.ravel()], axis=1)).reshape(SIZE)
    np.testing.assert_array_equal(mask, inside)


def test_run_lengths_of_coco_and_boxes_beside_them(tmp_path: Path):
    outline = np.zeros(SIZE, np.uint8)
    outline[2:5, 3:6] = 1
    given = {"segmentation": {"size": list(SIZE), "counts": list(encode(outline).counts)}}
    boxes, masks = located(tmp_path, given, {"bbox": [20, 10, 2, 2]})
    outline[10:12, 20:22] = 1  # the box of a finding that is outlined as well is filled in
    assert boxes == ()
    np.testing.assert_array_equal(masks["nodule"], outline)


BAD_COCO = {
    "no area": ({"bbox": [1, 2, 0, 4]}, "annotations[0]: the box x 1, y 2, width 0, height 4 has no area"),
    "outside": (
        {"bbox": [28, 2, 5, 4]},
        "the box x 28, y 2, width 5, height 4 reaches outside the image of 30 x 20 pixels",
    ),
    "text": ({"bbox": ["1", 2, 3, 4]}, "annotations[0]: needs 'bbox' as [x, y, width, height] or 'segmentation'"),
    "nothing": ({}, "needs 'bbox'"),
    "image": ({"image_id": 7, "bbox": [1, 2, 3, 4]}, "no image of id 7"),
    "category": ({"category_id": 7, "bbox": [1, 2, 3, 4]}, "no category of id 7"),
    "polygon": ({"segmentation": [[1, 2, 3, 4]]}, "a polygon must have three points or more"),
    "size": (
        {"segmentation": {"size": [1, 1], "counts": [1]}},
        "size [1, 1], but the image has height and width [20, 30]",
    ),
    "counts": ({"segmentation": {"size": [20, 30], "counts": [1]}}, "run lengths add up to 1, not to 20 x 30"),
}


@pytest.mark.parametrize("name", BAD_COCO)
def test_a_bad_annotation_says_where_and_why(tmp_path: Path, name: str):
    annotation, message = BAD_COCO[name]
    with pytest.raises(AnnotationError) as caught:
        located(tmp_path, annotation)
    assert message in str(caught.value)


def test_bad_coco_files(tmp_path: Path):
    with pytest.raises(AnnotationError, match=r"categories, annotations missing\. Found: images"):
        read_coco(write_coco(tmp_path, {"images": []}))
    one = {"id": 1, "file_name": "1.png", "height": 5, "width": 5}
    with pytest.raises(AnnotationError, match=r"image '1\.png' is named twice"):
        read_coco(write_coco(tmp_path, coco(images=[one, one | {"id": 2}])))
    with pytest.raises(AnnotationError, match="whole height and width, not None, 5"):
        read_coco(write_coco(tmp_path, coco(images=[one | {"height": None}])))
    (tmp_path / "coco.json").write_text("{")
    with pytest.raises(AnnotationError, match="not a JSON file"):
        read_coco(tmp_path / "coco.json")


def test_masks_are_run_lengths_of_the_image(tmp_path: Path):
    full = {"segmentation": {"size": list(SIZE), "counts": [0, SIZE[0] * SIZE[1]]}}
    assert located(tmp_path, full)[1]["nodule"].all()


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"segmentation": [[1, 1, 2, 2, 3, 3]]}, "covers no pixel of its image"),
        ({"segmentation": [[90, 90, 95, 90, 95, 95]]}, "covers no pixel of its image"),
        ({"segmentation": {"size": list(SIZE), "counts": [0.5, 599.5]}}, "must be a list of whole numbers"),
        ({"segmentation": {"size": list(SIZE)}}, "must be a list of whole numbers"),
        ({"image_id": [1]}, "'image_id' must be a number or text, not [1]"),
    ],
)
def test_outlines_of_nothing_are_refused(tmp_path: Path, annotation: dict, message: str):
    with pytest.raises(AnnotationError, match=r"annotations\[0\]") as caught:
        located(tmp_path, annotation)
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_coco_entries_are_objects(tmp_path: Path, key: str):
    path = write_coco(tmp_path, coco() | {key: [3]})
    with pytest.raises(AnnotationError, match=rf"{key}\[0\]: must be an object, not 3"):
        read_coco(path)


def test_compressed_run_lengths_agree_with_pycocotools(tmp_path: Path):
    masks = pytest.importorskip("pycocotools.mask")
    mask = (np.random.default_rng(0).random(SIZE) < 0.3).astype(np.uint8)
    packed = masks.encode(np.asfortranarray(mask))
    given = {"segmentation": {"size": list(SIZE), "counts": packed["counts"].decode()}, "iscrowd": 1}
    np.testing.assert_array_equal(located(tmp_path, given)[1]["nodule"], mask)


@pytest.mark.parametrize("counts", ["~~~~", "X" * 30, "o" * 4000, ""])
def test_damaged_compressed_run_lengths_are_refused(tmp_path: Path, counts: str):
    with pytest.raises(AnnotationError, match=r"annotations\[0\]: its segmentation does not fit its image"):
        located(tmp_path, {"segmentation": {"size": list(SIZE), "counts": counts}})


def test_an_implausibly_large_image_is_refused(tmp_path: Path):
    vast = {"id": 1, "file_name": "1.png", "height": 10**8, "width": 10**8}
    with pytest.raises(AnnotationError, match=r"1\.png: its image claims to be 100000000 rows"):
        read_coco(write_coco(tmp_path, coco(images=[vast])))


def test_an_image_of_another_shape_is_refused(tmp_path: Path):
    export = read_coco(write_coco(tmp_path, coco({"bbox": [1, 2, 3, 4]})))
    assert drawn(export.images[0], (40, 60))[0] == (Box("nodule", 2, 4, 6, 8),)
    with pytest.raises(AnnotationError, match="another shape, so that it was cut, padded or stretched"):
        drawn(export.images[0], (60, 60))
