"""A training is resumed after the disk fails or the power goes at any step of its writing."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from app.networks.checkpoints import read_checkpoint, read_weights, save
from app.tracking.opening import Opened, Wish
from app.tracking.store import Store
from tests.app.engines.resumable_training import Small, differences
from tests.app.faulty_disk import FaultyDisk, State, restore

RESULTS = ("metrics.json", "predictions.csv", "cases.csv", "model.json", "run.json")


class Client:
    """A client that accepts everything; a database would take longer than the training."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: []


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Train for one epoch, or resume that."""

    def opened(wish: Wish) -> Opened:
        return Opened(Client(), Store("sqlite:///mlflow.db"), "1", wish.resume or "a" * 32, "small", {})

    monkeypatch.setattr("app.tracking.run.open_run", opened)
    monkeypatch.setattr("app.engines.pictures.history", lambda values: Figure(figsize=(0.2, 0.2)))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return lambda folder: Small(folder, epochs=1, resume=True).launch()


@pytest.fixture
def whole(train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, FaultyDisk]:
    """An uninterrupted training and everything that it wrote."""
    folder = tmp_path / "whole"
    folder.mkdir()
    with monkeypatch.context() as patch:
        disk = FaultyDisk(folder).install(patch)
        train(folder)
    return folder, disk


def require_equal(folder: Path, whole: Path) -> None:
    """The same weights bit for bit, the same results byte for byte, and no partial files."""
    assert differences(folder, whole) == []
    for name in RESULTS:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(folder.rglob("*.partial"))


def test_every_file_is_written_whole(whole):
    folder, disk = whole
    moved = {event.removeprefix("replace ") for event in disk.events if event.startswith("replace")}
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written - moved == {".frugal.lock"}
    assert disk.lost() == disk.eager()


def test_a_training_can_be_resumed_after_the_disk_fails_at_any_step(train, whole, tmp_path, monkeypatch):
    uninterrupted, counted = whole
    for number in range(1, len(counted.events) + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        code = errno.ENOSPC if counted.events[number - 1].startswith("write") else errno.EIO
        with monkeypatch.context() as patch:
            FaultyDisk(folder, number, code).install(patch)
            with pytest.raises(OSError, match=rf"(?i)no space left.*{folder}|{os.strerror(code)}.*{folder}"):
                train(folder)
        train(folder)
        require_equal(folder, uninterrupted)


def test_a_training_can_be_resumed_after_a_power_failure_at_any_step(train, whole, tmp_path):
    uninterrupted, disk = whole
    states: list[State] = []
    for state in disk.states:
        if state not in states:
            states.append(state)
    # By hand: at least one before the first file, and one for each of the eleven that are moved into place.
    assert len(states) >= 12
    for number, state in enumerate(states):
        folder = tmp_path / str(number)
        folder.mkdir()
        restore(folder, state)
        train(folder)
        require_equal(folder, uninterrupted)


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b'{"run": "aaa', b"[]"], ids=["empty", "zeros", "cut", "list"])
def test_damaged_results_of_a_finished_training_are_written_again(train, whole, name, content, caplog):
    folder, _ = whole
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(content)
    train(folder)
    assert (folder / name).read_bytes() == before
    assert f"{folder / name}: not " in caplog.text
    assert "its results are computed again" in caplog.text


@pytest.mark.parametrize(
    "content", [None, b"", b"image,pat", b"{", b"\xff\0"], ids=["none", "empty", "cut", "{", "bytes"]
)
@pytest.mark.parametrize("name", ["model.json", "predictions.csv", "cases.csv"])
def test_damaged_files_beside_the_results_are_written_again(train, whole, name, content, caplog):
    folder, _ = whole
    path = folder / name
    before = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    train(folder)
    assert path.read_bytes() == before
    assert f"{path}: " in caplog.text
    assert "its results are computed again" in caplog.text


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4"], ids=["none", "empty", "cut"])
def test_unreadable_best_weights_are_written_again_or_refused_at_once(train, whole, content, monkeypatch):
    folder, _ = whole
    path = folder / "model.pt"

    def damage() -> None:
        path.unlink() if content is None else path.write_bytes(content)

    before = read_weights(path)
    damage()
    train(folder)  # the best epoch is the last one, whose weights the checkpoint holds
    after = read_weights(path)
    assert all(after[name].equal(value) for name, value in before.items())
    damage()
    best = {"value": 2.0, "epoch": 1}
    last = read_checkpoint(folder / "last.pt")
    save({**last, "best": best, "epoch": 2, "max_epochs": 3}, folder / "last.pt")
    monkeypatch.setattr("monai.engines.SupervisedTrainer.run", lambda trainer: pytest.fail("trained"))
    with pytest.raises(ValueError, match=rf"{path}.* best weights so far, of epoch 1, .* without --resume"):
        Small(folder, epochs=3, resume=True).launch()


def test_a_damaged_model_record_without_a_run_is_written_again(train, whole):
    folder, _ = whole
    before = (folder / "model.json").read_bytes()
    (folder / "model.json").write_bytes(b"{")
    (folder / "run.json").unlink()
    train(folder)
    assert (folder / "model.json").read_bytes() == before
