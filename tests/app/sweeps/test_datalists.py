"""Training sections of a study's cells: nested, exact in number, and nothing else changed."""

import json
from pathlib import Path

import pytest

from app.datalist.file import read_datalist, write_datalist
from app.sweeps.datalists import CellData, changed
from app.sweeps.plan import Folds, Matrix


def test_a_step_that_is_none_is_refused(datalist):
    with pytest.raises(ValueError, match="uncertain: must be"):
        changed(datalist, {"uncertain": 0.5}, Path(), seed=0)


def test_steps_are_taken_in_one_order_and_told(datalist):
    steps = {"level": "image", "images": 30, "unannotated": 0.5}
    made = changed(datalist, steps, Path(), seed=0)
    assert len(made.sections["training"]) == 30
    assert not any(item.boxes for item in made.sections["training"])
    told = [step["to"] for step in made.provenance["degraded"]]
    assert told[0] == "30 training images"
    assert told[1] == "15 of 30 images without their location"
    assert "image-level labels" in told[2]


def test_a_mixture_counts_each_level(datalist):
    made = changed(datalist, {"mix": {"box": 5, "image": 20}}, Path(), seed=0)
    located = [bool(item.annotated) for item in made.sections["training"]]
    assert (len(located), sum(located)) == (25, 5)


def matrix(path: Path, folds: Folds | None = None, **base) -> Matrix:
    return Matrix("s", ("c",), "training", {"datalist": str(path)} | base, {}, (), (0, 1), folds, (), ())


def test_datalists_are_made_once_and_drawn_by_seed(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    data = CellData(matrix(tmp_path / "base.json"), tmp_path / "study", tmp_path)
    first, again, other = (data.datalist({"images": 10}, seed) for seed in (0, 0, 1))
    assert first == again != other
    made = read_datalist(first)
    # Images are named from where the new datalist lies.
    assert made.sections["training"][0].image.startswith("../../")
    fixed = CellData(matrix(tmp_path / "base.json", seed=3), tmp_path / "study", tmp_path)
    assert fixed.datalist({"images": 10}, 0) == fixed.datalist({"images": 10}, 1)


def test_what_a_datalist_follows_from_changes_with_its_base(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    before = CellData(matrix(tmp_path / "base.json"), tmp_path / "study", tmp_path).what({}, 0)
    datalist.sections["training"].pop()
    write_datalist(datalist, tmp_path / "base.json")
    after = CellData(matrix(tmp_path / "base.json"), tmp_path / "study", tmp_path).what({}, 0)
    assert json.dumps(before) != json.dumps(after)


def test_folds_cover_all_and_have_a_validation_section(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    asked = Folds(4, validation=0.2)
    data = CellData(matrix(tmp_path / "base.json", asked), tmp_path / "study", tmp_path)
    made = [read_datalist(data.datalist({}, fold)) for fold in range(4)]
    tests = [{item.image for item in each.sections["test"]} for each in made]
    assert len(set.union(*tests)) == sum(map(len, tests)) == 80
    assert all(each.sections["validation"] for each in made)


def test_findings_and_split_of_the_base(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    asked = {"findings": ["Effusion"], "split": {"shares": [0.5, 0.25, 0.25], "seed": 1}}
    made = read_datalist(CellData(matrix(tmp_path / "base.json", **asked), tmp_path / "s", tmp_path).datalist({}, 0))
    assert made.findings == ("Effusion",)
    assert [len(items) for items in made.sections.values()] == [40, 20, 20]
