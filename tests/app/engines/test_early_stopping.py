"""Early stopping: when it stops, what it leaves, both stages, and that an interruption changes nothing."""

import csv
import json
import logging
import math
from pathlib import Path

import mlflow
import pytest
import torch
from ignite.engine import Events

from app.engines.best_weights import BestWeights
from app.engines.early_stopping import EarlyStopping, require_patience
from app.networks.checkpoints import read_checkpoint
from tests.app.engines.resumable_training import Small, differences

ONE = {"epochs": 12, "patience": 3}
"""On the made pictures, validation's AUC is 1 from the second epoch on."""
TWO = {"epochs": 9, "patience": 2, "first": 7, "key_metric": "dice"}
"""On the made pictures, Dice of the first stage is best in the fourth epoch."""


def stopped_at(values: list[float], patience: int, metric: str = "auc") -> int:
    """The epoch after which a training with these validation metrics stops; 0 if it does not."""
    best = BestWeights(Path(), metric)
    stopping = EarlyStopping(patience, best)
    for epoch, value in enumerate(values, start=1):
        best.consider(epoch, {metric: value})
        stopping.close(epoch, len(values) + 1)
        if stopping.reason:
            return epoch
    return 0


@pytest.mark.parametrize(
    ("values", "patience", "epoch"),
    [
        ([0.5, 0.8, 0.7, 0.8, 0.9], 2, 4),  # as good as the best is no better
        ([0.5, 0.8, 0.7, 0.9, 0.8], 2, 0),
        ([0.5, 0.4, 0.3, 0.2], 0, 0),
        ([math.nan] * 6, 2, 0),  # there is no best epoch yet
        ([math.nan, 0.5, math.nan, math.nan], 2, 4),
    ],
)
def test_it_stops_after_epochs_without_a_better_metric(values, patience, epoch):
    assert stopped_at(values, patience) == epoch
    assert stopped_at([-value for value in values], patience, "loss") == epoch


def test_no_epoch_is_stopped_after_the_last():
    best = BestWeights(Path(), "auc")
    stopping = EarlyStopping(1, best)
    for epoch in (1, 2):
        best.consider(epoch, {"auc": 0.5})
        stopping.close(epoch, 2)
    assert stopping.facts(2, 2) == {"epochs": 2, "max_epochs": 2}


def test_a_patience_that_ends_before_the_rate_falls_is_refused():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=3)
    # As torch counts: the fourth epoch without a better value lowers the rate, so the fifth is the first to use it.
    for value in (1.0, 1.0, 1.0, 1.0):
        schedule.step(value)
    assert optimizer.param_groups[0]["lr"] == 1.0
    schedule.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    require_patience(5, schedule)
    require_patience(0, schedule)
    with pytest.raises(ValueError, match=r"patience is 4, but ReduceLROnPlateau.* after 4 epochs.* to 5 or more"):
        require_patience(4, schedule)
    with pytest.raises(ValueError, match="patience is -1"):
        require_patience(-1, None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template_store: Path) -> tuple[Path, str]:
    """Folder of trainings that nothing interrupted: in one stage, in two, and one of five epochs without patience."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "mlflow.db").write_bytes(template_store.read_bytes())
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        Small(folder / "one", **ONE).launch()
        Small(folder / "two", **TWO).launch()
        Small(folder / "five", epochs=5).launch()
    return folder, f"sqlite:///{folder}/mlflow.db"


def record_of(folder: Path) -> dict:
    return json.loads((folder / "model.json").read_text())


def test_the_record_says_when_and_why_it_stopped(whole):
    folder, store = whole
    reason = "validation auc has not exceeded 1, of epoch 2, in 3 epochs"
    expected = {"epochs": 5, "max_epochs": 12, "stopped": reason}
    assert record_of(folder / "one")["training"] == expected
    assert json.loads((folder / "one/metrics.json").read_text())["training"] == expected
    runs = mlflow.MlflowClient(store).search_runs(["1"], "tags.`frugal.stopped` != ''")
    assert [(run.data.metrics["stopped_epoch"], run.data.tags["frugal.stopped"]) for run in runs] == [(5, reason)]
    rows = list(csv.DictReader((folder / "one/history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    kept = read_checkpoint(folder / "one/last.pt")["history"]
    assert [float(row["validation_loss"]) for row in rows] == kept["validation_loss"]


def test_a_stopped_training_equals_a_shorter_one(whole):
    folder, _ = whole
    assert differences(folder / "one", folder / "five") == []
    shorter = json.loads((folder / "five/metrics.json").read_text())
    stopped = json.loads((folder / "one/metrics.json").read_text())
    del stopped["training"]
    assert stopped == shorter
    assert record_of(folder / "five")["training"] == {"epochs": 5, "max_epochs": 5}


def test_the_first_stage_ends_early_and_the_second_begins_with_its_rate(whole):
    history = read_checkpoint(whole[0] / "two/last.pt")["history"]
    best = history["validation_dice"].index(max(history["validation_dice"][:6])) + 1
    assert best + TWO["patience"] == 6  # and so the second stage begins with the seventh epoch, not the eighth
    assert record_of(whole[0] / "two")["training"] == {"epochs": 9, "max_epochs": 9, "first_stage": 6}
    # From 0.1 by 1/4 in the three epochs that are left.
    assert history["learning_rate"][6:] == pytest.approx([0.1, 0.1 * 0.25 ** (1 / 3), 0.1 * 0.25 ** (2 / 3)])


class CrashError(Exception):
    """Ends a training as a crash would."""


@pytest.mark.parametrize(("name", "settings", "epoch"), [("one", ONE, 4), ("two", TWO, 6)])
def test_interrupted_it_ends_the_same(whole, store, tmp_path, name, settings, epoch):
    small = Small(tmp_path / "out", **settings)

    def stop(engine) -> None:
        raise CrashError

    small.trainer.add_event_handler(Events.EPOCH_STARTED(once=epoch + 1), stop)
    with pytest.raises(CrashError):
        small.launch()
    Small(tmp_path / "out", resume=True, **settings).launch()
    assert differences(tmp_path / "out", whole[0] / name) == []
    assert record_of(tmp_path / "out") == record_of(whole[0] / name)


def test_killed_after_its_last_epoch_it_trains_no_more(whole, store, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(BestWeights, "load", lambda self, network: stop_here())
        with pytest.raises(CrashError):
            Small(folder, **ONE).launch()
    Small(folder, resume=True, **ONE).launch()
    assert differences(folder, whole[0] / "one") == []
    assert record_of(folder) == record_of(whole[0] / "one")
    with caplog.at_level(logging.INFO):
        again = Small(folder, resume=True, **ONE).launch()
    assert "is finished (it stopped after epoch 5: validation auc" in caplog.text
    assert again == json.loads((folder / "metrics.json").read_text())


def stop_here() -> None:
    raise CrashError
