"""Handlers of a training: logged epochs, and a stop if the loss is not finite."""

import math
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import nn

from app.engines.training import REDRAW_EVERY, FiniteLoss, History, show_progress

NAN = math.nan


def trainer(losses: list[float], epochs: int = 1) -> Engine:
    engine = Engine(lambda engine, batch: {CommonKeys.LOSS: torch.tensor(losses[engine.state.iteration - 1])})
    engine.optimizer = SimpleNamespace(param_groups=[{"lr": 0.25, "params": []}])
    engine.network = nn.Linear(1, 1)
    engine.length = len(losses) // epochs
    return engine


class Record:
    """A substitute for a run."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict, int]] = []

    def metrics(self, mapping: dict, step: int) -> None:
        self.logged.append((mapping, step))

    def flush(self) -> None:
        pass

    def steps(self, name: str) -> set[int]:
        return {step for mapping, step in self.logged if name in mapping}


def test_history_of_two_epochs():
    engine, run = trainer([1.0, 2.0, 3.0, 5.0], epochs=2), Record()
    history = History(run)
    history.attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: history.add(e, {"auc": 0.5, "dice": NAN}))
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: history.log())
    engine.run([0, 1], max_epochs=2)
    assert [step for _, step in run.logged] == [1, 2]
    assert history.values["train_loss"] == [1.5, 4.0]
    assert history.values["learning_rate"] == [0.25, 0.25]
    assert history.values["validation_auc"] == [0.5, 0.5]
    assert all(math.isnan(value) for value in history.values["validation_dice"])
    assert all(seconds >= 0 for seconds in history.values["epoch_seconds"])
    assert run.logged[0][0].keys() == {
        "epoch/train_loss",
        "epoch/learning_rate",
        "epoch/seconds",
        "epoch/validation_auc",
        "epoch/validation_dice",
    }


SAMPLES = [{"name": f"{i}.png"} for i in range(4)]


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf], ids=str)
def test_a_loss_that_is_not_finite_stops_training_and_names_the_images(value):
    engine = trainer([1.0, value, 1.0])
    FiniteLoss(SAMPLES).attach(engine)
    message = rf"the loss is {value} in iteration 2 \(epoch 1\)\. The batch: 3\.png, 1\.png\. The one before it: 0\.png"
    with pytest.raises(FloatingPointError, match=message):
        engine.run([{"index": torch.tensor(rows)} for rows in ([0], [3, 1], [0, 1])])
    assert engine.state.iteration == 2


KEPT = (
    r"\(epoch 2\)\. model\.pt keeps the best weights so far, last\.pt those of epoch 1, 1 iterations back\. The batch"
)


def test_from_the_second_epoch_the_message_names_the_saved_weights():
    engine = trainer([1.0, NAN], epochs=2)
    FiniteLoss(SAMPLES).attach(engine)
    with pytest.raises(FloatingPointError, match=KEPT):
        engine.run([{"index": torch.tensor([0])}], max_epochs=2)


def test_finite_losses_do_not_stop_training():
    engine = trainer([1.0, -1e30, 0.0])
    FiniteLoss(SAMPLES).attach(engine)
    engine.run([{"index": torch.tensor([0])}] * 3)
    assert engine.state.iteration == 3


@pytest.mark.parametrize(("broken", "seen"), [(2, 3), (4, 5)], ids=["at the next check", "at the end of the epoch"])
def test_losses_checked_together_name_the_batch(broken, seen):
    # As on a GPU: a check every three iterations.
    engine = trainer([NAN if number == broken else 1.0 for number in range(1, 6)])
    FiniteLoss(SAMPLES, every=3).attach(engine)
    message = (
        rf"the loss is nan in iteration {broken} .*batch: {broken - 1}\.png\. The one before it: {broken - 2}\.png$"
    )
    with pytest.raises(FloatingPointError, match=message):
        engine.run([{"index": torch.tensor([min(number, 3)])} for number in range(5)])
    assert engine.state.iteration == seen


def test_the_loss_is_read_only_when_the_bar_is_drawn(capsys, monkeypatch):
    item, read = torch.Tensor.item, []
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: read.append(1) or item(tensor))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    engine = trainer([0.125] * 60)
    show_progress(engine)
    engine.run([0] * 60)
    assert len(read) == 60 // REDRAW_EVERY
    assert "loss=0.125" in capsys.readouterr().err


def test_epochs_in_the_run_are_not_logged_again():
    run = Record()
    first = History(run)
    first.values = {"train_loss": [3.0, 2.0]}
    first.log()
    # The checkpoint holds the first epoch alone, and a third one follows.
    again = History(run)
    again.load_state_dict({"train_loss": [3.0]})
    again.log()
    again.values["train_loss"] += [2.0, 1.0]
    again.log()
    assert run.logged == [({"epoch/train_loss": loss}, epoch) for epoch, loss in ((1, 3.0), (2, 2.0), (3, 1.0))]
