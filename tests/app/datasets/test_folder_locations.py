"""Locations of a user's own images that are turned by EXIF, and mask files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import main
from app.datalist.file import read_datalist

SIZE = (20, 30)


def run(folder: Path, *words: str, label: str = "") -> int:
    """``frugal datalist folder`` of one image and its row."""
    (folder / "labels.csv").write_text(f"image,patient,Nodule\n1.jpg,p,{label}\n")
    common = ["--tables", str(folder), "--csv", str(folder / "labels.csv"), "--images", str(folder / "images")]
    return main(["datalist", "folder", *common, "--out", str(folder / "list.json"), *words])


def write_image(folder: Path, turned: bool) -> None:
    """An image that is shown as 20 rows of 30 pixels where it is turned, and is stored as 30 of 20."""
    exif = Image.Exif()
    exif[274] = 6 if turned else 1
    (folder / "images").mkdir()
    Image.new("L", SIZE).save(folder / "images" / "1.jpg", exif=exif)


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("size", [SIZE, SIZE[::-1]])
def test_coco_locations_are_in_the_image_as_it_is_shown(
    tmp_path: Path, turned: bool, size: tuple[int, int], capsys: pytest.CaptureFixture
):
    write_image(tmp_path, turned)
    image = {"id": 1, "file_name": "1.jpg", "height": size[0], "width": size[1]}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    found = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "Nodule"}]}
    (tmp_path / "coco.json").write_text(json.dumps(found))
    status = run(tmp_path, "--annotations", str(tmp_path / "coco.json"))
    if (size == SIZE) == turned:
        (item,) = read_datalist(tmp_path / "list.json").sections["training"]
        assert [tuple(box)[1:5] for box in item.boxes] == [(1, 2, 3, 4)]
    else:
        assert status == 1
        text = capsys.readouterr().err
        assert "1.jpg: " in text
        assert f"its locations are in an image of {size[0]} x {size[1]} pixels (height x width)" in text
        assert f"the file is shown as {size[1]} x {size[0]}" in text


def test_a_mask_that_jpeg_blurred_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_image(tmp_path, turned=True)
    drawn = np.zeros(SIZE, np.uint8)
    drawn[5:12, 8:19] = 255
    Image.fromarray(drawn).save(tmp_path / "1_mask.jpg", quality=90)
    for label in ("", "0", "1", "-1"):
        assert run(tmp_path, "--masks", "{stem}_mask.jpg", label=label) == 1
        assert "1_mask.jpg: is no mask: besides" in capsys.readouterr().err
    Image.fromarray(drawn).save(tmp_path / "1_mask.png")
    assert run(tmp_path, "--masks", "{stem}_mask.png") == 0
    (item,) = read_datalist(tmp_path / "list.json").sections["training"]
    assert item.label == (1,)
