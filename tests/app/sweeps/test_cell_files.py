"""Cells that need other cells: references, order, waiting, several test sets, and comparisons."""

import json
import math

import pytest

from app.sweeps.cell_comparisons import comparisons_csv
from app.sweeps.cell_files import CellFile
from app.sweeps.cell_run import CellRun
from app.sweeps.outcomes import gather, selected
from app.sweeps.runner import Launcher, run_all, shard
from app.sweeps.sweep_tables import table_markdown

CONFIG = {"start_from": None, "checkpoint": None, "datalist": None, "section": "test", "predictions": None}
CHAIN = {
    "factors": {"model": {"B": {"start_from": {"cell": {"model": "A"}}}, "A": {}}},
    "evaluations": {"elsewhere": {"datalist": "c.json"}, "both": {"checkpoint": {"cell": {}, "seeds": "all"}}},
    "seeds": [0, 1],
}


class Pretending(Launcher):
    """Leaves a result and predictions instead of training; cells whose name begins with ``broken`` fail."""

    broken = "none"

    def launch(self, run: CellRun, is_interrupted: bool) -> None:
        if run.cell.name.startswith(self.broken):
            raise ValueError("broken")
        self.launched = [*getattr(self, "launched", []), (run.cell.name, run.replicate)]
        (run.folder / "metrics.json").write_text(json.dumps({"auc": {"macro": 0.5}}))
        shift = 0.2 if run.cell.values["model"] == "A" else 0.0
        if not run.cell.run_id:
            (run.folder / "model.json").write_text(json.dumps({"validation": {"auc": 0.6 + shift}}))
        rows = [f"{k}.png,{k},Nodule,{k % 2},{0.1 * k * (k % 2) + shift * (k == 4)}" for k in range(8)]
        (run.folder / "predictions.csv").write_text("\n".join(["image,patient,finding,label,score", *rows, ""]))


def test_evaluations_are_cells_with_the_weights_of_their_training(read):
    sweep = read(**CHAIN)
    cells = {cell.name: cell for cell in sweep.cells}
    assert list(sweep.factors["evaluation"]) == ["own", "elsewhere", "both"]
    elsewhere = cells["model=B,evaluation=elsewhere"]
    assert elsewhere.run_id == "evaluating"
    assert elsewhere.overrides["datalist"] == "c.json"
    assert elsewhere.overrides["checkpoint"] == CellFile({"model": "B", "evaluation": "own"})
    assert cells["model=B,evaluation=own"].overrides == {"start_from": CellFile({"model": "A", "evaluation": "own"})}


