"""Runs of a study, one after the other in this process, shared with any other process that runs the same study."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.files.atomic import write_whole
from app.files.records import read_record
from app.sweeps.plan import Cell, Matrix, config_of
from app.tracking import TrackingError

logger = logging.getLogger(__name__)

RECORD = "cell.json"
ERROR = "error.txt"
RESULT = "metrics.json"
CHECKPOINTS = ("last.pt", "previous.pt", "stage_one.pt")


@dataclass(frozen=True)
class Task:
    """One run of a study: a cell with a seed or fold.

    Attributes:
        cell: its settings.
        replicate: the seed, or the number of the fold.
        folder: its output folder.
        settings: all that its result follows from, for knowing it again.
    """

    cell: Cell
    replicate: int
    folder: Path
    settings: Mapping[str, Any]

    @property
    def key(self) -> bytes:
        """What it is claimed by."""
        return hashlib.sha256(str(self.folder).encode()).digest()

    def record(self) -> dict[str, Any]:
        """What is written of its last run: ``state``, ``seconds``, ``ended``, ``error``, ``settings``; or empty."""
        try:
            return self.read(RECORD)
        except (FileNotFoundError, ValueError):
            return {}  # it has not run; `damage` tells what is wrong with its file

    def is_finished(self, keep: bool = False) -> bool:
        """Whether its result is there and of these settings; ``keep`` leaves changes of the config file aside."""
        record = self.record()
        if record.get("state") != "finished" or not self._is_of_these_settings(record, keep):
            return False
        return (self.folder / RESULT).is_file() and not self.damage()

    def read(self, name: str) -> dict[str, Any]:
        """What a JSON file that its run left holds.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged.
        """
        return read_record(self.folder / name, "what the run of a cell leaves", "This cell has to run again.")

    def damage(self) -> str:
        """What is wrong with the files of its last run, so that it has to run again; empty where nothing is."""
        for name in (RECORD, RESULT):
            try:
                self.read(name)
            except FileNotFoundError:
                continue
            except ValueError as error:
                return str(error)
        return ""

    def is_interrupted(self) -> bool:
        """Whether it was begun with these settings and ended without a word: stopped by hand, or its process killed."""
        record = self.record()
        return record.get("state") == "begun" and self._is_of_these_settings(record, False)

    def _is_of_these_settings(self, record: Mapping[str, Any], keep: bool) -> bool:
        old, new = record.get("settings", {}), json.loads(json.dumps(dict(self.settings), default=str))
        return bool(old == new or (keep and {**old, "config": ""} == {**new, "config": ""}))

    def write(self, state: str, seconds: float, error: str = "") -> None:
        """Write how its run ended."""
        content = {"state": state, "seconds": seconds, "ended": time.time(), "error": error, "settings": self.settings}
        write_whole(self.folder / RECORD, json.dumps(content, indent=1, default=str) + "\n")


class Launcher:
    """Runs cells as ``python -m monai.bundle run`` would.

    Args:
        matrix: the study.
        folder: of the study; made where missing.
    """

    def __init__(self, matrix: Matrix, folder: Path) -> None:
        self.matrix = matrix
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config = config_of(matrix.bundle)
        self.config = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self.known = frozenset(config)
        self.data = None
        if matrix.base:
            from app.sweeps.datalists import CellData

            overrides = matrix.cells[0].overrides
            self.data = CellData(matrix, folder, Path(overrides.get("dataset_dir", config.get("dataset_dir", "data"))))

    def tasks(self) -> list[Task]:
        """All runs, each cell once before any cell a second time, so that a picture of the whole comes early."""
        return [self._task(cell, replicate) for replicate in self.matrix.replicates for cell in self.matrix.cells]

    def launch(self, task: Task, is_interrupted: bool) -> None:
        """Run one cell.

        Args:
            task: the run.
            is_interrupted: whether it was begun before with these settings: then it is resumed, where its config can.

        Raises:
            Exception: whatever its training raises.
        """
        from monai.bundle import run

        files = list(self.matrix.bundle)
        overrides = dict(task.cell.overrides)
        overrides |= {"output_dir": str(task.folder), "seed": self._seed(task.replicate)}
        if self.matrix.trust:
            overrides["trust"] = True
        if is_interrupted and "resume" in self.known and "resume" not in overrides:
            overrides["resume"] = True
        if self.data is not None:
            overrides["datalist"] = str(self.data.datalist(task.cell.data, task.replicate))
        run(run_id=self.matrix.run, config_file=files[0] if len(files) == 1 else files, **overrides)

    def _task(self, cell: Cell, replicate: int) -> Task:
        settings: dict[str, Any] = {
            "bundle": list(self.matrix.bundle),
            "config": self.config,
            "run": self.matrix.run,
            "overrides": dict(cell.overrides),
            "seed": self._seed(replicate),
            "data": self.data.what(cell.data, replicate) if self.data is not None else None,
        }
        place = self.folder / "cells" / cell.name / f"{self.matrix.replicate_word}-{replicate}"
        return Task(cell, replicate, place, settings)

    def _seed(self, replicate: int) -> int:
        return replicate if self.matrix.folds is None else self.matrix.folds.seed


def run_tasks(launcher: Launcher, tasks: Sequence[Task], keep: bool = False) -> None:
    """Run what has not run, skipping what other processes are at; a failing run is recorded and the others go on.

    Args:
        launcher: of the study.
        tasks: those that this process may take.
        keep: whether a result counts whose config file has changed since.

    Raises:
        KeyboardInterrupt: and SystemExit (SIGTERM) end the study at once; what has run stays.
    """
    from app.files.claims import Claims

    started = time.time()
    claims = Claims(launcher.folder)
    try:
        for number, task in enumerate(tasks, start=1):
            if _is_settled(task, keep, started):
                continue
            if not claims.take(task.key):
                logger.info(f"{_title(task, number, tasks)}: another process is at it")
                continue
            try:
                # Another process may have ended it between the look and the claim.
                if not _is_settled(task, keep, started):
                    logger.info(f"\n{_title(task, number, tasks)}{_left(tasks, keep, started)}")
                    _run(launcher, task)
            finally:
                claims.give_back(task.key)
    finally:
        claims.close()


def _is_settled(task: Task, keep: bool, started: float) -> bool:
    """Finished, or failed since this process began: that would only fail again."""
    record = task.record()
    return task.is_finished(keep) or (record.get("state") == "failed" and record.get("ended", 0) >= started)


def _run(launcher: Launcher, task: Task) -> None:
    task.folder.mkdir(parents=True, exist_ok=True)
    is_interrupted, damage = task.is_interrupted(), task.damage()
    if damage:
        logger.warning(damage)
    for name in (RESULT, ERROR):
        (task.folder / name).unlink(missing_ok=True)
    task.write("begun", 0.0)
    begun = time.monotonic()
    try:
        launcher.launch(task, is_interrupted)
        if not (task.folder / RESULT).is_file():
            raise FileNotFoundError(f"{task.folder / RESULT}: the run id {launcher.matrix.run!r} left no result")
    except Exception as error:
        write_whole(task.folder / ERROR, traceback.format_exc())
        cause = _first_cause(error)
        task.write("failed", time.monotonic() - begun, cause)
        logger.error(f"{task.cell.name}, {launcher.matrix.replicate_word} {task.replicate} failed: {cause}")
    else:
        task.write("finished", time.monotonic() - begun)
        # Only for going on where a training was killed, and several times as large as the model: dozens fill a disk.
        for name in CHECKPOINTS:
            (task.folder / name).unlink(missing_ok=True)
        _tag(launcher.matrix, task)
    finally:
        # Engines and their handlers refer to each other in circles: without this, every cell's memory would stay.
        gc.collect()


def _first_cause(error: BaseException) -> str:
    """What went wrong: MONAI wraps it in the names of the expressions that were being evaluated."""
    from app.engines.failures import meant

    error = meant(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _tag(matrix: Matrix, task: Task) -> None:
    """Say in the run which cell it is. That the store is away now must not fail a cell that has run."""
    from app.tracking.stored import run_of_folder

    try:
        run = run_of_folder(task.folder)
        if run is not None:
            tags = {"study": matrix.name, "cell": task.cell.name, "replicate": str(task.replicate)}
            run.add({}, {f"frugal.{name}": value for name, value in tags.items()})
    except TrackingError as error:
        logger.warning(f"{task.folder}: the run could not be tagged with its study: {error}")


def _title(task: Task, number: int, tasks: Sequence[Task]) -> str:
    return f"cell {number} of {len(tasks)}: {task.cell.name}, {task.folder.name.replace('-', ' ')}"


def _left(tasks: Sequence[Task], keep: bool, started: float) -> str:
    """About how long the rest takes, at the pace of all processes since this one began."""
    ended = [task.record().get("ended", 0) for task in tasks]
    done = sum(end >= started for end in ended)
    if not done:
        return ""
    left = sum(not _is_settled(task, keep, started) for task in tasks)
    minutes = (time.time() - started) / done * left / 60
    return f" (about {minutes:.0f} minutes left)" if minutes >= 1 else " (less than a minute left)"
