"""Training sections of a sweep's cells: nested, exact in number, and nothing else changed."""

import json
from pathlib import Path

import pytest

from app.datalist.file import read_datalist, write_datalist
from app.sweeps.cell_data import CellData, changed
from app.sweeps.sweep import Cell, Folds, Sweep


def test_a_malformed_step_is_refused(datalist):
    with pytest.raises(ValueError, match="uncertain: must be"):
        changed(datalist, {"uncertain": 0.5}, Path(), seed=0)


def test_steps_are_taken_in_a_fixed_order_and_recorded(datalist):
    steps = {"level": "image", "images": 30, "unannotated": 0.5}
    made = changed(datalist, steps, Path(), seed=0)
    assert len(made.sections["training"]) == 30
    assert not any(item.boxes for item in made.sections["training"])
    recorded = [step["to"] for step in made.provenance["degraded"]]
    assert recorded[0] == "30 training images"
    assert recorded[1] == "15 of 30 images without their location"
    assert "image-level labels" in recorded[2]


def test_a_mixture_counts_each_level(datalist):
    made = changed(datalist, {"mix": {"box": 5, "image": 20}}, Path(), seed=0)
    located = [bool(item.annotated) for item in made.sections["training"]]
    assert (len(located), sum(located)) == (25, 5)


def sweep(path: Path, folds: Folds | None = None, **base) -> Sweep:
    return Sweep("s", ("c",), "training", {"datalist": str(path)} | base, {}, (), (0, 1), folds, (), ())


def cell(**steps) -> Cell:
    return Cell({}, {}, steps)


def test_datalists_are_made_once_and_drawn_by_seed(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    data = CellData(sweep(tmp_path / "base.json"), tmp_path / "study", tmp_path)
    first, again, other = (data.datalist(cell(images=10), seed) for seed in (0, 0, 1))
    assert first == again != other
    made = read_datalist(first)
    # Images are named relative to the new datalist.
    assert made.sections["training"][0].image.startswith("../../")
    fixed = CellData(sweep(tmp_path / "base.json", seed=3), tmp_path / "study", tmp_path)
    assert fixed.datalist(cell(images=10), 0) == fixed.datalist(cell(images=10), 1)


def test_the_settings_of_a_datalist_change_with_its_base(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    before = CellData(sweep(tmp_path / "base.json"), tmp_path / "study", tmp_path).settings(cell(), 0)
    datalist.sections["training"].pop()
    write_datalist(datalist, tmp_path / "base.json")
    after = CellData(sweep(tmp_path / "base.json"), tmp_path / "study", tmp_path).settings(cell(), 0)
    assert json.dumps(before) != json.dumps(after)


def test_folds_cover_all_items_and_have_a_validation_section(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    asked = Folds(4, validation=0.2)
    data = CellData(sweep(tmp_path / "base.json", asked), tmp_path / "study", tmp_path)
    made = [read_datalist(data.datalist(cell(), fold)) for fold in range(4)]
    tests = [{item.image for item in each.sections["test"]} for each in made]
    assert len(set.union(*tests)) == sum(map(len, tests)) == 80
    assert all(each.sections["validation"] for each in made)


def test_findings_and_split_of_the_base(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "base.json")
    asked = {"findings": ["Effusion"], "split": {"shares": [0.5, 0.25, 0.25], "seed": 1}}
    made = read_datalist(CellData(sweep(tmp_path / "base.json", **asked), tmp_path / "s", tmp_path).datalist(cell(), 0))
    assert made.findings == ("Effusion",)
    assert [len(items) for items in made.sections.values()] == [40, 20, 20]