def test_data_of_a_value_replaces_that_of_the_study(read):
    phantoms = {"count": 4, "seed": 1}
    sweep = read(
        data={"datalist": "a.json", "findings": ["Nodule"]},
        factors={"set": {"mine": {"data": {"images": 3}}, "made": {"data": {"phantoms": phantoms, "images": 2}}}},
        evaluations={"elsewhere": {"data": {"datalist": "c.json"}}, "training": {"section": "training"}},
    )
    by_name = {cell.name: (dict(cell.base or {}), dict(cell.data)) for cell in sweep.cells}
    assert by_name["set=mine,evaluation=own"] == ({"datalist": "a.json", "findings": ["Nodule"]}, {"images": 3})
    assert by_name["set=made,evaluation=own"] == ({"phantoms": phantoms, "findings": ["Nodule"]}, {"images": 2})
    assert by_name["set=made,evaluation=elsewhere"] == ({"datalist": "c.json", "findings": ["Nodule"]}, {})
    assert by_name["set=made,evaluation=training"] == by_name["set=made,evaluation=own"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"factors": {"a": {"x": {"start_from": {"cell": {"a": "y"}}}, "y": {"start_from": {"cell": {"a": "x"}}}}}},
         "a=x need.*each other|each other"),
        ({"factors": {"a": {"x": {"start_from": {"cell": {"a": "z"}}}}}}, "needs the cell a=z, which does not run"),
        ({"factors": {"a": {"x": {"start_from": {"cell": {"b": "z"}}}}}}, "unknown 'b'"),
        ({"factors": {"a": {"x": {"start_from": {"cell": {}, "seeds": [0]}}}}}, "'seeds' must be 'all'"),
        ({"factors": {"a": {"x": {"start_from": {"cell": {}, "file": "../x.pt"}}}}}, "a file of a cell's folder"),
        ({"factors": {"evaluation": {"x": {}}}, "evaluations": {"c": {}}}, "rename yours"),
        ({"evaluations": {"c": {"data": {"images": 3}}}}, "unknown 'images'"),
        ({"factors": {"a": {"x": {}, "y": {}}}, "report": {"comparisons": [{"factor": "a", "between": ["x"]}]}},
         "between"),
    ],
)  # fmt: skip
def test_what_is_refused(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(**content)


def test_what_is_needed_runs_first_and_an_ensemble_once(read, tmp_path):
    launcher = Pretending(read(**CHAIN), tmp_path / "out")
    run_all(launcher, launcher.runs())
    order = [name.replace("evaluation=", "").replace("model=", "") + str(seed) for name, seed in launcher.launched]
    assert order.index("A,own0") < order.index("B,own0") < order.index("B,elsewhere0")
    assert order.index("A,own1") < order.index("A,both0")
    assert [each for each in order if "both" in each] == ["B,both0", "A,both0"]
    assert len(order) == len(set(order)) == 10  # 2 models x 2 seeds x (own, elsewhere), and 2 ensembles
    again = Pretending(read(**CHAIN), tmp_path / "out")
    run_all(again, again.runs())
    assert not hasattr(again, "launched")


def test_a_cell_is_not_run_if_what_it_needs_failed(read, tmp_path):
    launcher = Pretending(read(**CHAIN), tmp_path / "out")
    launcher.broken = "model=A,evaluation=own"
    run_all(launcher, launcher.runs())
    assert not hasattr(launcher, "launched")
    outcomes = gather(launcher.sweep, launcher.runs())
    assert (len(outcomes.failed), len(outcomes.missing)) == (2, 8)


def test_a_change_of_what_is_needed_changes_the_cell(read, tmp_path):
    launcher = Pretending(read(**CHAIN), tmp_path / "out")
    run_all(launcher, launcher.runs())
    changed = {**CHAIN, "factors": {"model": {**CHAIN["factors"]["model"], "A": {"section": "validation"}}}}
    states = [run.state() for run in Pretending(read(**changed), tmp_path / "out").runs()]
    assert set(states) == {"changed"}


def test_a_shard_keeps_together_what_needs_each_other(read, tmp_path):
    content = {"factors": {"model": {"A": {}, "B": {}}}, "evaluations": {"c": {"datalist": "c.json"}}, "seeds": [0]}
    runs = Pretending(read(**content), tmp_path / "out").runs()
    names = [[run.cell.name for run in shard(runs, first, 2)] for first in (1, 2)]
    assert names == [[f"model={model},evaluation={each}" for each in ("own", "c")] for model in "AB"]


def test_a_list_joins_cells_and_seeds(read, tmp_path, monkeypatch):
    both = [{"cell": {"model": "A"}}, {"cell": {"model": "B"}, "seeds": "all"}]
    content = {"factors": {"model": {"A": {}, "B": {}, "AB": {"checkpoint": both}}}, "seeds": [0, 1]}
    launcher = Launcher(read(**content), tmp_path / "out")
    run = next(run for run in launcher.runs() if run.cell.name == "model=AB")
    assert len(run.needs) == 3
    given = {}
    monkeypatch.setattr("app.sweeps.runner.start_in_processes", lambda *parts: given.update(parts[3]))
    launcher.launch(run, is_interrupted=False)
    folders = ["model=A/seed-0", "model=B/seed-0", "model=B/seed-1"]
    assert given["checkpoint"] == [str(tmp_path / "out/cells" / folder / "model.pt") for folder in folders]


def test_a_training_is_chosen_and_its_evaluations_are_not(read, tmp_path):
    factors = {"model": {"A": {}, "B": {}}}
    report = {"metrics": ["auc.macro"], "select": {"metric": "validation.auc"}}
    content = {"factors": factors, "evaluations": CHAIN["evaluations"], "seeds": [0], "report": report}
    launcher = Pretending(read(**content), tmp_path / "out")
    run_all(launcher, launcher.runs())
    chosen = selected(gather(launcher.sweep, launcher.runs()))
    assert [each.cell.name for each in chosen] == ["model=A,evaluation=own"]


def test_a_metric_that_some_cells_lack_is_undefined_there_and_an_error_if_all_do(read, tmp_path):
    content = {**CHAIN, "seeds": [0], "report": {"metrics": ["auc.macro", "auc.Nodule"]}}
    launcher = Pretending(read(**content), tmp_path / "out")
    run_all(launcher, launcher.runs())
    with pytest.raises(ValueError, match="unknown 'Nodule'"):
        gather(launcher.sweep, launcher.runs())
    run = next(run for run in launcher.runs() if run.cell.name == "model=A,evaluation=own")
    (run.folder / "metrics.json").write_text(json.dumps({"auc": {"macro": 0.5, "Nodule": 0.7}}))
    values = [result.mean.value for result in gather(launcher.sweep, launcher.runs()).by_metric()["auc.Nodule"]]
    assert [value for value in values if not math.isnan(value)] == [0.7]


def test_cells_are_compared_on_the_same_images(read, tmp_path):
    asked = [{"factor": "model", "between": ["A", "B"], "at": {"evaluation": "elsewhere"}}]
    report = {"metrics": ["auc.macro"], "comparisons": asked}
    launcher = Pretending(read(**{**CHAIN, "seeds": [0], "report": report}), tmp_path / "out")
    run_all(launcher, launcher.runs())
    outcomes = gather(launcher.sweep, launcher.runs())
    row = outcomes.comparisons[0]
    # A: image 4, absent, scores 0.2, above image 1, which is present: 1 of 16 pairs is lost.
    assert (row.measure, row.finding, row.first, row.second) == ("auc", "Nodule", 1 - 1 / 16, 1.0)
    assert row.difference.value == pytest.approx(1 / 16)
    assert row.p == row.p_holm
    head, first = comparisons_csv(["model", "evaluation"], outcomes.comparisons).splitlines()[:2]
    assert head.startswith("measure,finding,model,evaluation,against,first,second,difference,difference_lower")
    assert first.startswith("auc,Nodule,B,elsewhere,A,0.9375,1.0,0.0625,")
    assert "B against A at evaluation=elsewhere" in table_markdown(outcomes)
