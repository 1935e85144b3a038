"""Curves of cells: from the files of their runs to a table that marks cells that were trained too little."""

import csv
import json
from pathlib import Path

import pytest

from app.sweeps.cell_run import CellRun
from app.sweeps.curves import CellCurve, RunCurve, cell_curves, curves_csv, read_curve
from app.sweeps.outcomes import gather
from app.sweeps.sweep import Cell, Sweep
from app.sweeps.sweep_output import write_outcomes
from app.sweeps.sweep_tables import table_markdown
from app.sweeps.training_table import training_lines

NAMES = ("short", "long", "stopped")
LOSS = {
    "short": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
    "long": [1.0, 0.2, 0.21, 0.2, 0.21, 0.2],
    "stopped": [1.0, 0.9, 0.8, 0.7, 0.6],
}


def train(run: CellRun, loss: list[float], planned: int = 6, **training: object) -> None:
    """Leave the files of a training whose AUC is 1 - loss, the best at the end."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "train_loss", "epoch_seconds", "validation_auc", "validation_loss"])
        writer.writerows([epoch, 2 * value, 3.0, 1 - value, value] for epoch, value in enumerate(loss, start=1))
    record = {"epochs": len(loss), "max_epochs": planned, **training}
    model = {"validation": {"auc": 1 - loss[-1], "epoch": len(loss)}, "training": record}
    (run.folder / "model.json").write_text(json.dumps(model))
    (run.folder / "metrics.json").write_text(json.dumps({"auc": {"macro": {"value": 0.5}}}))
    run.write("finished", 20.0)


@pytest.fixture
def study(tmp_path: Path) -> tuple[Sweep, list[CellRun]]:
    """Three cells with two seeds each."""
    cells = tuple(Cell({"length": name}, {}, {}) for name in NAMES)
    sweep = Sweep("s", ("train.yaml",), "training", {}, {"length": NAMES}, cells, (0, 1), None, ("auc.macro",))
    runs = [CellRun(cell, seed, tmp_path / cell.name / f"seed-{seed}", {}) for seed in (0, 1) for cell in cells]
    for run in runs:
        name = run.cell.values["length"]
        train(run, LOSS[name], **({"stopped": "enough"} if name == "stopped" else {}))
    return sweep, runs


def test_cells_that_were_trained_too_little_are_marked_with_what_to_do(study):
    text = table_markdown(gather(*study))
    both = "validation loss and validation auc still improving"
    assert f"| short | 6 of 6 | █▇▅▄▂▁ 1.000 to 0.500 | ▁▂▄▅▇█ 0.000 to 0.500 | **under-trained**: {both} |" in text
    assert "| long | 6 of 6 | █▁▁▁▁▁ 1.000 to 0.200 | ▁█████ 0.000 to 0.800 |  |" in text
    assert "| stopped | 5 of 6 |" in text
    assert "| stopped after 5 |" in text
    assert "1 of 3 cells is under-trained" in text
    assert "`max_epochs: 12` in place of 6, with `patience: 5`" in text


def test_every_epoch_of_every_training_is_written(study, tmp_path):
    sweep, runs = study
    files = write_outcomes(gather(sweep, runs), tmp_path / "out")
    path = tmp_path / "out/curves.csv"
    assert path in files
    rows = list(csv.DictReader(path.open()))
    assert len(rows) == 2 * (6 + 6 + 5)
    assert rows[7] == {  # the second epoch of the second seed; how long it took is left out, as it is never the same
        **{"length": "short", "seed": "1", "epoch": "2"},
        **{"train_loss": "1.8", "validation_auc": "0.09999999999999998", "validation_loss": "0.9"},
    }


def test_the_mean_is_taken_over_the_trainings_that_lasted_longest(study):
    _, runs = study
    train(runs[3], [1.0, 0.7, 0.6, 0.5], stopped="enough")
    (curve, *_) = cell_curves(runs)
    assert [run.epochs for run in curve.runs] == [6, 4]
    assert curve.mean("validation_loss") == LOSS["short"]
    assert curve.improving() == []  # one has stopped: the cell has been given enough
    (row, *_) = training_lines(study[0], [curve])[2:]
    assert row.endswith("| stopped after 4 in 1 seed |")
    assert "| 4 to 6 of 6 |" in row


def test_the_second_stage_is_looked_at_alone(study):
    _, runs = study
    # Over all epochs the loss falls; since the second stage began it rises.
    falling, rising = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [0.4, 0.41, 0.42, 0.43, 0.44]
    for run in runs[::3]:
        train(run, [*falling, *rising], planned=11, first_stage=6)
    (curve, *_) = cell_curves(runs)
    assert curve.improving() == []


def test_runs_without_a_history_have_no_curve(study):
    sweep, runs = study
    for run in runs:
        (run.folder / "history.csv").unlink()
    assert read_curve(runs[0]) is None
    outcomes = gather(sweep, runs)
    assert outcomes.curves == ()
    assert "## Training" not in table_markdown(outcomes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.csv", ""),
        ("history.csv", "epoch,train_loss\n"),
        ("history.csv", "epoch,train_loss\n1\n"),
        ("history.csv", "epoch,train_loss\n1,x\n"),
        ("model.json", "{}"),
        ("model.json", '{"validation": {"auc": 1, "epoch": 2}, "training": {}}'),
    ],
    ids=["empty", "no epoch", "cut short", "no number", "no record", "older record"],
)
def test_a_damaged_history_is_named(study, name, content):
    sweep, runs = study
    (runs[0].folder / name).write_text(content)
    with pytest.raises(ValueError, match=r"history\.csv: not the history of a training.*Remove it"):
        gather(sweep, runs)


def test_cells_that_chose_their_epochs_by_different_metrics():
    columns = {"train_loss": [1.0, 0.5], "validation_auc": [0.5, 0.6], "validation_loss": [1.0, 0.5]}
    runs = [RunCurve(0, columns, "auc", 2, 2), RunCurve(0, columns, "loss", 2, 2)]
    cells = [Cell({"by": run.key_metric}, {}, {}) for run in runs]
    curves = [CellCurve(cell, (run,)) for cell, run in zip(cells, runs, strict=True)]
    sweep = Sweep("s", (), "training", {}, {"by": ("auc", "loss")}, tuple(cells), (0,), None, ())
    head, _, *rows = training_lines(sweep, curves)
    assert head == "| by | best epoch | validation loss | validation auc or validation loss | at the end |"
    assert rows[0].endswith("| fewer than 5 epochs: unknown |")
    assert len(curves_csv(sweep, curves).splitlines()) == 1 + 2 * 2
