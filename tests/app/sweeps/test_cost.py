"""What a sweep costs: estimates by hand, from runs whose seconds the tests write, and how they are told."""

import csv
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from app.datalist.file import write_datalist
from app.datalist.item import Datalist, Item
from app.sweeps.cell_data import CellData
from app.sweeps.cell_run import CellRun
from app.sweeps.cost import Cost, TimeLeft, cost, duration
from app.sweeps.study_file import read_sweep
from app.sweeps.sweep import Cell
from app.sweeps.work import Work, WorkOf

SMALL, LARGE, TESTED = (Cell({"size": name}, {}, {}) for name in ("small", "large", "tested"))
WORK = {"small": Work(90, 10, 10, 1), "large": Work(390, 10, 10, 1), "tested": Work(390, 10, 0, 1)}


@pytest.fixture
def runs(tmp_path: Path) -> list[CellRun]:
    """Three cells with two seeds."""
    cells = (SMALL, LARGE, TESTED)
    return [CellRun(cell, seed, tmp_path / cell.name / f"seed-{seed}", {}) for seed in (0, 1) for cell in cells]


def work_of(run: CellRun) -> Work:
    return WORK[run.cell.values["size"]]


def finish(run: CellRun, seconds: float, epochs: list[float] | None = None, after: float = 5.0) -> None:
    """Leave the files of a run that took so many seconds, its epochs, if it trained, and so many after them."""
    run.folder.mkdir(parents=True)
    (run.folder / "metrics.json").write_text("{}")
    run.write("finished", seconds)
    if epochs is not None:
        history, ended = run.folder / "history.csv", run.record()["ended"]
        with history.open("w", newline="") as file:
            csv.writer(file).writerows([["epoch", "epoch_seconds"], *enumerate(epochs, start=1)])
        os.utime(history, (ended - after, ended - after))
        record = {"validation": {"auc": 0.5, "epoch": 1}, "training": {"epochs": 10, "max_epochs": 10}}
        (run.folder / "model.json").write_text(json.dumps(record))


def test_nothing_is_known_before_a_run_has_finished(runs):
    now = cost(runs, work_of)
    assert (now.finished, now.left, now.seconds()) == (0, {}, 0.0)
    assert now.words() == "6 runs. How long they take can be told when the first one has finished."


def test_epochs_are_scaled_by_images_and_the_rest_is_not(runs):
    # 10 epochs of 2 s for 100 images: 400 images take four times as long, 80 s; then 5 s. The 75 s before come once.
    finish(runs[0], 100.0, [2.0] * 10)
    now = cost(runs, work_of)
    expected = {"small": 25.0, "large": 85.0, "tested": 5.0}
    assert {run.folder: expected[run.cell.values["size"]] for run in runs[1:]} == pytest.approx(now.left)
    assert (now.spent, now.seconds()) == pytest.approx((100, 85 + 5 + 25 + 85 + 5))
    # 205 s shared by two are 102.5 s, by three 68.3 s; but no process ends before the longest run.
    assert (now.seconds(2), now.seconds(3)) == pytest.approx((102.5, 85.0))


def test_a_cell_that_has_run_takes_as_long_again(runs):
    finish(runs[0], 100.0, [2.0] * 10)
    finish(runs[1], 60.0, [5.0] * 10, after=7.0)
    left = cost(runs, work_of).left
    # Before its epochs the second took 3 s; after them the two took 5 s and 7 s, in the median 6 s.
    expected = [3 + 20 + 5, 3 + 50 + 7, 3 + 6]
    assert [left[run.folder] for run in runs[3:]] == pytest.approx(expected)


def test_a_run_without_a_history_trained_nothing(runs):
    finish(runs[0], 25.0)
    assert cost(runs, work_of).left[runs[1].folder] == pytest.approx(25.0)
    (runs[0].folder / "history.csv").write_text("damaged")
    assert cost(runs, work_of).left[runs[1].folder] == pytest.approx(25.0)


def test_a_history_that_was_copied_or_resumed_leaves_no_negative_part(runs):
    finish(runs[0], 15.0, [2.0] * 10, after=-100.0)  # resumed: its epochs took longer than its last attempt
    assert cost(runs, work_of).left[runs[3].folder] == pytest.approx(15.0)


