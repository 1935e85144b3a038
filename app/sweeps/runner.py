"""Running a sweep: its runs one after the other in this process, shared with other processes of the same sweep."""

from __future__ import annotations

import copy
import dataclasses
import gc
import hashlib
import itertools
import json
import logging
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.checking.files import load
from app.cluster import node_name
from app.cluster.kinds import STORAGE, TRIES_AGAIN, kind_of
from app.cluster.shares import visible_devices
from app.cluster.tasks import STORAGE_DELAY
from app.files.atomic import write_whole
from app.files.claims import Claims
from app.sweeps.cell_files import CellFile, cell_files, runs_once, with_paths
from app.sweeps.cell_run import RESULT, CellRun
from app.sweeps.cost import TimeLeft
from app.sweeps.resources import processes
from app.sweeps.sweep import Cell, Sweep, cell_name
from app.sweeps.sweep_tracking import tag_cell_run
from app.sweeps.work import WorkOf
from app.workflows.several_processes import start_in_processes

if TYPE_CHECKING:
    from app.sweeps.cell_data import CellData

logger = logging.getLogger(__name__)

ERROR = "error.txt"
PICTURES = "pictures"
"""A setting that does not change a cell's result: a cell that has run is not run again for its pictures."""
WAIT = 1.0
"""Seconds between looks at what other processes have finished."""
CHECKPOINTS = ("last.pt", "previous.pt", "stage_one.pt")


class Launcher:
    """Launches the runs of a sweep as ``python -m monai.bundle run`` would.

    Args:
        sweep: The sweep.
        folder: Its folder; made if missing.
    """

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep = sweep
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config = load(sweep.configs, trust=True).config
        self.config_digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self.can_resume = "resume" in config
        self.data: CellData | None = None
        if any(map(sweep.base_of, sweep.cells)):
            from app.sweeps.cell_data import CellData

            dataset_dir = sweep.cells[0].overrides.get("dataset_dir", config.get("dataset_dir", "data"))
            self.data = CellData(sweep, folder, Path(str(dataset_dir)))

    def runs(self) -> list[CellRun]:
        """All runs, ordered by seed or fold, so that a first picture of all cells comes early.

        A run comes after those that it needs.
        """
        cells = {cell.name: cell for cell in self.sweep.cells}
        runs: dict[tuple[str, int], CellRun] = {}

        def add(cell: Cell, replicate: int) -> CellRun:
            replicate = self.sweep.replicates[0] if runs_once(cell) else replicate
            if (cell.name, replicate) not in runs:
                needs = tuple(
                    add(cells[cell_name(file.values)], each)
                    for file in cell_files(cell)
                    for each in (self.sweep.replicates if file.of_every_seed else (replicate,))
                )
                runs[cell.name, replicate] = self._run(cell, replicate, needs)
            return runs[cell.name, replicate]

        for replicate, cell in itertools.product(self.sweep.replicates, self.sweep.cells):
            add(cell, replicate)
        return list(runs.values())

    def of(self, run: CellRun) -> Launcher:
        """The launcher of one run: small enough to be sent to another machine, whatever the size of the sweep."""
        only = copy.copy(self)
        only.sweep = dataclasses.replace(self.sweep, cells=(run.cell,))
        only.data = None if self.data is None else self.data.of(only.sweep)
        return only

    def launch(self, run: CellRun, is_interrupted: bool) -> None:
        """Train and evaluate one cell.

        Args:
            run: The run.
            is_interrupted: Whether it began before with these settings; it is resumed if its config has ``resume``.

        Raises:
            Exception: Whatever the training raises.
        """
        files = self.sweep.configs
        overrides = {
            key: with_paths(value, lambda file: _paths(file, run)) for key, value in run.cell.overrides.items()
        }
        overrides |= {"output_dir": str(run.folder), "seed": self.sweep.seed_of(run.replicate)}
        overrides["run_name"] = f"{self.sweep.name} {run.title}"
        if self.sweep.trust:
            overrides["trust"] = True
        if is_interrupted and self.can_resume:
            overrides.setdefault("resume", True)
        data = self._data_of(run.cell)
        if data is not None:
            overrides["datalist"] = str(data.datalist(run.cell, run.replicate))
        try:
            start_in_processes(processes(run.cell.resources), files, run.cell.run_id or self.sweep.run_id, overrides)
        finally:
            # Engines and handlers refer to each other in circles: without this, the memory of every cell would stay.
            gc.collect()

    def _data_of(self, cell: Cell) -> CellData | None:
        """What makes the cell's datalist; None if its config names one."""
        return self.data if self.sweep.base_of(cell) else None

    def _run(self, cell: Cell, replicate: int, needs: tuple[CellRun, ...]) -> CellRun:
        data = self._data_of(cell)
        settings: dict[str, Any] = {
            "bundle": list(self.sweep.bundle),
            "config": self.config_digest,
            "run": cell.run_id or self.sweep.run_id,
            "overrides": {name: value for name, value in cell.overrides.items() if name != PICTURES},
            "seed": self.sweep.seed_of(replicate),
            "data": data.settings(cell, replicate) if data is not None else None,
        }
        if needs:
            settings["needs"] = [each.settings for each in needs]
        folder = self.folder / "cells" / cell.name / f"{self.sweep.replicate_word}-{replicate}"
        datalist = data.path(cell, replicate) if data is not None else None
        return CellRun(cell, replicate, folder, settings, datalist, needs)


