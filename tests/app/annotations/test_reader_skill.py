"""Labels by readers' skill: readings taken from datalists, labels and locations that come of them, the report."""

import csv
from pathlib import Path

import numpy as np
import pytest

from app.annotations.reader_skill import readings_of_boxes, readings_of_datalists
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item


def item(name: str, drew: str, readers: str = "a b c", finding: str = "Nodule") -> Item:
    boxes = tuple(Box(finding, 0, 0, 9, 9, reader) for reader in drew.split())
    return Item(
        name, name, (int(bool(drew)), 0), boxes=boxes, annotated=("Nodule", "Mass"), attributes={"readers": readers}
    )


def by_three(folder: Path) -> str:
    """Readers a and b agree; c draws elsewhere. Of the last image only c is asked."""
    training = [item(f"p{i}.png", "a b") for i in range(30)] + [item(f"n{i}.png", "c") for i in range(30)]
    training += [item(f"e{i}.png", "") for i in range(60)]
    sections = {"training": training, "validation": [item("v.png", "a b")], "test": [item("t.png", "c", "c")]}
    write_datalist(Datalist("ward", ("Nodule", "Mass"), sections), folder / "in.json")
    return str(folder / "in.json")


def combined(folder: Path, *words: str) -> Datalist:
    assert main(["combine", str(folder / "out.json"), *words, "--labels", "skill"]) == 0
    return read_datalist(folder / "out.json")


def test_readings_of_boxes():
    items = [item("1.png", "a"), item("2.png", "b b", "b c", "Mass")]
    readings = readings_of_boxes(Datalist("ward", ("Nodule", "Mass"), {"training": items}))
    assert readings.readers == ("a", "b", "c")
    # By finding, image and reader; who was not asked did not say.
    assert readings.values.tolist() == [[[1, 0, 0], [-2, 0, 0]], [[0, 0, 0], [-2, 1, 0]]]


def test_readings_of_datalists():
    one = Datalist(
        "one", ("Nodule", "Mass"), {"training": [Item("x/1.png", "p", (1, -1)), Item("2.png", "q", (0.25, -2))]}
    )
    two = Datalist("two", ("Mass", "Nodule"), {"test": [Item("1.dcm", "p", (0.5, 0.75))]})
    readings = readings_of_datalists([one, two], ["A", "B"])
    assert readings.values.tolist() == [[[1, 1], [0, -2]], [[-1, -1], [-2, -2]]]


