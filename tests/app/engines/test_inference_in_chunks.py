"""Scoring in chunks gives the tables of scoring at once, byte for byte, and goes on where it was stopped."""

import csv
import logging
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.archive import runs, scoring
from app.archive.preparing import _empty
from app.archive.runs import Images, Place
from app.archive.settings import Settings
from app.checking import load
from app.cluster import Outcome, Task
from app.datalist.file import read_datalist
from app.datalist.image_names import folder_names
from app.files.lease import Lease
from tests.app.engines.conftest import CONFIGS, ROOT

TABLES = ("predictions.csv", "excluded.csv")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Workers that are this process; the names of the tasks that they were given."""
    done: list[str] = []

    def run(tasks: Iterable[Task], jobs: int) -> Iterator[Outcome]:
        for task in tasks:
            done.append(task.name)
            yield Outcome(task, task.function(*task.arguments), "", "", 1, "")

    monkeypatch.setattr(runs, "in_processes", run)
    logger = logging.getLogger("app.prepared")
    level = logger.level
    monkeypatch.chdir(ROOT)  # the bundle's own paths are relative to the repository
    yield done
    logger.setLevel(level)
    scoring._scorer.cache_clear()
    _empty.cache_clear()


@pytest.fixture
def overrides(trained, world, tmp_path: Path) -> dict[str, object]:
    chosen = world.overrides(tmp_path / "out")
    network = {key: chosen[key] for key in ("blocks", "growth", "stem", "image_size", "precision", "batch_size")}
    return {
        **network,
        "dataset_dir": str(tmp_path / "in"),
        "output_dir": str(tmp_path / "out"),
        "checkpoint": str(trained.output_dir / "model.pt"),
        "lung_weights": chosen["lung_weights"],
        "dataset#workers": 0,
        "any_view": True,  # toy pictures are no chests
        "inference#overlays": False,
    }


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eleven pictures in batches of four, and three files that are none, at the edges of batches."""
    generator = np.random.default_rng(0)
    (tmp_path / "in/ward").mkdir(parents=True)
    for number in range(14):
        path = tmp_path / f"in/{'ward/' if number > 9 else ''}{number:02}.png"
        cv2.imwrite(str(path), generator.integers(0, 255, (40 + number, 60), np.uint8))
        if number in (0, 5, 8):
            path.write_text("no picture")
    return tmp_path / "in"


def score(overrides: dict[str, object], output: Path, **place: object) -> None:
    given = overrides | {"output_dir": str(output), "inference#samples": "$engines.no_samples(@findings, @any_view)"}
    file = CONFIGS / "inference.yaml"
    config = load([file], given, run_id="run").config
    listed = Images(*folder_names(str(overrides["dataset_dir"]), output))
    runs.score(Settings.of([file], given), config, listed, Place(**{"on": None, "jobs": 1, **place}), keep=False)


