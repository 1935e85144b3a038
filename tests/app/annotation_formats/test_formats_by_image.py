"""Formats with a file for each image: YOLO, Pascal VOC and LabelMe."""

import base64
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.annotation_formats.labelme import read_labelme
from app.annotation_formats.marks import AnnotationError
from app.annotation_formats.pascal_voc import read_pascal_voc
from app.annotation_formats.yolo import category_names, looks_like_yolo, read_yolo
from app.datalist.item import Box
from tests.app.annotation_formats.drawn import block, drawn

SIZE = (20, 40)


def yolo(folder: Path, text: str, names: str = "Nodule\nEffusion\n"):
    (folder / "classes.txt").write_text(names)
    (folder / "train").mkdir(exist_ok=True)
    file = folder / "train" / "7.txt"
    file.write_text(text)
    return read_yolo(folder, [file], folder / "classes.txt")


def test_yolo_boxes_and_polygons(tmp_path: Path):
    export = yolo(tmp_path, "0 0.25 0.5 0.1 0.2\n\n1 0 0 0.1 0 0.1 0.5 0 0.5\n")
    boxes, masks = drawn(export.images[0], SIZE)
    # By hand: the centre at (10, 10), 4 x 4 pixels; and the first four columns of the upper half.
    assert boxes == (Box("Nodule", 8, 8, 4, 4),)
    np.testing.assert_array_equal(masks["Effusion"], block(SIZE, slice(0, 10), slice(0, 4)))
    assert export.images[0].names == ("train/7", "7")
    assert export.asked == ("Nodule", "Effusion")


def test_yolo_without_a_line_is_looked_at(tmp_path: Path):
    (image,) = yolo(tmp_path, "").images
    assert image.marks == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "must have four numbers of a box, or pairs of a polygon, not 3"),
        ("0 0.5 0.5 0.1 0.1 0.9", "six numbers, like a network's box with its score"),
        ("0 0.5 0.5 nan 0.1", "must be a category's number and shares of the image"),
        ("-1 0.5 0.5 0.1 0.1", "must be a category's number"),
        ("2 0.5 0.5 0.1 0.1", "category 2 has no name in"),
        ("0 0.5 0.5 0.1 0.1 0.2 0.2 0.3", "pairs of a polygon, not 7"),
    ],
)
def test_bad_lines_of_yolo(tmp_path: Path, line: str, message: str):
    with pytest.raises(AnnotationError, match=r"7\.txt, line 2") as caught:
        yolo(tmp_path, f"0 0.5 0.5 0.1 0.1\n{line}\n")
    assert message in str(caught.value)


def test_yolo_pixels_instead_of_shares_are_outside(tmp_path: Path):
    with pytest.raises(AnnotationError, match="reaches outside the image of 40 x 20 pixels"):
        drawn(yolo(tmp_path, "0 10 5 4 4\n").images[0], SIZE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "path: .\nnames: [Nodule, Effusion]\n"),
        ("data.yaml", "names:\n  0: Nodule\n  1: Effusion\n"),
        ("classes.txt", "Nodule\nEffusion\n"),
        ("notes.json", '{"categories": [{"id": 0, "name": "Nodule"}, {"id": 1, "name": "Effusion"}]}'),
    ],
)
def test_names_of_categories(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    assert category_names(tmp_path / name) == {0: "Nodule", 1: "Effusion"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data.yaml", "names: 3\n", "must hold 'names'"),
        ("data.yaml", "names: [a\n", "not a YAML file"),
        ("data.yaml", "names: [a]\nkpt_shape: [17, 3]\n", "describes key points"),
        ("notes.json", "[]", "must hold 'categories'"),
    ],
)
def test_bad_names_of_categories(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError, match=message):
        category_names(tmp_path / name)


def test_what_looks_like_yolo():
    assert looks_like_yolo("0 0.5 0.5 0.1 0.1\n")
    assert not looks_like_yolo("images/7.png\n")
    assert not looks_like_yolo("0 0.5 0.5 0.1 nan\n")


def voc(folder: Path, objects: str = "", size: str = "<width>40</width><height>20</height>"):
    (folder / "Annotations").mkdir(exist_ok=True)
    file = folder / "Annotations" / "7.xml"
    file.write_text(
        f"<annotation><folder>w</folder><filename>7.jpg</filename><size>{size}<depth>1</depth></size>{objects}</annotation>"
    )
    return read_pascal_voc(folder, [file])


def voc_object(corners: tuple[object, ...] = (1, 1, 10, 5), difficult: int = 0) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, corners, strict=True))
    return f"<object><name>Nodule</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"


def test_voc_counts_pixels_from_one_and_includes_the_last(tmp_path: Path):
    export = voc(tmp_path, voc_object() + voc_object((31, 16, 40, 20), difficult=1))
    assert drawn(export.images[0], SIZE)[0] == (Box("Nodule", 0, 0, 10, 5), Box("Nodule", 30, 15, 10, 5))
    assert export.counts["objects marked as difficult (taken)"] == 1
    assert export.images[0].names == ("Annotations/7.jpg", "7.jpg", "7")
    assert voc(tmp_path).images[0].marks == []


def test_voc_boxes_that_count_from_zero_are_cut_at_the_edge(tmp_path: Path):
    counts: Counter[str] = Counter()
    (box,) = drawn(voc(tmp_path, voc_object((0, 0, 9, 4))).images[0], SIZE, counts)[0]
    assert box == Box("Nodule", 0, 0, 9, 4)
    assert +counts == {"boxes cut at the edge, over which they reached by a pixel or less": 1}


