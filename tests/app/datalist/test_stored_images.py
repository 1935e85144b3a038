"""Items matched with the images of a folder, and datalists that move to another folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.datalist.file import moved
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.stored_images import stem, with_images
from app.files.images import by_name, image_files

FRAME = (1024, 1024)


def datalist(*items: Item) -> Datalist:
    return Datalist("made", ("Nodule",), {"training": list(items), "validation": [], "test": []})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.png", "1"),
        ("1.PNG", "1"),
        ("1.nii.gz", "1"),
        ("1.2.276.850819", "1.2.276.850819"),
        ("a.b.dcm", "a.b"),
        ("a", "a"),
    ],
)
def test_stem_takes_image_suffixes_off_alone(name: str, expected: str):
    assert stem(name) == expected


def test_another_suffix_serves_as_well(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "1.2.3.png"), np.zeros((512, 1024), np.uint8))
    box = Box("Nodule", 100, 200, 300, 400)
    made = with_images(datalist(Item("1.2.3.dcm", "1", (1,), boxes=(box,))), tmp_path, tmp_path / "list.json", FRAME)
    (item,) = made.sections["training"]
    assert item.image == "1.2.3.png"
    # Stored at half the height and the whole width of the frame.
    assert item.boxes == (Box("Nodule", 100, 100, 300, 200),)


def test_without_a_frame_boxes_stay(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((10, 10), np.uint8))
    box = Box("Nodule", 1, 2, 3, 4)
    made = with_images(datalist(Item("1.png", "1", (1,), boxes=(box,))), tmp_path, tmp_path / "list.json")
    assert made.sections["training"][0].boxes == (box,)


def test_an_unreadable_image_with_boxes_is_named(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(b"no picture")
    item = Item("1.png", "1", (1,), boxes=(Box("Nodule", 1, 2, 3, 4),))
    with pytest.raises(ValueError, match=r"1\.png: its size cannot be read"):
        with_images(datalist(item), tmp_path, tmp_path / "list.json", FRAME)


def test_the_given_datalist_is_left_as_it_is(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((512, 512), np.uint8))
    given = datalist(Item("1.png", "1", (1,), boxes=(Box("Nodule", 2, 2, 2, 2),)), Item("2.png", "2", (0,)))
    with_images(given, tmp_path, tmp_path / "deep" / "list.json", FRAME)
    assert [item.image for item in given.sections["training"]] == ["1.png", "2.png"]
    assert given.sections["training"][0].boxes == (Box("Nodule", 2, 2, 2, 2),)
    assert given.provenance == {}


def test_a_folder_without_images_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="holds no image"):
        by_name(image_files(tmp_path))


def test_a_moved_datalist_finds_its_files(tmp_path: Path):
    mask = {"Nodule": "masks/1.png"}
    given = datalist(
        Item("images/1.png", "1", (1,), mask=mask), Item("2.png", "2", (1,), mask={"Nodule": RunLengths((1, 1), (1,))})
    )
    first, second = moved(given, tmp_path / "a" / "list.json", tmp_path / "b" / "c" / "list.json").sections["training"]
    assert (first.image, first.mask) == ("../../a/images/1.png", {"Nodule": "../../a/masks/1.png"})
    assert (second.image, second.mask) == ("../../a/2.png", {"Nodule": RunLengths((1, 1), (1,))})
    assert moved(given, tmp_path / "list.json", tmp_path / "other.json") is given
