"""``frugal combine``: several readers of one datalist, or one datalist a reader."""

from pathlib import Path

import pytest

from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item


def write(folder: Path, name: str, item: Item) -> str:
    write_datalist(Datalist(name, ("Nodule",), {"training": [item], "validation": [], "test": []}), folder / name)
    return str(folder / name)


def three_readers(folder: Path) -> str:
    boxes = (Box("Nodule", 0, 0, 10, 10, "a"), Box("Nodule", 2, 0, 10, 10, "b"))
    item = Item("1.png", "p", (1,), boxes=boxes, annotated=("Nodule",), attributes={"readers": "a b c"})
    return write(folder, "in.json", item)


def combine(folder: Path, *words: str) -> Datalist:
    out = folder / "sub" / "out.json"
    assert main(["combine", str(out), *words]) == 0
    return read_datalist(out)


@pytest.mark.parametrize(
    ("words", "label", "boxes"),
    [
        ((), (1,), 2),
        (("--labels", "any", "--at-least", "3"), (-1,), 0),
        (("--labels", "any", "--at-least", "3", "--otherwise", "absent"), (0,), 0),
        (("--at-least", "2", "--iou", "0.5"), (1,), 1),
        (("--at-least", "2", "--iou", "0.9"), (-1,), 0),
    ],
)
def test_readers_within_a_datalist(tmp_path: Path, words: tuple[str, ...], label: tuple[float, ...], boxes: int):
    made = combine(tmp_path, three_readers(tmp_path), *words)
    (item,) = made.sections["training"]
    assert (item.label, len(item.boxes), item.image) == (label, boxes, "../1.png")
    assert "Readers combined:" in made.description


def test_a_datalist_a_reader(tmp_path: Path):
    paths = [write(tmp_path, f"{value}.json", Item("1.png", "p", (value,))) for value in (0.75, 1, 0.25)]
    assert combine(tmp_path, *paths).sections["training"][0].label == (1,)
    assert combine(tmp_path, *paths, "--labels", "certainty").sections["training"][0].label == (-1,)
    assert combine(tmp_path, *paths[:2], "--labels", "certainty").sections["training"][0].label == (1,)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "any"], "need --at-least N"),
        (["--iou", "0.5"], "need --at-least N"),
        (["--at-least", "2"], "--at-least 2: belongs to --labels any or --iou"),
        (["--at-least", "0", "--labels", "any"], "--at-least 0: must be from 1 to 3, the number of readers"),
        (["--at-least", "4", "--iou", "0.5"], "--at-least 4: must be from 1 to 3, the number of readers"),
        (["--at-least", "2", "--iou", "7"], "IoU in (0, 1]"),
    ],
)
def test_wrong_calls(tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["combine", str(tmp_path / "out.json"), three_readers(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err


def test_boxes_that_name_no_reader_are_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture):
    item = Item("1.png", "p", (1,), boxes=(Box("Nodule", 0, 0, 10, 10),), annotated=("Nodule",), source="A")
    unsigned = write(tmp_path, "in.json", item)
    words = ["--at-least", "2", "--iou", "0.5"]
    assert main(["combine", str(tmp_path / "out.json"), unsigned, *words]) == 1
    assert "no item and no box names a reader" in capsys.readouterr().err
    # Of two datalists, each item's source signs its boxes.
    other = Item("1.png", "p", (1,), boxes=(Box("Nodule", 1, 0, 10, 10),), annotated=("Nodule",), source="B")
    made = combine(tmp_path, unsigned, write(tmp_path, "other.json", other), *words)
    assert [box[1:5] for box in made.sections["training"][0].boxes] == [(0.5, 0, 10, 10)]


def test_datalists_without_a_shared_image_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    paths = [write(tmp_path, f"{name}.json", Item(f"{name}.png", "p", (1,))) for name in "ab"]
    assert main(["combine", str(tmp_path / "out.json"), *paths]) == 1
    assert "a.json: none of the other datalists has an image of it, by file name" in capsys.readouterr().err