def test_labels_and_locations(tmp_path: Path, capsys: pytest.CaptureFixture):
    made = combined(tmp_path, by_three(tmp_path), "--report", str(tmp_path / "new" / "skill.csv"))
    images = {each.image: each for each in made.items()}
    agreed, alone, empty = images["p0.png"], images["n0.png"], images["e0.png"]
    assert 0.99 < agreed.label[0] <= 1
    assert (len(agreed.boxes), agreed.annotated) == (2, ("Nodule", "Mass"))
    # A box of a reader who is not believed: it is left out, and nobody can say that there is nothing.
    assert 0 <= alone.label[0] < 0.05
    assert (alone.boxes, alone.annotated) == ((), ("Mass",))
    assert (empty.label[0], empty.annotated) == (pytest.approx(0, abs=0.01), ("Nodule", "Mass"))
    # Nothing can be measured against a certainty.
    assert images["v.png"].label[0] == 1
    assert images["t.png"].label[0] in (0, 1)
    assert made.provenance["readers combined"] == "labels by skill"
    assert (
        made.provenance["counts"]["left out: boxes and masks of findings that the readers together make improbable"]
        >= 30
    )
    out = capsys.readouterr().out
    assert "Nodule, Mass: 1 of 122 images were read by fewer than 3" in out
    assert "This is no truth" in out
    with (tmp_path / "new" / "skill.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["finding"], row["reader"]) for row in rows] == [(f, r) for f in ("Nodule", "Mass") for r in "abc"]
    assert (rows[2]["read"], rows[2]["said_present"]) == ("122", "31")
    assert float(rows[0]["sensitivity"]) > 0.9
    assert float(rows[2]["sensitivity_upper"]) < 0.3


def test_a_datalist_a_reader(tmp_path: Path, capsys: pytest.CaptureFixture):
    random = np.random.default_rng(0)
    truth = random.random(300) < 0.3
    paths = []
    for name, error in (("first", 0.05), ("second", 0.1), ("third", 0.4)):
        says = truth ^ (random.random(300) < error)
        items = [Item(f"{i}.png", f"p{i}", (float(value),), source=name) for i, value in enumerate(says)]
        items[0].label = (-1,)
        write_datalist(Datalist("ward", ("Nodule",), {"training": items}), tmp_path / f"{name}.json")
        paths.append(str(tmp_path / f"{name}.json"))
    made = combined(tmp_path, *paths, "--decided")
    labels = [each.label[0] for each in made.items()]
    # Nobody could tell of the first; of the others, each label is decided. Chance leaves 19 wrong of 300 by the best.
    assert labels[0] == -1
    assert set(labels[1:]) == {0, 1}
    assert sum(label == value for label, value in zip(labels[1:], truth[1:], strict=True)) > 280
    assert made.items()[1].source == "first+second+third"
    out = capsys.readouterr().out
    assert [name for name in ("first", "second", "third") if f"  {name} " in out] == ["first", "second", "third"]


def test_labels_the_wrong_way_round_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture):
    random = np.random.default_rng(1)
    truth = random.random(400) < 0.4
    paths = []
    for name in "abcd":
        says = (truth ^ (random.random(400) < 0.1)) ^ (name == "d")
        items = [Item(f"{i}.png", f"p{i}", (float(value),)) for i, value in enumerate(says)]
        write_datalist(Datalist("ward", ("Nodule",), {"training": items}), tmp_path / f"{name}.json")
        paths.append(str(tmp_path / f"{name}.json"))
    combined(tmp_path, *paths)
    assert "Nodule: d says present where others say absent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "skill", "--iou", "0.5", "--at-least", "2"], "goes with neither --at-least nor --iou"),
        (["--report", "a.csv"], "--report and --decided belong to --labels skill"),
        (["--decided"], "--report and --decided belong to --labels skill"),
    ],
)
def test_wrong_calls(tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["combine", str(tmp_path / "out.json"), by_three(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_one_reader_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_datalist(Datalist("ward", ("Nodule", "Mass"), {"training": [item("1.png", "a", "a")]}), tmp_path / "in.json")
    words = ["combine", str(tmp_path / "out.json"), str(tmp_path / "in.json"), "--labels", "skill"]
    assert main(words) == 1
    assert "only a said present or absent of these images" in capsys.readouterr().err


def test_vindr_readers(frugal_data: Path):
    from app.annotations.reader_skill import measure_readers
    from app.datasets.vindr import vindr

    readings = readings_of_boxes(vindr(frugal_data / "tables"))
    chosen = [readings.findings.index("Cardiomegaly"), readings.findings.index("Pneumothorax")]
    part = readings._replace(findings=("Cardiomegaly", "Pneumothorax"), values=readings.values[chosen])
    cardiomegaly, pneumothorax = measure_readers(part)
    # With one prevalence for all images the model finds 1,858 and 58 present; majorities are 1,817 and 58.
    assert int((cardiomegaly.probability > 0.5).sum()) == pytest.approx(1858, rel=0.05)
    assert int((pneumothorax.probability > 0.5).sum()) == pytest.approx(58, abs=3)
    # R1 to R7 read no image with a finding: nothing is known of their sensitivity.
    seven = [readings.readers.index(f"R{number}") for number in range(1, 8)]
    assert cardiomegaly.present[seven].max() < 1
    assert min(cardiomegaly.sensitivity[reader].upper for reader in seven) > 0.9
