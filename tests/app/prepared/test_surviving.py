"""Data that turns bad while it is used, crashing and hanging decoders, full and read-only disks."""

import errno
import faulthandler
import logging
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import app.files.limited as limited
import app.prepared.shard_reader as reading
from app.datalist.sampling import BalancedSampler
from app.prepared import PreparationError, PreparedDataset
from app.prepared.workers import StoppedError

SIDE = 16


class Read:
    """A reader of files that each hold one grey level, and of some that do what their content says."""

    def __init__(self, log):
        self._log = log

    def identity(self):
        return "a stand-in"

    def __call__(self, sample):
        with open(self._log, "a") as file:
            file.write(sample["name"] + "\n")
        content = Path(sample["image"]).read_text()
        faulthandler.disable()
        if content == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if content == "hang":
            time.sleep(60)
        if content == "exit":
            os._exit(3)
        if content == "killed":  # as by a system that has run out of memory
            os.kill(os.getpid(), signal.SIGKILL)
        if content == "killed once" and Path(self._log).read_text().split("\n").count(sample["name"]) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        level = 0.4 if content == "killed once" else int(content) / 255
        return {**sample, "image": torch.full((1, SIDE, SIDE), level)}


@pytest.fixture
def samples(tmp_path):
    (tmp_path / "files").mkdir()
    result = []
    for number in range(10):
        path = tmp_path / "files" / f"{number}.txt"
        path.write_text(str(20 * number))
        label, annotated = np.array([number % 2], np.float32), np.array([False])
        result.append({"image": str(path), "name": path.name, "label": label, "annotated": annotated})
    return result


@pytest.fixture
def prepare(samples, tmp_path):
    def prepared(workers=1, count=10, **settings):
        read = Read(tmp_path / "log.txt")
        return PreparedDataset(samples[:count], read, tmp_path / "kept", workers=workers, progress=False, **settings)

    return prepared


def levels(dataset):
    return dataset.read_batch(range(len(dataset)))["image"][:, 0, 0, 0].tolist()


def shard(tmp_path):
    (path,) = (tmp_path / "kept").glob("*/*.data")
    return path


BAD = {
    0: ("crash", "the process that prepared it was ended by SIGSEGV"),
    3: ("exit", "the process that prepared it was ended with exit code 3"),
    4: (
        "killed",
        "the process that prepared it was ended by SIGKILL; memory may have run out: prepare with fewer workers",
    ),
    6: ("hang", "preparing it took longer than 1 seconds"),
    9: ("no number", "ValueError: invalid literal for int() with base 10: 'no number'"),
}


@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_end_their_decoder_are_named_and_the_others_are_prepared(samples, prepare, monkeypatch, workers):
    monkeypatch.setattr(limited, "PATIENCE", 1.0)
    for number, (content, _) in BAD.items():
        Path(samples[number]["image"]).write_text(content)
    with pytest.raises(PreparationError) as caught:
        prepare(workers)
    named = "".join(f"\n  {number}.txt: {error}" for number, (_, error) in BAD.items())
    report = f"5 of 10 radiographs could not be prepared:{named}"
    assert str(caught.value) == f"{report}\non_error: exclude goes on without them"
    dataset = prepare(workers, on_error="exclude")
    assert dataset.excluded == [(f"{number}.txt", error) for number, (_, error) in BAD.items()]
    assert levels(dataset) == [20, 40, 100, 140, 160]


def test_a_process_killed_from_outside_is_replaced_and_its_file_tried_again(samples, prepare):
    Path(samples[3]["image"]).write_text("killed once")
    assert levels(prepare()) == [0, 20, 40, 102, 80, 100, 120, 140, 160, 180]  # 0.4 of 255 is 102


def test_excluded_items_are_in_no_epoch_and_in_the_log(samples, prepare, caplog):
    Path(samples[2]["image"]).write_text("bad")
    Path(samples[7]["image"]).unlink()
    with caplog.at_level(logging.WARNING):
        dataset = prepare(on_error="exclude")
    assert "2 of 10 radiographs could not be prepared:\n  2.txt: ValueError" in caplog.text
    assert "7.txt: FileNotFoundError" in caplog.text
    assert "They are left out." in caplog.text
    # What a sampler balances: 0, 4, 6, 8 are absent; 1, 3, 5, 9 present.
    assert dataset.labels.tolist() == [[0], [1], [1], [0], [1], [0], [0], [1]]
    sampler = BalancedSampler(dataset.labels)
    seen = torch.cat([batch["index"] for batch in DataLoader(dataset, 3, sampler=sampler)])
    assert {dataset.samples[at]["name"] for at in seen} == {f"{n}.txt" for n in (0, 1, 3, 4, 5, 6, 8, 9)}


