"""``frugal combine``: several readers of one datalist, or one datalist a reader."""

from pathlib import Path

import pytest

from app.cli import main
from app.data.datalist import read_datalist, write_datalist
from app.data.item import Box, Datalist, Item


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
        (["--at-least", "0"], "1 or"),
    ],
)
def test_wrong_calls(tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["combine", str(tmp_path / "out.json"), three_readers(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err