def test_voc_without_a_size_is_in_the_image_s_own_pixels(tmp_path: Path):
    export = voc(tmp_path, voc_object(), size="<width>0</width><height>0</height>")
    assert export.images[0].frame is None
    assert drawn(export.images[0], (50, 60))[0] == (Box("Nodule", 0, 0, 10, 5),)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((1, 1, 42, 5), "reaches outside the image of 40 x 20"),
        ((10, 5, 3, 2), "has no area"),
        (("nan", 1, 2, 3), "'xmin' must be a number, not 'nan'"),
        (("", 1, 2, 3), "'xmin' must be a number, not ''"),
    ],
)
def test_bad_boxes_of_voc(tmp_path: Path, corners: tuple[object, ...], message: str):
    with pytest.raises(AnnotationError, match=r"7\.xml, object\[0\]") as caught:
        drawn(voc(tmp_path, voc_object(corners)).images[0], SIZE)
    assert message in str(caught.value)


def labelme(folder: Path, *shapes: dict, **more: object):
    content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "..\\scans\\7.png"}
    content |= {"imageData": base64.b64encode(bytes(1000)).decode(), "imageHeight": 20, "imageWidth": 40} | more
    file = folder / "7.json"
    file.write_text(json.dumps(content))
    return read_labelme(folder, [file])


def shape(kind: str, points: list, label: str = "Nodule", **more: object) -> dict:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def test_labelme_shapes(tmp_path: Path):
    drawn_mask = np.zeros((4, 6), np.uint8)
    drawn_mask[1:3, 2:5] = 255
    png = base64.b64encode(cv2.imencode(".png", drawn_mask)[1].tobytes()).decode()
    export = labelme(
        tmp_path,
        shape("rectangle", [[12, 9], [2, 4]]),
        shape("polygon", [[0, 0], [4, 0], [4, 10], [0, 10]], "Effusion"),
        shape("circle", [[20, 10], [23, 14]], "Mass"),
        shape("mask", [[30, 5], [35, 8]], "Edema", mask=png),
        shape("linestrip", [[1, 1], [2, 2]]),
        flags={"Pneumothorax": True, "Fracture": False},
    )
    (image,) = export.images
    boxes, masks = drawn(image, SIZE)
    assert boxes == (Box("Nodule", 2, 4, 10, 5),)
    np.testing.assert_array_equal(masks["Effusion"], block(SIZE, slice(0, 10), slice(0, 4)))
    rows, columns = np.mgrid[:20, :40] + 0.5
    # By hand: the radius is 5, from (20, 10) to (23, 14); the mask begins at column 30, row 5.
    np.testing.assert_array_equal(masks["Mass"], (columns - 20) ** 2 + (rows - 10) ** 2 < 25)
    np.testing.assert_array_equal(masks["Edema"], block(SIZE, slice(6, 8), slice(32, 35)))
    assert image.labels == {"Pneumothorax": 1, "Fracture": 0}
    assert export.counts == {"left out: linestrip": 1}
    assert image.names == ("7.png", "scans/7.png", "7")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (shape("rectangle", [[1, 1]]), "a rectangle must have 2 or 4 points, not 1"),
        (shape("polygon", [[1, 1], [2, 2]]), "a polygon must have 3 points, not 2"),
        (shape("polygon", [[1, 1], [2, 2], [3, "a"]]), "must be a list of two numbers each"),
        (shape("mask", [[1, 1], [2, 2]], mask="AAAA"), "its 'mask' is no PNG as base64 text"),
        (shape("mask", [[1, 1], [2, 2]], mask="%%"), "its 'mask' is no PNG as base64 text"),
        (shape("mask", [[1, 1], [2, 2]]), "its 'mask' is no PNG as base64 text"),
        ("text", "must be an object with a 'label'"),
    ],
)
def test_bad_shapes_of_labelme(tmp_path: Path, given: dict, message: str):
    with pytest.raises(AnnotationError, match=r"7\.json, shapes\[0\]") as caught:
        labelme(tmp_path, given)
    assert message in str(caught.value)


def test_rectangles_by_four_corners(tmp_path: Path):
    upright = shape("rectangle", [[2, 4], [12, 4], [12, 9], [2, 9]])
    turned = shape("rotation", [[20, 5], [24, 9], [20, 13], [16, 9]], "Effusion")
    boxes, masks = drawn(labelme(tmp_path, upright, turned).images[0], SIZE)
    assert boxes == (Box("Nodule", 2, 4, 10, 5),)
    rows, columns = np.mgrid[:20, :40] + 0.5
    # By hand: a square on its corner, around (20, 9).
    inside = abs(columns - 20) + abs(rows - 9)
    np.testing.assert_array_equal(masks["Effusion"][inside != 4], inside[inside != 4] < 4)


def test_bad_files_of_labelme(tmp_path: Path):
    with pytest.raises(AnnotationError, match="'height' must be a number, not None"):
        labelme(tmp_path, imageHeight=None)
    with pytest.raises(AnnotationError, match="'flags' must be an object"):
        labelme(tmp_path, flags={"a": 3})
    png = base64.b64encode(cv2.imencode(".png", np.full((4, 6), 255, np.uint8))[1].tobytes()).decode()
    beyond = labelme(tmp_path, shape("mask", [[38, 5], [43, 8]], mask=png))
    with pytest.raises(
        AnnotationError, match=r"mask has 6 x 4 pixels .* from column 38, row 5, but the image has 40 x 20"
    ):
        drawn(beyond.images[0], SIZE)
