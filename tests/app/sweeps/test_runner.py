"""A small sweep run in this process: results, a cell that fails, restarting, claims and MLflow."""

import json
import re
from pathlib import Path

import pytest
import yaml

from app.cli import main
from app.files.claims import Claims
from app.sweeps.cell_run import CellRun
from app.sweeps.runner import Launcher, run_all
from app.sweeps.sweep import Cell, Sweep

ROOT = Path(__file__).parents[3]
ORDERING = {"metric": "auc.macro", "factor": "level", "order": ["box", "image"]}
STUDY = {
    "name": "tiny",
    "bundle": str(ROOT / "bundles/nodule_detection/configs/train.yaml"),
    "fixed": {
        "max_epochs": 1,
        "image_size": 64,
        "growth": 4,
        "stem": 8,
        "batch_size": 4,
        "precision": "float32",
        "pictures": False,
        "lung_weights": str(ROOT / "bundles/lung_segmentation/models/model.pt"),
    },
    "data": {"phantoms": {"count": 24, "seed": 0, "size": 64, "findings": ["Nodule"]}},
    "factors": {
        "level": {
            "box": {"data": {"level": "box"}, "blocks": [1, 1]},
            "image": {"data": {"level": "image"}, "pixel_level": False, "blocks": [1, 1]},
            "broken": {"start_from": "weights/missing.pt"},
        }
    },
    "seeds": [0],
    "report": {"metrics": ["auc.macro"], "orderings": [ORDERING]},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory):
    """Folder and exit statuses of the study run twice, and when its first cell ended."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        first = main(["study", "study.yaml"])
        ended = json.loads(cell(folder, "box").read_text())["ended"]
        second = main(["study", "study.yaml"])
    return folder, (first, second), ended


def cell(folder: Path, level: str) -> Path:
    return folder / f"runs/studies/tiny/cells/level={level}/seed-0/cell.json"


def test_the_others_go_on_after_a_failure_and_the_status_tells(ran):
    folder, statuses, _ = ran
    assert statuses == (1, 1)
    states = {level: json.loads(cell(folder, level).read_text())["state"] for level in ("box", "image", "broken")}
    assert states == {"box": "finished", "image": "finished", "broken": "failed"}
    assert "Traceback" in cell(folder, "broken").with_name("error.txt").read_text()
    left = {path.name for path in cell(folder, "box").parent.iterdir()}
    assert {"metrics.json", "model.pt", "predictions.csv"} <= left
    assert "last.pt" not in left


def test_finished_cells_are_not_run_again(ran):
    folder, _, ended = ran
    assert json.loads(cell(folder, "box").read_text())["ended"] == ended
    assert json.loads(cell(folder, "broken").read_text())["ended"] > ended


def test_tables_say_what_ran_and_what_failed(ran):
    folder, _, _ = ran
    text = (folder / "runs/studies/tiny/table.md").read_text()
    assert "| box > image | auc.macro | 1 |" in text
    assert "- level=broken, seed 0:" in text
    # Of one epoch nobody can tell whether it was enough.
    assert "| box | 1 of 1 | ▁ " in text
    assert "fewer than 5 epochs: unknown" in text


def test_runs_stand_under_one_parent_in_mlflow(ran):
    from mlflow import MlflowClient

    folder, _, _ = ran
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("nodule_detection").experiment_id
    runs = client.search_runs([experiment])
    parents = [run for run in runs if run.data.tags.get("workflow") == "study"]
    children = [run for run in runs if "frugal.cell" in run.data.tags]
    assert len(parents) == 1  # restarted, it goes on in the same run
    assert {run.data.tags["frugal.cell"] for run in children} == {"level=box", "level=image"}
    assert all(run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id for run in children)
    assert all(run.data.tags["frugal.study"] == "tiny" for run in children)
    assert {entry.path for entry in client.list_artifacts(parents[0].info.run_id)} >= {"table.md", "table.csv"}


def test_listing_runs_nothing(ran, capsys, monkeypatch):
    folder, _, _ = ran
    monkeypatch.chdir(folder)
    assert main(["study", "study.yaml", "--list"]) == 0
    *lines, plan = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["finished", "level=box", "seed-0"],
        ["finished", "level=image", "seed-0"],
        ["failed", "level=broken", "seed-0"],
        [],
    ]
    assert re.fullmatch(r"2 of 3 runs finished, in [\d min]+ s\. The other takes about [\d min]+ s\.", plan)


class Counting(Launcher):
    """Leaves a result instead of training."""

    def __init__(self, folder: Path) -> None:
        config = str(ROOT / "bundles/nodule_detection/configs/train.yaml")
        cells = tuple(Cell({"a": name}, {}, {}) for name in "xyz")
        super().__init__(Sweep("s", (config,), "training", {}, {"a": tuple("xyz")}, cells, (0,), None, ()), folder)
        self.launched: list[str] = []

    def launch(self, run: CellRun, is_interrupted: bool) -> None:
        self.launched.append(run.cell.name + " again" * is_interrupted)
        (run.folder / "metrics.json").write_text("{}")


def test_cells_of_another_process_are_left_to_it(tmp_path, monkeypatch):
    launcher = Counting(tmp_path)
    runs = launcher.runs()
    take = Claims.take
    monkeypatch.setattr(Claims, "take", lambda self, key: key != runs[1].key and take(self, key))
    run_all(launcher, runs)
    assert launcher.launched == ["a=x", "a=z"]


def test_stopping_by_hand_is_no_failure_of_the_cell(tmp_path):
    class Stopped(Counting):
        def launch(self, run: CellRun, is_interrupted: bool) -> None:
            raise KeyboardInterrupt

    launcher = Stopped(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_all(launcher, launcher.runs())
    assert launcher.runs()[0].record()["state"] == "begun"
    other = Counting(tmp_path)
    run_all(other, other.runs())
    assert other.launched == ["a=x again", "a=y", "a=z"]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b"])
def test_a_malformed_shard_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["study", "x.yaml", "--shard", text])
    assert "I/N with I from 1 to N" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cell.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 20, b'{"state": "fin', b"[]"], ids=["empty", "zeros", "cut", "list"])
def test_a_cell_with_damaged_files_is_named_and_runs_again(tmp_path, caplog, name, content):
    first = Counting(tmp_path)
    run_all(first, first.runs())
    run = first.runs()[1]
    (run.folder / name).write_bytes(content)
    again = Counting(tmp_path)
    assert [each.is_finished() for each in again.runs()] == [True, False, True]
    run_all(again, again.runs())
    assert again.launched == ["a=y"]
    assert f"{run.folder / name}: not the record or result of a cell" in caplog.text
    assert run.is_finished()
