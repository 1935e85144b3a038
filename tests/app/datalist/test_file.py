"""Datalist files: what is read is what was written, every problem is named, and identity does not depend on layout."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.datalist.file import DatalistError, moved, read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint, split_fingerprint
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.samples import samples


@pytest.fixture
def datalist() -> Datalist:
    first = Item(
        image="images/0001.dcm",
        patient="17",
        label=(1, -1),
        study="17-2",
        view="PA",
        boxes=(Box("Nodule", 225.1, 547.0, 86.8, 79.2), Box("Nodule", 1.0, 2.0, 3.0, 4.0, "R1")),
        mask={"Nodule": "masks/0001_nodule.png"},
        annotated=("Nodule",),
        source="radiologist",
        attributes={"sex": "F", "age": 61, "drain": True, "height": 1.5},
    )
    second = Item(
        "images/0002.png", "18", (0, -2), annotated=("Effusion",), mask={"Effusion": RunLengths((2, 3), (1, 2, 3))}
    )
    third = Item("images/0003.png", "19", (0.25, 0))
    return Datalist(
        "made",
        ("Nodule", "Effusion"),
        {"training": [first, second], "validation": [], "test": [third]},
        "of two",
        {"seed": 3},
    )


@pytest.fixture
def record() -> dict:
    """A datalist without a problem, as parsed JSON, for tests to break."""
    box = {"finding": "Nodule", "x": 1, "y": 2, "width": 3, "height": 4}
    item = {"image": "1.png", "patient": "1", "label": [1, None], "annotated": ["Nodule"], "boxes": [box]}
    other = {"image": "2.png", "patient": "2", "label": [0, -1]}
    return {"name": "n", "findings": ["Nodule", "Effusion"], "training": [item], "validation": [], "test": [other]}


def written(record: dict, folder: Path, indent: int | None = None) -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps(record, indent=indent))
    return path


def test_reading_gives_what_was_written(datalist: Datalist, tmp_path: Path):
    path = tmp_path / "made" / "list.json"
    write_datalist(datalist, path)
    assert read_datalist(path) == datalist
    assert sorted(file.name for file in path.parent.iterdir()) == ["list.json"]


def test_the_file_is_plain_json_with_one_item_a_line(datalist: Datalist, tmp_path: Path):
    path = tmp_path / "list.json"
    write_datalist(datalist, path)
    plain = json.loads(path.read_text())
    assert plain["training"][1] == {
        "image": "images/0002.png",
        "patient": "18",
        "label": [0, None],
        "annotated": ["Effusion"],
        "mask": {"Effusion": {"size": [2, 3], "counts": [1, 2, 3]}},
    }
    assert plain["training"][0]["boxes"][0] == {
        "finding": "Nodule",
        "x": 225.1,
        "y": 547.0,
        "width": 86.8,
        "height": 79.2,
    }
    assert sum(line.startswith('{"image"') for line in path.read_text().splitlines()) == 3


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_any_layout_of_the_json_is_read(datalist: Datalist, tmp_path: Path, indent: int | None):
    path = tmp_path / "list.json"
    write_datalist(datalist, path)
    assert read_datalist(written(json.loads(path.read_text()), tmp_path, indent)) == datalist


def test_an_interrupted_write_leaves_the_older_file(datalist: Datalist, tmp_path: Path):
    path = tmp_path / "list.json"
    write_datalist(datalist, path)
    before = path.read_bytes()
    broken = replace(datalist, sections={"training": [Item("1.png", "1", (object(),))]})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_datalist(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def set_in(record: dict, *keys_and_value: object) -> None:
    *keys, last, value = keys_and_value
    for key in keys:
        record = record[key]  # type: ignore[index]
    record[last] = value  # type: ignore[index]


ITEM = ("training", 0)
BOX = (*ITEM, "boxes", 0)
BREAKS = {
    "unknown finding of a box": (
        (*BOX, "finding", "Nodul"),
        "training[0] 1.png: unknown finding 'Nodul'. Did you mean 'Nodule'?",
    ),
    "unknown finding annotated": ((*ITEM, "annotated", ["Nodule", "Mass"]), "1.png: unknown finding 'Mass'"),
    "label too short": ((*ITEM, "label", [1]), "1.png: 'label' has 1 value for 2 findings"),
    "label of another value": (
        (*ITEM, "label", [2, 0]),
        "1.png: label 2: allowed are 1 present, 0 absent, -1 uncertain",
    ),
    "label of text": ((*ITEM, "label", ["1", 0]), "1.png: 'label' must be a list of 1, 0, -1, null or certainties"),
    "label of a list": ((*ITEM, "label", [[1], 0]), "1.png: 'label' must be a list"),
    "label missing": ((*ITEM, "label", None), "1.png: 'label' must be a list"),
    "unsaid written as a number": ((*ITEM, "label", [1, -2]), "a value that is not said is null, not -2"),
    "patient missing": ((*ITEM, "patient", ""), "training[0] 1.png: 'patient' is missing"),
    "patient a number": ((*ITEM, "patient", 7), "1.png: 'patient' must be text in quotes, not 7"),
    "image named twice": (("test", 0, "image", "1.png"), "image '1.png' is named 2 times"),
    "image missing": ((*ITEM, "image", None), "training[0]: every item is an object with 'image'"),
    "patient in two splits": (
        ("test", 0, "patient", "1"),
        "1 patient in more than one of training, validation, test: '1' in training and test",
    ),
    "box of no area": ((*BOX, "width", 0), "1.png: box of 'Nodule' (x 1, y 2, width 0, height 4) has no area"),
    "box left of the image": ((*BOX, "x", -3), "begins outside the image"),
    "box without a number": ((*BOX, "x", "1"), "1.png, boxes[0]: x, y, width and height must be numbers"),
    "box not annotated": ((*ITEM, "annotated", []), "'Nodule' has a box or a mask but is not among its 'annotated'"),
    "unknown key": ((*ITEM, "lable", [1, 0]), "1.png: unknown key 'lable'. Did you mean 'label'?"),
    "unknown key of a box": ((*BOX, "w", 3), "boxes[0]: unknown key 'w'"),
    "unknown key at the top": (("validaton", []), "unknown key 'validaton'"),
    "wrong run lengths": ((*ITEM, "mask", {"Nodule": {"size": [2, 2], "counts": [3]}}), "whole numbers that add up"),
    "attribute of a list": ((*ITEM, "attributes", {"sex": []}), "1.png: 'attributes' must be"),
    "no findings": (("findings", []), "'findings' must be a list of one name or more"),
    "a finding twice": (("findings", ["Nodule", "Nodule"]), "finding 'Nodule' is listed more than once"),
    "section that is no list": (("test", {}), "'test' must be a list of items"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_problem_is_named_with_file_and_item(record: dict, tmp_path: Path, name: str):
    change, message = BREAKS[name]
    set_in(record, *change)
    path = written(record, tmp_path)
    with pytest.raises(DatalistError, match=re.escape(message)) as caught:
        read_datalist(path)
    assert str(path) in str(caught.value)


def test_a_datalist_without_a_problem_is_read(record: dict, tmp_path: Path):
    assert read_datalist(written(record, tmp_path)).sections["training"][0].label == (1, -2)


@pytest.mark.parametrize(
    ("content", "message"), [("", "not a JSON file"), ("[]", "a datalist is a JSON object"), ("{", "not a JSON file")]
)
def test_what_is_no_datalist_is_refused(tmp_path: Path, content: str, message: str):
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(DatalistError, match=message):
        read_datalist(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DatalistError, match=r"absent\.json: cannot be read \(No such file"):
        read_datalist(tmp_path / "absent.json")


def test_an_empty_datalist_is_refused(record: dict, tmp_path: Path):
    record |= {"training": [], "test": []}
    with pytest.raises(DatalistError, match="the datalist is empty"):
        read_datalist(written(record, tmp_path))


def test_a_missing_comma_between_items_is_no_datalist(datalist: Datalist, tmp_path: Path):
    path = tmp_path / "list.json"
    write_datalist(datalist, path)
    path.write_text(path.read_text().replace("},\n{", "}\n{", 1))
    with pytest.raises(DatalistError, match="not a JSON file"):
        read_datalist(path)


def test_all_problems_are_counted_and_twenty_listed(record: dict, tmp_path: Path):
    record["training"] = [{"image": f"{number}.png", "patient": "", "label": [0, 0]} for number in range(30)]
    record["test"] = []
    with pytest.raises(DatalistError, match="30 problems") as caught:
        read_datalist(written(record, tmp_path))
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1].strip() == "... and 10 more."


def test_three_crossing_patients_are_named(record: dict, tmp_path: Path):
    for section in ("training", "test"):
        record[section] = [{"image": f"{section}{n}.png", "patient": f"p{n}", "label": [0, 0]} for n in range(5)]
    with pytest.raises(DatalistError, match="5 patients in more than one") as caught:
        read_datalist(written(record, tmp_path))
    assert str(caught.value).count("' in training and test") == 3


def test_fingerprint_depends_on_content_alone(datalist: Datalist, tmp_path: Path):
    turned = replace(
        datalist, sections={"test": datalist.sections["training"][::-1], "training": datalist.sections["test"]}
    )
    assert fingerprint(turned) == fingerprint(datalist)
    assert split_fingerprint(turned) != split_fingerprint(datalist)
    write_datalist(datalist, tmp_path / "list.json")
    assert fingerprint(read_datalist(tmp_path / "list.json")) == fingerprint(datalist)
    assert len(fingerprint(datalist)) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"label": (1, 0)},
        {"patient": "9"},
        {"boxes": ()},
        {"annotated": ()},
        {"view": "AP"},
        {"attributes": {}},
        {"mask": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fingerprint_changes_with_any_content(datalist: Datalist, change: dict):
    first, *others = datalist.sections["training"]
    changed = replace(datalist, sections=datalist.sections | {"training": [replace(first, **change), *others]})
    assert fingerprint(changed) != fingerprint(datalist)
    assert split_fingerprint(changed) == split_fingerprint(datalist)


def test_integers_and_floats_have_one_fingerprint(datalist: Datalist):
    first, *others = datalist.sections["training"]
    again = replace(first, label=(1.0, -1.0), boxes=(first.boxes[1], Box("Nodule", 225.1, 547, 86.8, 79.2)))
    changed = replace(datalist, sections=datalist.sections | {"training": [again, *others]})
    assert fingerprint(changed) == fingerprint(datalist)


def test_samples_hold_arrays_and_absolute_paths(datalist: Datalist, tmp_path: Path):
    first, second = samples(datalist, "training", tmp_path)
    assert first["image"] == str(tmp_path.resolve() / "images" / "0001.dcm")
    assert first["name"] == "images/0001.dcm"
    assert (first["patient"], first["study"], first["view"], first["source"]) == ("17", "17-2", "PA", "radiologist")
    assert first["attributes"] == {"sex": "F", "age": 61, "drain": True, "height": 1.5}
    np.testing.assert_array_equal(first["label"], np.array([1, -1], np.float32))
    np.testing.assert_array_equal(first["annotated"], [True, False])
    np.testing.assert_array_equal(first["boxes"], np.array([[225.1, 547, 86.8, 79.2], [1, 2, 3, 4]], np.float32))
    np.testing.assert_array_equal(first["box_finding"], [0, 0])
    assert first["mask"] == [(0, str(tmp_path.resolve() / "masks" / "0001_nodule.png"))]
    assert [first[key].dtype for key in ("label", "annotated", "boxes", "box_finding")] == [
        np.float32,
        bool,
        np.float32,
        np.int64,
    ]
    np.testing.assert_array_equal(second["label"], np.array([0, -2], np.float32))
    assert second["boxes"].shape == (0, 4)
    assert second["mask"] == [(1, RunLengths((2, 3), (1, 2, 3)))]


def test_samples_are_sliced_and_counted_from_the_end_as_a_list_is(datalist: Datalist, tmp_path: Path):
    training = samples(datalist, "training", tmp_path)
    first, second = (sample["name"] for sample in training)
    assert training[-1]["name"] == second
    assert [sample["name"] for sample in training[::-1]] == [second, first]
    assert [sample["name"] for sample in training[:1]] == [first]
    assert len(training[2:]) == 0
    with pytest.raises(IndexError):
        training[2]


def test_samples_of_an_empty_or_unknown_section_are_refused(datalist: Datalist, tmp_path: Path):
    with pytest.raises(DatalistError, match=r"'validation' holds no item \(items: training 2, validation 0, test 1\)"):
        samples(datalist, "validation", tmp_path)
    with pytest.raises(DatalistError, match="no section 'train'"):
        samples(datalist, "train", tmp_path)


def test_a_provenance_that_is_no_object_is_a_problem(tmp_path: Path):
    path = tmp_path / "list.json"
    path.write_text(
        '{"findings": ["N"], "provenance": [1], "training": [{"image": "a", "patient": "1", "label": [1]}]}'
    )
    with pytest.raises(DatalistError, match=r"'provenance' must be an object, not \[1\]"):
        read_datalist(path)


def test_fingerprints_do_not_tell_where_the_files_lie(datalist: Datalist, tmp_path: Path):
    elsewhere = moved(datalist, tmp_path / "list.json", tmp_path / "deep" / "down" / "list.json")
    assert elsewhere.sections["training"][0].image == "../../images/0001.dcm"
    assert fingerprint(elsewhere) == fingerprint(datalist)
    assert split_fingerprint(elsewhere) == split_fingerprint(datalist)