def test_the_tables_are_those_of_scoring_at_once(
    overrides, images: Path, launch: Callable, in_this_process, tmp_path: Path, caplog, monkeypatch
):
    monkeypatch.setattr("app.engines.inference.PORTION", 7)  # rounded up to two batches
    launch("run", overrides | {"prepared_dir": str(tmp_path / "prepared")}, "inference.yaml")
    caplog.clear()
    with caplog.at_level("INFO"):
        score(overrides, tmp_path / "chunks", chunk=4)
    assert len(in_this_process) == 4
    for name in TABLES:
        assert (tmp_path / "chunks" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert "11 radiographs scored, 3 files left out (excluded.csv)" in caplog.text
    assert "no lungs found, whole image used: 11 radiographs" in caplog.text
    assert "ward/" not in caplog.text  # names stand in tables alone


def test_a_second_start_does_only_what_is_missing(overrides, images: Path, in_this_process: list[str], tmp_path: Path):
    score(overrides, tmp_path / "out", chunk=4)
    first = {name: (tmp_path / "out" / name).read_bytes() for name in TABLES}
    results = sorted((tmp_path / "out/chunks").iterdir())
    results[2].unlink()
    in_this_process.clear()
    score(overrides, tmp_path / "out", chunk=4)
    assert in_this_process == ["chunk 2"]
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == first

    cv2.imwrite(str(images / "01.png"), np.full((40, 40), 200, np.uint8))
    in_this_process.clear()
    score(overrides, tmp_path / "out", chunk=4)
    assert in_this_process == ["chunk 0"]
    assert len(list((tmp_path / "out/chunks").iterdir())) == 4  # that of the old picture is gone
    assert (tmp_path / "out/predictions.csv").read_bytes() != first["predictions.csv"]


def test_other_weights_score_everything_again(overrides, images: Path, in_this_process: list[str], tmp_path: Path):
    for name in ("model.pt", "model.json"):
        shutil.copy(Path(str(overrides["checkpoint"])).with_name(name), tmp_path)
    overrides["checkpoint"] = str(tmp_path / "model.pt")
    score(overrides, tmp_path / "out")
    record = tmp_path / "model.json"
    record.write_text(record.read_text().replace('"findings"', '"findings" ', 1))
    in_this_process.clear()
    score(overrides, tmp_path / "out")
    assert in_this_process == ["chunk 0"]


def test_what_fails_is_told_and_leaves_no_table(overrides, images: Path, in_this_process, tmp_path: Path, monkeypatch):
    def fail(tasks: Iterable[Task], jobs: int) -> Iterator[Outcome]:
        yield from (Outcome(task, None, "its process was ended by SIGKILL", "died", 3, "") for task in tasks)

    monkeypatch.setattr(runs, "in_processes", fail)
    with pytest.raises(ValueError, match=r"4 chunks failed, the first \(chunk 0\): its process was ended by SIGKILL"):
        score(overrides, tmp_path / "out", chunk=4)
    monkeypatch.setattr(runs, "MOST_FAILED", 2)
    with pytest.raises(ValueError, match=r"2 chunks failed"):
        score(overrides, tmp_path / "out", chunk=4)
    assert not list((tmp_path / "out").glob("*.csv"))


def test_tables_stay_until_the_work_begins(overrides, images: Path, in_this_process, tmp_path: Path, monkeypatch):
    score(overrides, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    for path in (tmp_path / "out/chunks").iterdir():
        path.unlink()
    asked = {}

    def unsuited(place: str, folders: list[Path], read: list[Path]) -> None:
        asked.update(folders=folders, read=read)
        raise ValueError("no such node")

    monkeypatch.setattr(runs, "connected", unsuited)
    with pytest.raises(ValueError, match="no such node"):
        score(overrides, tmp_path / "out", on="auto")
    assert asked == {"folders": [tmp_path / "out"], "read": [images]}  # radiographs may be read-only
    with Lease(tmp_path / "out/chunks", every=0.02), pytest.raises(ValueError, match="hands out the work"):
        score(overrides, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()} == before


def test_weights_that_change_meanwhile_give_no_table(
    overrides, images: Path, in_this_process: list[str], tmp_path: Path, monkeypatch
):
    for name in ("model.pt", "model.json"):
        shutil.copy(Path(str(overrides["checkpoint"])).with_name(name), tmp_path)
    overrides["checkpoint"] = str(tmp_path / "model.pt")
    record = tmp_path / "model.json"

    def change(tasks: Iterable[Task], jobs: int) -> Iterator[Outcome]:
        for task in tasks:
            yield Outcome(task, task.function(*task.arguments), "", "", 1, "")
        record.write_text(record.read_text().replace('"findings"', '"findings" ', 1))

    monkeypatch.setattr(runs, "in_processes", change)
    with pytest.raises(ValueError, match="changed meanwhile"):
        score(overrides, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.csv"))


def test_sigterm_ends_the_command_in_order():
    with Place(None, 1).opened([], Path()), pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


def test_a_training_finds_prepared_what_was_prepared_in_chunks(
    world, in_this_process, tmp_path: Path, monkeypatch, caplog
):
    overrides = world.overrides(tmp_path / "out", prepared_dir=str(tmp_path / "prepared"))
    settings = Settings.of([CONFIGS / "train.yaml"], overrides | {"prepare#on_error": "exclude"})
    datalist = read_datalist(world.datalist)
    for _ in range(2):  # the second time there is nothing to do
        with caplog.at_level("INFO"):
            runs.prepare(settings, datalist, world.datalist, tmp_path / "prepared", Place(None, 1, chunk=10))
        shards = {path: path.stat().st_size for path in (tmp_path / "prepared").glob("*/*.data")}
        assert len(shards) == 1
    assert "25 radiographs are prepared in" in caplog.text
    (table,) = (tmp_path / "prepared").glob("datalist-????????.excluded.csv")
    assert table.read_text().splitlines() == ["image,error"]

    def make(*arguments: object) -> None:
        raise AssertionError("prepared again")

    monkeypatch.setattr("app.prepared.recipe.Recipe.make", make)
    section = runs.ItemChunk(0, world.folder, datalist.findings, datalist.sections["training"])
    dataset = runs.prepare_chunk(settings, section)
    assert dataset.excluded == []


def test_what_cannot_be_prepared_is_listed(world, in_this_process, tmp_path: Path):
    shutil.copytree(world.folder, tmp_path / "data")
    (tmp_path / "data/training-3.png").write_text("no picture")
    (tmp_path / "data/test-0.png").unlink()
    overrides = world.overrides(tmp_path / "out", prepared_dir=str(tmp_path / "prepared"))
    settings = Settings.of([CONFIGS / "train.yaml"], overrides | {"prepare#on_error": "exclude"})
    path = tmp_path / "data/datalist.json"
    runs.prepare(settings, read_datalist(path), path, tmp_path / "prepared", Place(None, 1, chunk=5))
    (table,) = (tmp_path / "prepared").glob("datalist-????????.excluded.csv")
    with table.open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["image", "training-3.png", "test-0.png"]
    # A datalist of the same name in another folder has a table of its own.
    whole = read_datalist(world.datalist)
    one = replace(whole, sections={"test": whole.sections["test"][:1]})
    runs.prepare(settings, one, world.datalist, tmp_path / "prepared", Place(None, 1))
    tables = {len(each.read_text().splitlines()) for each in (tmp_path / "prepared").glob("datalist-*.excluded.csv")}
    assert tables == {1, 3}  # the header, and of the first one two files
