"""CVAT for images 1.1: every kind of shape, tags, labels, and damaged files."""

from pathlib import Path

import numpy as np
import pytest

from app.annotation_formats.cvat import read_cvat
from app.annotation_formats.marks import AnnotationError
from app.datalist.item import Box
from tests.app.annotation_formats.drawn import block, by_name, drawn

SIZE = (20, 30)
META = (
    "<meta><task><labels><label><name>Nodule</name><type>any</type></label><label><name>Effusion</name>"
    "<type>polygon</type></label><label><name>Edema</name><type>tag</type></label></labels></task></meta>"
)


def read(folder: Path, *shapes: str, meta: str = META, more: str = "", image: str = 'name="w/7.png"'):
    path = folder / "annotations.xml"
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}'
        f'<image id="0" {image} width="30" height="20">{"".join(shapes)}</image>{more}</annotations>'
    )
    return read_cvat(path)


def box(label: str = "Nodule", more: str = "", corners: str = 'xtl="2" ytl="4" xbr="10" ybr="8"') -> str:
    return f'<box label="{label}" occluded="0" {corners} {more} z_order="0"></box>'


def test_boxes(tmp_path: Path):
    export = read(tmp_path, box(), box(corners='xtl="2" ytl="4" xbr="10" ybr="8" rotation="90.0"', label="Effusion"))
    boxes, masks = drawn(export.images[0], SIZE)
    assert boxes == (Box("Nodule", 2, 4, 8, 4),)
    # By hand: 8 x 4 around (6, 6), turned by a right angle, is 4 x 8 around it.
    np.testing.assert_array_equal(masks["Effusion"], block(SIZE, slice(2, 10), slice(4, 8)))
    assert export.images[0].names == ("w/7.png",)
    assert export.asked == ("Nodule", "Effusion")  # a label that can only be a tag is not asked for


def test_a_box_turned_by_less_than_a_right_angle_keeps_its_area(tmp_path: Path):
    export = read(tmp_path, box(corners='xtl="8" ytl="5" xbr="22" ybr="15" rotation="30"'))
    mask = drawn(export.images[0], SIZE)[1]["Nodule"]
    # By hand: a pixel is inside if its centre, turned back by 30 degrees around (15, 10), is in the box.
    x, y = np.mgrid[:20, :30][1] + 0.5 - 15, np.mgrid[:20, :30][0] + 0.5 - 10
    across = x * np.cos(np.pi / 6) + y * np.sin(np.pi / 6)
    down = -x * np.sin(np.pi / 6) + y * np.cos(np.pi / 6)
    np.testing.assert_array_equal(mask, (abs(across) < 7) & (abs(down) < 5))


def test_polygons_ellipses_and_masks(tmp_path: Path):
    polygon = '<polygon label="Effusion" points="1.0,1.0;5.0,1.0;5.0,3.0;1.0,3.0" occluded="1"/>'
    ellipse = '<ellipse label="Nodule" cx="20" cy="10" rx="6" ry="3" rotation="0"/>'
    mask = '<mask label="Edema" rle="1, 2, 3" left="10" top="5" width="3" height="2"/>'
    export = read(tmp_path, polygon, ellipse, mask)
    masks = drawn(export.images[0], SIZE)[1]
    np.testing.assert_array_equal(masks["Effusion"], block(SIZE, slice(1, 3), slice(1, 5)))
    rows, columns = np.mgrid[:20, :30] + 0.5
    np.testing.assert_array_equal(masks["Nodule"], ((columns - 20) / 6) ** 2 + ((rows - 10) / 3) ** 2 < 1)
    # By hand: along the rows of the box, one pixel off, two on, three off.
    np.testing.assert_array_equal(masks["Edema"], block(SIZE, slice(5, 6), slice(11, 13)))
    assert export.counts["shapes marked as occluded (taken)"] == 1


def test_what_has_no_extent_is_left_out_and_counted(tmp_path: Path):
    shapes = ['<polyline label="Nodule" points="1,1;2,2"/>', '<points label="Nodule" points="1,1"/>', "<skeleton/>"]
    export = read(tmp_path, *shapes, box(more='outside="1"'))
    assert export.images[0].marks == []
    assert {reason: count for reason, count in export.counts.items() if count} == {
        "left out: polyline": 1,
        "left out: points": 1,
        "left out: skeleton": 1,
        "left out: shapes marked as outside of the image": 1,
    }


def test_tags_are_labels_of_the_image(tmp_path: Path):
    more = '<image name="8.png" width="30" height="20"><tag label="Mass"/></image>'
    more += '<image name="9.png" width="3" height="2"/>'
    export = read(tmp_path, '<tag label="Edema" source="manual"></tag>', more=more)
    labels = {name: image.labels for name, image in by_name(export).items()}
    assert labels == {"w/7.png": {"Edema": 1, "Mass": 0}, "8.png": {"Edema": 0, "Mass": 1}, "9.png": {}}
    assert export.asked == ("Nodule", "Effusion")


BAD = {
    "no corner": (box(corners='xtl="2"'), "box[0]: 'ytl' must be a number, not None"),
    "infinite": (box(corners='xtl="2" ytl="inf" xbr="3" ybr="4"'), "'ytl' must be a number, not 'inf'"),
    "NaN": ('<polygon label="a" points="1,1;2,nan;3,3"/>', "'points' must be a number, not 'nan'"),
    "two points": ('<polygon label="a" points="1,1;2,2"/>', "three points or more"),
    "mask too long": (
        '<mask label="a" rle="1,9" left="0" top="0" width="3" height="2"/>',
        "add up to 10, not to 3 x 2",
    ),
    "huge mask": (
        '<mask label="a" rle="1000000000000" left="0" top="0" width="1000000" height="1000000"/>',
        "the mask reaches outside the image of 30 x 20 pixels",
    ),
    "negative runs": ('<mask label="a" rle="-1,7" left="0" top="0" width="3" height="2"/>', "add up to"),
    "mask in words": (
        '<mask label="a" rle="x" left="0" top="0" width="3" height="2"/>',
        "must be whole numbers and com",
    ),
    "half pixels": ('<mask label="a" rle="6" left="0.5" top="0" width="3" height="2"/>', "must be of whole pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_shapes_say_where_and_why(tmp_path: Path, name: str):
    shape, message = BAD[name]
    with pytest.raises(AnnotationError, match=r"annotations\.xml, image w/7\.png") as caught:
        read(tmp_path, shape)
    assert message in str(caught.value)


def test_bad_files(tmp_path: Path):
    with pytest.raises(AnnotationError, match="every image must have a 'name'"):
        read(tmp_path, image="")
    with pytest.raises(AnnotationError, match=r"export it as 'CVAT for images 1\.1'"):
        read(tmp_path, more="<track/>")
    with pytest.raises(AnnotationError, match="claims to be"):
        read(tmp_path, more='<image name="8.png" width="99999999" height="99999999"/>')
    entities = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]>'
    for text, message in (
        (f"{entities}<annotations>&c;</annotations>", "declares a document type"),
        ("<annotations><image", "not an XML file"),
        ("<annotations>" * 200, "nested more than 100 deep"),
        ("", "is empty"),
        ("<annotation/>", "not CVAT's XML"),
    ):
        for encoding in ("utf-8", "utf-16"):
            (tmp_path / "bad.xml").write_text(text, encoding=encoding)
            with pytest.raises(AnnotationError) as caught:
                read_cvat(tmp_path / "bad.xml")
            assert message in str(caught.value) or not text
