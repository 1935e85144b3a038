"""Annotations written for other programs, and read back from them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from app.annotation_formats.exporting import WRITERS
from app.annotation_formats.label_studio_brush import decode_brush, encode_brush
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import decode, encode
from tests.app.annotation_formats.drawn import block

SIZE = (20, 40)
FINDINGS = ("Nodule", "Effusion", "Pleural Thickening")
BOXES = (Box("Nodule", 4.125, 10, 9.5, 4.25), Box("Nodule", 30, 0, 10, 20))
MASK = block(SIZE, slice(2, 5), slice(3, 9)) + block(SIZE, slice(9, 19), slice(30, 40))


def made(folder: Path) -> Path:
    """Boxes; a mask as run lengths; one in a file; an image on which nothing was found; one that nobody looked at."""
    (folder / "images" / "ward 1").mkdir(parents=True)
    names = ["images/ward 1/7.png", "images/8.png", "images/9.png", "images/10.png", "images/11.png"]
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros(SIZE, np.uint8))
    cv2.imwrite(str(folder / "mask.png"), MASK * 255)
    items = [
        Item(names[0], "a", (1, 0, 0), boxes=BOXES, annotated=FINDINGS),
        Item(names[1], "b", (0, 1, 0), mask={"Effusion": encode(MASK)}, annotated=FINDINGS),
        Item(names[2], "c", (1, 0, 0), mask={"Nodule": "mask.png"}, annotated=FINDINGS),
        Item(names[3], "d", (0, 0, 0), annotated=FINDINGS),
        Item(names[4], "e", (-2, -2, -2)),
    ]
    write_datalist(Datalist.unsplit("made", FINDINGS, items), folder / "made.json")
    return folder / "made.json"


def read_back(folder: Path, kind: str) -> dict[str, Item]:
    """Written by the command, and read back by the command."""
    assert main(["datalist", "export", str(made(folder)), "--to", kind, "--out", str(folder / kind)]) == 0
    path = folder / kind / "tasks.json" if kind == "label-studio" else folder / kind
    words = ["--annotations", str(path), "--images", str(folder / "images"), "--out", str(folder / "back.json")]
    assert main(["datalist", "folder", *words, "--each-image-a-patient", "--keep-names"]) == 0
    datalist = read_datalist(folder / "back.json")
    labels = {name: index for index, name in enumerate(datalist.findings)}
    items = {}
    for item in datalist.items():
        item.label = tuple(item.label[labels[finding]] if finding in labels else -2 for finding in FINDINGS)
        items[item.image] = item
    return items


def drawn(item: Item, finding: str) -> np.ndarray:
    mask = item.mask[finding]
    assert isinstance(mask, RunLengths)
    return decode(mask)


@pytest.mark.parametrize("kind", ["coco", "cvat", "label-studio"])
def test_boxes_and_masks_come_back_as_they_were(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture):
    items = read_back(tmp_path, kind)
    first = items["images/ward 1/7.png"]
    assert (first.boxes, first.label[0]) == (BOXES, 1)
    np.testing.assert_array_equal(drawn(items["images/8.png"], "Effusion"), MASK)
    np.testing.assert_array_equal(drawn(items["images/9.png"], "Nodule"), MASK)
    assert (items["images/10.png"].label[:2], items["images/10.png"].is_located) == ((0, 0), False)
    assert "images/11.png" not in items
    text = capsys.readouterr().out
    assert "boxes: 2" in text
    assert "masks: 2" in text
    if kind != "label-studio":  # where it is a task that nobody has done
        assert "left out: images that nobody annotated, which would read like ones with nothing in them: 1" in text


def test_label_studio_keeps_labels(tmp_path: Path):
    items = read_back(tmp_path, "label-studio")
    assert [items[f"images/{name}.png"].label for name in ("ward 1/7", "8", "9", "10")] == [
        (1, 0, 0),
        (0, 1, 0),
        (1, 0, 0),
        (0, 0, 0),
    ]
    config = (tmp_path / "label-studio" / "config.xml").read_text()
    assert config.count('<Label value="Pleural Thickening"/>') == 2


def test_yolo_has_boxes_around_masks(tmp_path: Path, capsys: pytest.CaptureFixture):
    items = read_back(tmp_path, "yolo")
    # Shares of eight digits: within a millionth of a pixel, and rounded to thousandths.
    assert items["images/ward 1/7.png"].boxes == BOXES
    # By hand: the two regions of the mask.
    assert items["images/8.png"].boxes == (Box("Effusion", 3, 2, 6, 3), Box("Effusion", 30, 9, 10, 10))
    assert items["images/10.png"].label[:2] == (0, 0)
    assert "images/11.png" not in items
    assert "masks written as boxes around their regions: 2" in capsys.readouterr().out


def test_what_a_format_cannot_say_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = made(tmp_path)
    datalist = read_datalist(path)
    first, second = datalist.sections["training"][:2]
    first.boxes, first.label = (BOXES[0]._replace(reader="3"),), (1, 1, 0.5)
    second.label, second.annotated = (-1, 1, 0), ("Effusion", "Nodule")
    write_datalist(datalist, path)
    assert main(["datalist", "export", str(path), "--to", "coco", "--out", str(tmp_path / "coco")]) == 0
    text = capsys.readouterr().out
    for line in (
        "lost: readers of boxes: 1",
        "lost: certainties of labels: 1",
        "lost: uncertain labels: 1",
        "lost: present findings without a location (read back, they are absent): 1",
        "lost: which findings were not to be located (read back, they are nowhere): 1",
    ):
        assert line in text


def test_brush_strokes_longer_than_a_run(tmp_path: Path):
    mask = np.zeros((300, 400), np.uint8)
    mask[100:300] = 1
    assert decode_brush(encode_brush(encode(mask)), mask.shape) == encode(mask)


def test_suggestions_are_tasks_to_do(tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["datalist", "export", str(made(tmp_path)), "--suggestions"]
    assert main([*words, "--to", "label-studio", "--out", str(tmp_path / "tasks")]) == 0
    tasks = json.loads((tmp_path / "tasks/tasks.json").read_text())
    assert [len(task["annotations"]) for task in tasks] == [0] * 5
    assert [len(task["predictions"]) for task in tasks] == [1, 1, 1, 1, 0]
    assert [each["type"] for each in tasks[0]["predictions"][0]["result"]][:2] == ["rectanglelabels"] * 2
    assert main([*words, "--to", "cvat", "--out", str(tmp_path / "cvat")]) == 0
    images = ElementTree.parse(tmp_path / "cvat/annotations.xml").getroot().findall("image")
    assert [[shape.get("label") for shape in image] for image in images] == [
        ["Nodule", "Nodule"],
        ["Effusion"],
        ["Nodule"],
        ["No Finding"],
        [],
    ]
    assert {shape.get("source") for image in images for shape in image} == {"auto"}
    assert main([*words, "--to", "coco", "--out", str(tmp_path / "coco")]) == 1
    assert "coco cannot tell suggestions from annotations; cvat and label-studio can" in capsys.readouterr().err


def test_every_writer_is_a_choice_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["datalist", "export", "--help"])
    text = capsys.readouterr().out
    assert all(kind in text for kind in WRITERS)


def test_what_cannot_be_exported_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = made(tmp_path)
    words = ["datalist", "export", str(path), "--to", "yolo", "--out"]
    assert main([*words, str(tmp_path)]) == 1
    assert "is not empty; earlier files would mix with new ones" in capsys.readouterr().err
    record = path.read_text().replace("images/9.png", "images/8.bmp")
    (tmp_path / "images" / "9.png").rename(tmp_path / "images" / "8.bmp")
    path.write_text(record)
    assert main([*words, str(tmp_path / "new")]) == 1
    assert "images/8.bmp: another image has this name but for its suffix" in capsys.readouterr().err
    path.write_text(json.dumps(json.loads(path.read_text()) | {"findings": ["Nodule"]}))
    assert main([*words, str(tmp_path / "new")]) == 1