def test_the_plan_in_words(runs):
    finish(runs[0], 100.0)
    now = Cost(4, 1, 100.0, {run.folder: 5000.0 / 3 for run in runs[1:4]})
    start = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
    assert now.words(now=start) == (
        "1 of 4 runs finished, in 1 min 40 s. The other 3 take about 1 h 23 min, until Mon 11:23."
    )
    assert now.words(processes=2) == (
        "1 of 4 runs finished, in 1 min 40 s. The other 3 take about 41 min 40 s with 2 at a time."
    )
    assert Cost(2, 2, 3.0, {}).words() == "2 runs, all finished, in 3 s."
    assert duration(59.6) == "1 min 0 s"


def test_the_plan_is_told_once_it_can_be(runs):
    left = TimeLeft(runs, work_of)
    assert left.before("a") == ("\n6 runs. How long they take can be told when the first one has finished.\n\na")
    assert left.before("a") == "\na"
    finish(runs[0], 25.0, [2.0] * 10)
    assert "The other 5 take about 3 min 25 s, until " in left.before("b")
    assert left.before("c") == "\nc (about 3 min 25 s left)"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Reads a study file of a small config, with a datalist of 10, 4 and 6 images."""
    monkeypatch.chdir(tmp_path)
    config = {"max_epochs": 8, "image_size": 32, "datalist": None, "checkpoint": None, "phantoms": {"count": 30}}
    Path("train.yaml").write_text(yaml.safe_dump(config))
    sizes = {"training": 10, "validation": 4, "test": 6}
    sections = {name: [Item(f"{name}{i}.png", f"{name}{i}", (1.0,)) for i in range(n)] for name, n in sizes.items()}
    write_datalist(Datalist("d", ("Nodule",), sections), Path("d.json"))

    def works(**content) -> list[Work]:
        Path("s.yaml").write_text(yaml.safe_dump({"name": "s", "bundle": "train.yaml", **content}, sort_keys=False))
        sweep = read_sweep(Path("s.yaml"), trust=True)
        data = CellData(sweep, tmp_path, tmp_path)
        return [WorkOf(sweep, data)(CellRun(cell, 0, tmp_path, {})) for cell in sweep.cells]

    return works


def test_the_work_of_cells_that_differ_in_data_epochs_and_size(study):
    factors = {"a": {"few": {"data": {"images": 4}}, "half": {"data": {"patients": 0.5}, "max_epochs": 2}}}
    assert study(data={"datalist": "d.json"}, factors=factors) == [Work(4, 4, 8, 1024), Work(5, 4, 2, 1024)]
    # Folds: of 20 images, a fifth is tested; a quarter of the other 16 is held out.
    folds = {"count": 5, "validation": 0.25}
    assert study(data={"datalist": "d.json"}, folds=folds, fixed={"image_size": 64}) == [Work(12, 4, 8, 4096)]


def test_no_phantoms_are_made_to_tell_the_work(study, tmp_path):
    made = {"phantoms": {"count": 200, "seed": 0, "size": 64}}
    assert study(data=made) == [Work(140, 20, 8, 1024)]  # 0.7, 0.1 and 0.2 of them
    assert study(data={**made, "split": {"shares": [0.5, 0.25, 0.25]}}) == [Work(100, 50, 8, 1024)]
    assert not list(tmp_path.glob("phantoms*"))


def test_the_work_of_cells_whose_config_names_the_data(study):
    factors = {"a": {"named": {"datalist": "d.json"}, "made": {}, "absent": {"datalist": "e.json"}}}
    expected = [Work(10, 4, 8, 1024), Work(30, 0, 8, 1024), Work(30, 0, 8, 1024)]
    assert study(factors=factors) == expected
    Path("d.json").write_text("{")
    assert study(factors=factors)[0] == Work(1, 0, 8, 1024)
    assert study(fixed={"max_epochs": "$2 + 2"})[0].epochs == 1


def test_an_evaluation_trains_no_epochs(study):
    works = study(evaluations={"elsewhere": {"datalist": "d.json"}}, fixed={"datalist": "d.json"})
    assert [work.epochs for work in works] == [8, 0]
