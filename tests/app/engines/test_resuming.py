"""Resuming a training: what is saved, what is refused, and which checkpoint is used if the newest one is damaged."""

import errno
import json
import logging
import math
import os
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from ignite.engine import Events
from torch import nn
from torch.utils.data import DataLoader

from app.engines import resuming
from app.engines.output_folder import EARLIER
from app.engines.resuming import Checkpoints, require_plain, require_same, seed_epoch, trained_with
from app.networks import checkpoints as files
from app.networks.checkpoints import read_checkpoint
from tests.app.engines.resumable_training import Small, differences


class CrashError(Exception):
    """Ends a training like a crash."""


def stop_after(small: Small, epoch: int) -> Small:
    """Make it crash when the next epoch begins."""

    def stop(engine: object) -> None:
        raise CrashError

    small.trainer.add_event_handler(Events.EPOCH_STARTED(once=epoch + 1), stop)
    return small


def crashed(folder: Path, epoch: int = 2, **settings: object) -> Path:
    """The folder of a training that crashed after an epoch."""
    with pytest.raises(CrashError):
        stop_after(Small(folder, **settings), epoch).launch()
    return folder


def only_run(store: str) -> mlflow.entities.Run:
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template_store: Path) -> dict[str | None, Path]:
    """Uninterrupted trainings by schedule."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "mlflow.db").write_bytes(template_store.read_bytes())
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        made = {schedule: folder / str(schedule) for schedule in SCHEDULES}
        for schedule, place in made.items():
            Small(place, schedule=schedule).launch()
    return made


SCHEDULES = ("MultiStepLR", "OneCycleLR", "ReduceLROnPlateau", None)


@pytest.mark.parametrize(
    ("schedule", "epoch"),
    [("MultiStepLR", 0), ("MultiStepLR", 3), ("OneCycleLR", 1), ("ReduceLROnPlateau", 3), (None, 2)],
)
def test_weights_after_a_crash_are_those_of_the_uninterrupted_training(whole, store, tmp_path, schedule, epoch):
    out = crashed(tmp_path / "out", epoch, schedule=schedule)
    assert only_run(store).info.status == "FAILED"
    Small(out, schedule=schedule, resume=True).launch()
    assert differences(out, whole[schedule]) == []
    assert (out / "metrics.json").read_text() == (whole[schedule] / "metrics.json").read_text()
    run = only_run(store)
    assert (run.info.status, run.data.tags.get("error")) == ("FINISHED", None)
    for name in ("epoch/train_loss", "epoch/validation_auc", "epoch/learning_rate"):
        history = mlflow.MlflowClient(store).get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3, 4], name


def test_handlers_with_state_are_resumed(store, tmp_path):
    small = Small(crashed(tmp_path / "out", 2), resume=True)
    small.launch()
    # Halved after epochs 2 and 4, the first time before the crash.
    assert small.loss.weight == 0.25
    assert small.handler.seen.tolist() == [2, 2]


def test_other_handlers_are_refused(store, tmp_path):
    small = Small(crashed(tmp_path / "out"), resume=True)
    small.parts = (type("Other", (type(small.handler),), {})(small.loss),)
    with pytest.raises(ValueError, match=r"last\.pt holds the parts \['Weight'\], and this training has \['Other'\]"):
        small.launch()


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    if kind == "flipped":
        # In the values of a weight, which only a checksum protects.
        value = read_checkpoint(path)["network"]["body.0.weight"].numpy().tobytes()
        content[bytes(content).index(value) + 5] ^= 1
    path.write_bytes(bytes(content) if kind == "flipped" else bytes(content[: len(content) // 2 * (kind == "cut")]))


@pytest.mark.parametrize("kind", ["cut", "flipped", "empty"])
def test_the_previous_checkpoint_replaces_a_damaged_one(whole, store, tmp_path, caplog, kind):
    out = crashed(tmp_path / "out", 3)
    damage(out / "last.pt", kind)
    with caplog.at_level(logging.INFO):
        Small(out, resume=True).launch()
    assert "last.pt: not a readable checkpoint of weights" in caplog.text
    assert "It is now last.damaged.pt, and the checkpoint before it is used" in caplog.text
    assert "resumed after epoch 2 of 4" in caplog.text
    assert differences(out, whole["MultiStepLR"]) == []
    run = only_run(store)
    history = mlflow.MlflowClient(store).get_metric_history(run.info.run_id, "epoch/train_loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


def test_training_begins_if_both_checkpoints_are_damaged(whole, store, tmp_path, caplog):
    out = crashed(tmp_path / "out", 3)
    damage(out / "last.pt", "cut")
    damage(out / "previous.pt", "empty")
    with caplog.at_level(logging.INFO):
        Small(out, resume=True).launch()
    assert "holds no checkpoint to resume from: training begins" in caplog.text
    assert differences(out, whole["MultiStepLR"]) == []


def test_training_begins_if_there_is_no_checkpoint(whole, store, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        Small(tmp_path / "out", resume=True).launch()
    assert f"{tmp_path / 'out'} holds no checkpoint to resume from: training begins" in caplog.text
    assert differences(tmp_path / "out", whole["MultiStepLR"]) == []


def test_a_finished_training_is_not_repeated_but_may_grow(store, tmp_path, caplog):
    out = tmp_path / "out"
    Small(out, epochs=2).launch()
    before = (out / "last.pt").read_bytes()
    with caplog.at_level(logging.INFO):
        metrics = Small(out, epochs=2, resume=True).launch()
    assert "is finished: its results are in" in caplog.text
    assert metrics == json.loads((out / "metrics.json").read_text())
    assert (out / "last.pt").read_bytes() == before
    Small(out, epochs=4, resume=True).launch()
    run = only_run(store)
    history = mlflow.MlflowClient(store).get_metric_history(run.info.run_id, "epoch/train_loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"last\.pt is of epoch 4, beyond max_epochs 3"):
        Small(out, epochs=3, resume=True).launch()


def test_a_training_that_grew_equals_one_of_that_length(whole, store, tmp_path):
    Small(tmp_path / "out", epochs=2).launch()
    Small(tmp_path / "out", epochs=4, resume=True).launch()
    assert differences(tmp_path / "out", whole["MultiStepLR"]) == []


def test_a_schedule_with_an_end_cannot_grow(store, tmp_path):
    Small(tmp_path / "out", epochs=2, schedule="OneCycleLR").launch()
    with pytest.raises(ValueError, match="max_epochs cannot grow to 4: OneCycleLR was laid out for 2 epochs"):
        Small(tmp_path / "out", epochs=4, schedule="OneCycleLR", resume=True).launch()


@pytest.mark.parametrize("length", [2, 5], ids=["shorter", "longer"])
def test_an_epoch_length_other_than_the_loaders(store, tmp_path, length):
    # The loader gives 3 batches.
    Small(tmp_path / "whole", length=length).launch()
    out = crashed(tmp_path / "out", 1, length=length)
    Small(out, length=length, resume=True).launch()
    assert differences(out, tmp_path / "whole") == []


def test_a_loader_without_an_order_by_epoch_is_refused(store, tmp_path):
    small = Small(tmp_path / "out")
    small.trainer.data_loader = DataLoader(small.sections["training"], batch_size=4, shuffle=True)
    with pytest.raises(TypeError, match="the trainer's DataLoader has no set_epoch"):
        small.launch()


@pytest.mark.parametrize("fate", ["deleted", "elsewhere"])
def test_a_missing_run_is_replaced_by_one_with_all_epochs(
    whole, store, template_store, tmp_path, caplog, monkeypatch, fate
):
    out = crashed(tmp_path / "out", 2)
    earlier = only_run(store).info.run_id
    if fate == "deleted":
        mlflow.MlflowClient(store).delete_run(earlier)
    else:
        store = f"sqlite:///{tmp_path}/other.db"
        (tmp_path / "other.db").write_bytes(template_store.read_bytes())
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    Small(out, resume=True).launch()
    assert f"run {earlier} cannot be resumed in {store}: a new run is opened" in caplog.text
    assert differences(out, whole["MultiStepLR"]) == []
    run = only_run(store)
    assert (run.info.status, run.data.tags["frugal.resumes"]) == ("FINISHED", earlier)
    history = mlflow.MlflowClient(store).get_metric_history(run.info.run_id, "epoch/train_loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]
    assert read_checkpoint(out / "last.pt")["run"] == run.info.run_id


def test_a_training_killed_while_reporting_whose_run_is_gone_reports_in_one_new_run(store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("app.engines.section_results.write_metrics", lambda *arguments: (_ for _ in ()).throw(CrashError))
        with pytest.raises(CrashError):
            Small(tmp_path / "out").launch()
    mlflow.MlflowClient(store).delete_run(only_run(store).info.run_id)
    for _ in range(2):
        Small(tmp_path / "out", resume=True).launch()
    assert only_run(store).info.status == "FINISHED"


def test_a_training_that_grows_removes_its_earlier_results(store, tmp_path):
    out = tmp_path / "out"
    Small(out, epochs=1).launch()
    with pytest.raises(CrashError):
        stop_after(Small(out, epochs=3, resume=True), 2).launch()
    left = {path.name for path in out.iterdir()}
    assert {"last.pt", "model.pt"} <= left
    assert not left & {"metrics.json", "predictions.csv", "cases.csv", "model.json", "run.json"}


def test_a_resumed_training_must_exclude_as_many_files(store, tmp_path):
    def one_left_out(**settings: object) -> Small:
        small = Small(tmp_path / "out", **settings)
        small.sections["training"].excluded = [("bad.png", "no picture")]
        return small

    with pytest.raises(CrashError):
        stop_after(one_left_out(), 1).launch()
    with pytest.raises(ValueError, match=r"last\.pt was trained with excluded training files 1, not absent"):
        Small(tmp_path / "out", resume=True).launch()
    assert one_left_out(resume=True).launch()["excluded"] == {"training": 1}
    logged = only_run(store).data.metrics
    assert {name: logged.get(f"excluded/{name}", 0) for name in ("training", "validation", "test")} == {
        "training": 1,
        "validation": 0,
        "test": 0,
    }


def test_a_key_metric_that_is_not_computed_is_refused(store, tmp_path):
    small = Small(tmp_path / "out", key_metric="loss")
    small.validation.collected.loss = None
    with pytest.raises(ValueError, match="key_metric is loss, but the validation evaluator computes none"):
        small.launch()


def test_an_undefined_key_metric_is_reported(store, tmp_path, caplog):
    small = Small(tmp_path / "out", epochs=2)
    for sample in small.sections["validation"].samples:
        sample["label"][:] = 0
    small.launch()
    assert "validation auc was never defined: the last epoch's weights are kept" in caplog.text


def test_a_training_killed_while_reporting_reports_again(whole, store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("app.engines.section_results.write_metrics", lambda *arguments: (_ for _ in ()).throw(CrashError))
        with pytest.raises(CrashError):
            Small(tmp_path / "out").launch()
    assert not (tmp_path / "out" / "metrics.json").exists()
    small = Small(tmp_path / "out", resume=True)
    small.trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: pytest.fail("it trained again"))
    small.launch()
    whole_metrics = (whole["MultiStepLR"] / "metrics.json").read_text()
    assert (tmp_path / "out" / "metrics.json").read_text() == whole_metrics
    assert only_run(store).info.status == "FINISHED"


def test_another_seed_is_refused(store, tmp_path):
    out = crashed(tmp_path / "out")
    with pytest.raises(ValueError, match=r"last\.pt was trained with seed 0, not 1\. Resume it with its own settings"):
        Small(out, seed=1, resume=True).launch()


def test_without_resume_earlier_results_are_set_aside(store, tmp_path, caplog):
    out = crashed(tmp_path / "out")
    last = (out / "last.pt").read_bytes()
    with caplog.at_level(logging.INFO):
        crashed(out, 0)
    assert f"{out} held an earlier training, which is now in {out / EARLIER} " in caplog.text
    assert (out / EARLIER / "last.pt").read_bytes() == last
    assert not (out / "model.pt").exists()
    assert read_checkpoint(out / "last.pt")["epoch"] == 0


def test_a_failed_launch_leaves_no_results_of_an_earlier_one(store, tmp_path):
    Small(tmp_path / "out", epochs=1).launch()
    crashed(tmp_path / "out", 0)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not left & {"metrics.json", "predictions.csv", "cases.csv", "model.pt", "model.json", "run.json", "pictures"}


def test_a_full_disk_keeps_the_checkpoint_and_reports_the_space_needed(store, tmp_path, monkeypatch):
    out = crashed(tmp_path / "out", 2)
    before = (out / "last.pt").read_bytes()

    class Full:
        """A disk with space for a part of the file."""

        def __init__(self, file) -> None:
            self.file, self.left = file, 5000

        def write(self, content) -> int:
            self.left -= len(content)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(content)

        def flush(self) -> None:
            pass

    write = files._write
    monkeypatch.setattr(files, "_write", lambda content, file: write(content, Full(file)))
    with pytest.raises(OSError, match=r"No space left for .*last\.pt: the checkpoint needs [\d.]+ MB and [\d.]+ MB"):
        Small(out, resume=True).launch()
    run = only_run(store)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("OSError: [Errno 28] No space left for")
    assert (out / "last.pt").read_bytes() == before
    assert not list(out.glob(".*.partial"))


def test_a_loss_of_nan_keeps_the_last_checkpoint(store, tmp_path):
    small = Small(tmp_path / "out")

    def break_weights(engine) -> None:
        small.network.head.weight.data.fill_(math.nan)

    small.trainer.add_event_handler(Events.ITERATION_STARTED(once=8), break_weights)
    message = (
        r"the loss is nan in iteration 8 \(epoch 3\)\. model\.pt keeps the best weights so far, last\.pt those of "
        r"epoch 2, 2 iterations back\. The batch: training-\d+\.png, "
    )
    with pytest.raises(FloatingPointError, match=message):
        small.launch()
    kept = read_checkpoint(tmp_path / "out" / "last.pt")
    assert kept["epoch"] == 2
    assert all(bool(value.isfinite().all()) for value in kept["network"].values())
    assert only_run(store).info.status == "FAILED"


def test_weights_that_become_infinite_in_the_last_step_are_not_saved(store, tmp_path):
    small = Small(tmp_path / "out")

    def break_weights(engine) -> None:
        small.network.head.weight.data.fill_(math.inf)

    small.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=6), break_weights)
    message = (
        r"head\.weight and 0 other weights are not finite at the end of epoch 2, .*last\.pt those of epoch 1, 3 it"
    )
    with pytest.raises(FloatingPointError, match=message):
        small.launch()
    assert read_checkpoint(tmp_path / "out" / "last.pt")["epoch"] == 1


def test_buffers_that_become_nan_are_not_saved(store, tmp_path):
    small = Small(tmp_path / "out")

    def break_weights(engine) -> None:
        small.network.body[1].running_mean.fill_(math.nan)

    small.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), break_weights)
    with pytest.raises(FloatingPointError, match=r"body\.1\.running_mean and 0 other weights are not finite"):
        small.launch()
    assert read_checkpoint(tmp_path / "out" / "last.pt")["epoch"] == 1


def test_validation_scores_of_nan_name_their_images(store, tmp_path):
    small = Small(tmp_path / "out")
    broken = small.sections["validation"].image[6]
    infer = small.validation.inferer

    def infer_nan(image, network):
        prediction = infer(image, network)
        is_broken = (image == broken.float() / 255).flatten(1).all(dim=1)
        prediction.score[is_broken] = math.nan
        return prediction

    small.validation.inferer = infer_nan
    message = r"scores or maps are not numbers for 1 images: validation-6\.png$"
    with pytest.raises(FloatingPointError, match=message):
        small.launch()
    assert read_checkpoint(tmp_path / "out" / "last.pt")["epoch"] == 0
    assert only_run(store).info.status == "FAILED"


def test_partial_files_of_killed_writers_are_removed(store, tmp_path):
    out = crashed(tmp_path / "out")
    (out / ".last.pt.123.partial").write_bytes(b"half")
    Small(out, resume=True).launch()
    assert not list(out.glob(".*.partial"))


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_is_not_writable_is_refused(store, tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot write to the output folder"):
        Small(tmp_path / name).launch()


def test_a_checkpoint_of_another_format_is_refused(store, tmp_path, monkeypatch):
    out = crashed(tmp_path / "out")
    monkeypatch.setattr(resuming, "FORMAT", 0)
    with pytest.raises(ValueError, match=r"last\.pt has format 1, and this version reads 0"):
        Small(out, resume=True).launch()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {"b": np.float64(1)}]}, r"entry 'a\.1\.b' is of float64"),
        ({"a": {"b": nn.Linear(1, 1)}}, r"entry 'a\.b' is of Linear"),
        ({"a": np.zeros(2)}, r"entry 'a' is of ndarray"),
    ],
    ids=["number", "module", "array"],
)
def test_a_state_that_could_not_be_read_back_is_not_written(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        Checkpoints(tmp_path).save(value)
    assert not (tmp_path / "last.pt").exists()


def test_plain_states_are_read_back(tmp_path):
    state = {"a": torch.ones(2), "b": [1, 2.5, "x", None, True], "c": {"d": (0.9, 0.999)}, "e": math.inf}
    require_plain(state)
    Checkpoints(tmp_path).save(state)
    kept = Checkpoints(tmp_path).newest()
    assert torch.equal(kept.pop("a"), state.pop("a"))
    assert kept == {"format": resuming.FORMAT, **state}


def test_settings_that_do_not_affect_the_weights_may_differ():
    config = {
        "rate": 1e-3,
        "max_epochs": 3,
        "output_dir": "a",
        "resume": False,
        "network_def": {"_target_": "Net", "blocks": [1, 2]},
        "train": {"dataloader": {"num_workers": 2}, "dataset": {"workers": 1, "samples": "$f()"}},
    }
    kept = trained_with(config, {"data": "abc"})
    assert kept == {
        "rate": "0.001",
        "network_def._target_": "Net",
        "network_def.blocks": "[1, 2]",
        "train.dataset.samples": "$f()",
        "data": "abc",
    }
    changed = config | {"max_epochs": 9, "output_dir": "b", "resume": True, "section": "validation", "trust": True}
    require_same(kept, trained_with(changed, {"data": "abc"}), Path("last.pt"))


def test_many_differing_settings_are_counted():
    kept = {f"setting {number:02}": "1" for number in range(23)}
    with pytest.raises(ValueError, match=r"setting 19 1, not absent; and 3 other settings\. Resume it"):
        require_same(kept, {}, Path("last.pt"))


def test_differing_settings_are_named():
    kept = {"rate": "0.1", "growth": "4", "same": "1"}
    message = r"^last\.pt was trained with growth 4, not absent; rate 0\.1, not 0\.2; stem absent, not 8\. Resume it"
    with pytest.raises(ValueError, match=message):
        require_same(kept, {"rate": "0.2", "stem": "8", "same": "1"}, Path("last.pt"))


def test_random_numbers_follow_from_seed_and_epoch_alone():
    drawn = []
    for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1)):
        torch.rand(epoch)
        seed_epoch(seed, epoch)
        drawn.append((torch.rand(1).item(), np.random.rand()))
    assert drawn[0] == drawn[3]
    assert len(set(drawn)) == 3