def test_files_that_vanish_or_change_in_mid_run_do_not_matter_until_the_next_start(samples, prepare):
    dataset = prepare()
    before = levels(dataset)
    Path(samples[1]["image"]).unlink()
    Path(samples[5]["image"]).write_text("250")
    Path(samples[6]["image"]).write_text("bad")
    assert levels(dataset) == before
    again = prepare(on_error="exclude")
    assert [name for name, _ in again.excluded] == ["1.txt", "6.txt"]
    assert levels(again) == [0, 40, 60, 80, 250, 140, 160, 180]


def _flip(path):
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


def _truncate(path):
    os.truncate(path, 700)


def _empty(path):
    os.truncate(path, 0)


def _replace(path):
    other = path.with_suffix(".other")
    other.write_bytes(bytes(path.stat().st_size))
    other.rename(path)


def _delete(path):
    path.unlink()


def _delete_all(path):
    for other in path.parent.iterdir():
        other.unlink()


@pytest.mark.parametrize("damage", [_flip, _truncate, _empty, _replace, _delete, _delete_all])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_damaged_in_mid_run_is_noticed_and_made_again(prepare, tmp_path, damage, workers):
    dataset = prepare()
    loader = DataLoader(dataset, 4, num_workers=workers, persistent_workers=workers > 0)
    for _ in range(2):
        seen = torch.cat([batch["image"][:, 0, 0, 0] for batch in loader])
        assert seen.tolist() == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
        time.sleep(0.01)  # the clock of the file system ticks every few milliseconds
        if (tmp_path / "kept").exists() and len(list((tmp_path / "kept").glob("*/*.data"))) == 1:
            damage(shard(tmp_path))
    seen = torch.cat([batch["image"][:, 0, 0, 0] for batch in loader])
    assert seen.tolist() == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]


def test_a_shard_damaged_where_the_file_is_gone_too_stops_and_names_both(samples, prepare, tmp_path):
    dataset = prepare()
    levels(dataset)
    time.sleep(0.01)
    _empty(shard(tmp_path))
    Path(samples[0]["image"]).unlink()
    with pytest.raises(
        PreparationError,
        match=r"0\.txt: .*\.data: 256 bytes from \d+ on are damaged, and it cannot be prepared again .*0\.txt",
    ):
        levels(dataset)


def test_a_disk_that_fails_is_told_apart_from_the_data(prepare, monkeypatch):
    dataset = prepare()

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(reading.os, "preadv", fail)
    with pytest.raises(PreparationError, match=r"0\.txt: .*\.data: Input/output error"):
        levels(dataset)


def open_files(folder):
    # Those of the folder alone: what earlier tests left open is closed at any time.
    return sum(each.resolve().is_relative_to(folder.resolve()) for each in Path("/proc/self/fd").iterdir())


def test_more_shards_than_files_may_be_open(prepare, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "MOST_OPEN", 1)
    before = open_files(tmp_path)
    for count in (3, 6, 10):
        dataset = prepare(0, count)
    assert len(list((tmp_path / "kept").glob("*/*.data"))) == 3
    assert levels(dataset) == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
    assert open_files(tmp_path) == before + 2  # a shard, and the lock
    del dataset
    assert open_files(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_files_and_folders_serve_what_is_complete(samples, prepare, tmp_path):
    prepare()
    read_only(tmp_path)
    assert len(prepare()) == 10


def test_nothing_is_written_where_all_is_prepared(prepare, tmp_path):
    prepare()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")}
    levels(prepare())
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")}
    assert [path.name for path in before if after.pop(path) != before[path]] == ["used.lock"]  # when it was last used
    assert not after


def read_only(folder):
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_another_thread_stops_a_portion_that_hangs(samples, prepare, tmp_path):
    none, before = prepare(1, 0, on_error="exclude"), multiprocessing.active_children()
    Path(samples[3]["image"]).write_text("hang")
    with ThreadPoolExecutor(1) as thread:
        portion = thread.submit(none.with_samples, samples)
        while not (tmp_path / "log.txt").exists():
            time.sleep(0.01)
        none.workers.stop()
        with pytest.raises(StoppedError):
            portion.result(timeout=20)
    none.workers.end()
    assert set(multiprocessing.active_children()) <= set(before)
    assert len(none.with_samples(samples[:3])) == 3  # it goes on after that
    none.workers.end()