def run_all(launcher: Launcher, runs: Sequence[CellRun], keep: bool = False, jobs: int = 1) -> None:
    """Run what has not finished and no other process is running. A failure is recorded and the others go on.

    Args:
        launcher: Of the sweep.
        runs: The runs that this process may take.
        keep: Whether a result counts if its config file has changed since.
        jobs: How many processes share these runs, for the time that is left.

    Raises:
        KeyboardInterrupt: And SystemExit (SIGTERM) end the sweep at once; finished runs stay.
    """
    started = time.time()
    left = TimeLeft(runs, WorkOf(launcher.sweep, launcher.data), keep, jobs)
    claims = Claims(launcher.folder)
    needed = {need.folder for run in runs for need in run.needs}
    running_elsewhere: set[str] = set()
    waiting = {f"cell {number} of {len(runs)}: {run.title}": run for number, run in enumerate(runs, start=1)}
    try:
        while waiting:
            later = {}
            for title, run in waiting.items():
                if _is_settled(run, keep, started):
                    continue
                if any(not need.is_finished(keep) for need in run.needs):
                    if is_blocked(run, keep, started):
                        logger.warning(f"{title}: not run, since a cell that it needs failed")
                    else:
                        later[title] = run
                elif not claims.take(run.key):
                    if title not in running_elsewhere:
                        logger.info(f"{title}: another process is running it")
                    running_elsewhere.add(title)
                    if run.folder in needed:
                        later[title] = run  # that process may die
                else:
                    try:
                        # Another process may have finished it just before the claim.
                        if not _is_settled(run, keep, started):
                            logger.info(left.before(title))
                            _run(launcher, run)
                    finally:
                        claims.give_back(run.key)
            if len(later) == len(waiting):
                time.sleep(WAIT)  # another process runs what they need
            waiting = later
    finally:
        claims.close()


def shard(runs: Sequence[CellRun], first: int, count: int) -> list[CellRun]:
    """Every ``count``-th run from the ``first``, each with the runs that it needs and that need it."""
    groups: list[list[CellRun]] = []
    for run in runs:
        joined = [group for group in groups if any(need in group for need in run.needs)]
        groups = [group for group in groups if group not in joined] + [[*itertools.chain(*joined), run]]
    return list(itertools.chain(*groups[first - 1 :: count]))


def _paths(file: CellFile, run: CellRun) -> str | list[str]:
    """The path of a file that another run leaves, or the list of those of all seeds."""
    paths = [str(each.folder / file.name) for each in run.needs if each.cell.values == file.values]
    return paths if file.of_every_seed else paths[0]


def _is_settled(run: CellRun, keep: bool, started: float) -> bool:
    """Whether it has finished, or failed since this process started: it would only fail again."""
    record = run.record()
    return run.is_finished(keep) or (record.get("state") == "failed" and record.get("ended", 0) >= started)


def _run(launcher: Launcher, run: CellRun) -> None:
    """Run a cell, again if its storage was out of reach for a moment; another failure is recorded and logged."""
    for left in reversed(range(1 + TRIES_AGAIN[STORAGE])):
        try:
            attempt(launcher, run)
        except Exception as error:
            if left and kind_of(error) == STORAGE:
                logger.warning(f"{run.title}: {_cause(error)}; trying again")
                time.sleep(STORAGE_DELAY)
                continue
            logger.error(f"{run.title} failed: {_cause(error)}")
        return


def attempt(launcher: Launcher, run: CellRun) -> None:
    """Run a cell once, and record how it ended, where, and on which attempt since it began anew.

    Raises:
        Exception: Whatever the training raises; it is recorded, with its traceback in ``error.txt``.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    is_interrupted, damage = run.is_interrupted(), run.damage()
    if damage:
        logger.warning(damage)
    attempts = 1 + (int(run.record().get("attempts", 1)) if is_interrupted else 0)
    about = {"node": node_name(), "devices": list(visible_devices()), "attempts": attempts}
    for name in (RESULT, ERROR):
        (run.folder / name).unlink(missing_ok=True)
    run.write("begun", 0.0, about)
    begun = time.monotonic()
    try:
        launcher.launch(run, is_interrupted)
        if not (run.folder / RESULT).is_file():
            raise FileNotFoundError(f"{run.folder / RESULT}: the run id {launcher.sweep.run_id!r} left no result")
    except Exception as error:
        write_whole(run.folder / ERROR, traceback.format_exc())
        about |= {"error": _cause(error), "kind": kind_of(error)}
        run.write("failed", time.monotonic() - begun, about)
        raise
    else:
        run.write("finished", time.monotonic() - begun, about)
        # They serve resuming alone and are several times as large as the model: dozens of them fill a disk.
        for name in CHECKPOINTS:
            (run.folder / name).unlink(missing_ok=True)
        tag_cell_run(run, launcher.sweep.name)


def _cause(error: BaseException) -> str:
    """The first error in a line; MONAI wraps it in the expressions that were being evaluated."""
    from app.failures import meant

    error = meant(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def is_blocked(run: CellRun, keep: bool, started: float) -> bool:
    """Whether it can never start, because a run that it needs has failed since this process started."""
    return any(
        not need.is_finished(keep) and (_is_settled(need, keep, started) or is_blocked(need, keep, started))
        for need in run.needs
    )
