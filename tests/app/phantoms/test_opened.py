"""A datalist as a workflow opens it: checked, with its folder; phantoms made once where none is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.datalist.file import read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint, split_fingerprint
from app.datalist.item import SECTIONS, Box, Datalist, Item
from app.datalist.validate import DatalistError
from app.phantoms.opened import made_phantoms, open_data


def item(folder: Path, name: str, patient: str, label: float = 0.0, boxes: tuple[Box, ...] = ()) -> Item:
    cv2.imwrite(str(folder / name), np.full((20, 30), 100, np.uint8))
    return Item(name, patient, (label,), boxes=boxes, annotated=("Nodule",) if boxes else ())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sections = {
        "training": [item(tmp_path, "a.png", "1", 1.0, (Box("Nodule", 1, 2, 3, 4),)), item(tmp_path, "b.png", "2")],
        "validation": [item(tmp_path, "c.png", "3")],
    }
    datalist = Datalist("tiny", ("Nodule",), sections, provenance={"counts": {"left out": 3}})
    write_datalist(datalist, tmp_path / "datalist.json")
    return tmp_path / "datalist.json"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_samples_and_labels_are_in_the_order_of_the_file(path):
    data = open_data(path)
    assert data.findings == ("Nodule",)
    assert [sample["name"] for sample in data.samples("training")] == ["a.png", "b.png"]
    assert data.samples("training")[0]["image"] == str(path.parent / "a.png")
    assert [list(label) for label in data.labels("training")] == [[1.0], [0.0]]
    # The trainer's samples and those that a failing batch is named by are the same ones.
    assert data.samples("training") is data.samples("training")


def test_facts_are_what_a_run_records(path):
    datalist = read_datalist(path)
    assert open_data(str(path)).facts() == {
        "name": "tiny",
        "findings": "Nodule",
        "fingerprint": fingerprint(datalist),
        "split_fingerprint": split_fingerprint(datalist),
        "training_items": 2,
        "validation_items": 1,
        "test_items": 0,
        "provenance.counts": {"left out": 3},
    }


def test_an_empty_section_is_refused_with_what_there_is(path):
    message = r"tiny: section 'test' holds no item \(items: training 2, validation 1, test 0\)"
    with pytest.raises(DatalistError, match=message):
        open_data(path).samples("test")


def test_an_unknown_section_is_refused(path):
    with pytest.raises(DatalistError, match=r"no section 'tset'; there are training, validation, test"):
        open_data(path).samples("tset")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.json: no such datalist"):
        open_data(tmp_path / "no.json")


def test_a_patient_in_two_sections_is_named(path):
    change(path, '"patient":"3"', '"patient":"2"')
    with pytest.raises(DatalistError, match=r"datalist\.json: 1 patient in more than one of .*'2' in training and val"):
        open_data(path)


def test_a_missing_image_is_named(path):
    (path.parent / "b.png").unlink()
    with pytest.raises(DatalistError, match=r"datalist\.json: training\[1\] b\.png: "):
        open_data(path)


def test_a_box_outside_its_image_is_named(path):
    change(path, '"width":3', '"width":300')
    with pytest.raises(DatalistError, match=r"training\[0\] a\.png: box of 'Nodule' .* of 30 x 20 pixels"):
        open_data(path)


def test_neither_datalist_nor_phantoms():
    with pytest.raises(ValueError, match="name a datalist: --datalist FILE"):
        open_data(None)


def test_phantoms_are_made_once(tmp_path):
    arguments = {"count": 2, "seed": 1, "size": 64, "findings": ["Nodule"], "workers": 1}
    first = open_data(None, arguments, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = open_data(None, arguments, tmp_path)
    assert first.path == again.path
    assert sum(first.facts()[f"{section}_items"] for section in SECTIONS) == 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_phantoms_whose_making_was_interrupted_are_completed(tmp_path):
    arguments = {"count": 2, "seed": 1, "size": 64, "findings": ["Nodule"], "workers": 1}
    path = made_phantoms(arguments, tmp_path)
    image = next((path.parent / "images").iterdir())
    content = image.read_bytes()
    image.unlink()
    made_phantoms(arguments, tmp_path)
    assert image.read_bytes() == content


@pytest.mark.parametrize(
    "change", [{"count": 4}, {"seed": 2}, {"size": 128}, {"findings": ["Mass"]}, {"prevalence": 0.5}, {"views": ["AP"]}]
)
def test_other_phantoms_have_another_folder(tmp_path, monkeypatch, change):
    monkeypatch.setattr("app.phantoms.write_phantoms", lambda out, **_: out / "datalist.json")
    arguments = {"count": 3, "seed": 1, "size": 64, "findings": ["Nodule"]}
    assert made_phantoms(arguments, tmp_path) != made_phantoms(arguments | change, tmp_path)
