"""Running a sweep: its runs one after the other in this process, shared with other processes of the same sweep."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.checking.files import load
from app.files.atomic import write_whole
from app.files.claims import Claims
from app.sweeps.cell_run import RESULT, CellRun
from app.sweeps.sweep import Cell, Sweep
from app.sweeps.sweep_tracking import tag_cell_run
from app.workflows.running import start

logger = logging.getLogger(__name__)

ERROR = "error.txt"
PICTURES = "pictures"
"""A setting that does not change a cell's result: a cell that has run is not run again for its pictures."""
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
        self.data = None
        if sweep.base:
            from app.sweeps.cell_data import CellData

            dataset_dir = sweep.cells[0].overrides.get("dataset_dir", config.get("dataset_dir", "data"))
            self.data = CellData(sweep, folder, Path(str(dataset_dir)))

    def runs(self) -> list[CellRun]:
        """All runs, ordered by seed or fold, so that a first picture of all cells comes early."""
        return [self._run(cell, replicate) for replicate in self.sweep.replicates for cell in self.sweep.cells]

    def launch(self, run: CellRun, is_interrupted: bool) -> None:
        """Train and evaluate one cell.

        Args:
            run: The run.
            is_interrupted: Whether it began before with these settings; it is resumed if its config has ``resume``.

        Raises:
            Exception: Whatever the training raises.
        """
        files = self.sweep.configs
        overrides = dict(run.cell.overrides)
        overrides |= {"output_dir": str(run.folder), "seed": self.sweep.seed_of(run.replicate)}
        overrides["run_name"] = f"{self.sweep.name} {run.title}"
        if self.sweep.trust:
            overrides["trust"] = True
        if is_interrupted and self.can_resume:
            overrides.setdefault("resume", True)
        if self.data is not None:
            overrides["datalist"] = str(self.data.datalist(run.cell.data, run.replicate))
        start(files, self.sweep.run_id, overrides)

    def _run(self, cell: Cell, replicate: int) -> CellRun:
        settings: dict[str, Any] = {
            "bundle": list(self.sweep.bundle),
            "config": self.config_digest,
            "run": self.sweep.run_id,
            "overrides": {name: value for name, value in cell.overrides.items() if name != PICTURES},
            "seed": self.sweep.seed_of(replicate),
            "data": self.data.settings(cell.data, replicate) if self.data is not None else None,
        }
        folder = self.folder / "cells" / cell.name / f"{self.sweep.replicate_word}-{replicate}"
        datalist = self.data.path(cell.data, replicate) if self.data is not None else None
        return CellRun(cell, replicate, folder, settings, datalist)


def run_all(launcher: Launcher, runs: Sequence[CellRun], keep: bool = False) -> None:
    """Run what has not finished and no other process is running. A failure is recorded and the others go on.

    Args:
        launcher: Of the sweep.
        runs: The runs that this process may take.
        keep: Whether a result counts if its config file has changed since.

    Raises:
        KeyboardInterrupt: And SystemExit (SIGTERM) end the sweep at once; finished runs stay.
    """
    started = time.time()
    claims = Claims(launcher.folder)
    try:
        for number, run in enumerate(runs, start=1):
            title, key = f"cell {number} of {len(runs)}: {run.title}", _key(run)
            if _is_settled(run, keep, started):
                continue
            if not claims.take(key):
                logger.info(f"{title}: another process is running it")
                continue
            try:
                # Another process may have finished it just before the claim.
                if not _is_settled(run, keep, started):
                    logger.info(f"\n{title}{_time_left(runs, keep, started)}")
                    _run(launcher, run)
            finally:
                claims.give_back(key)
    finally:
        claims.close()


def _key(run: CellRun) -> bytes:
    return hashlib.sha256(str(run.folder).encode()).digest()


def _is_settled(run: CellRun, keep: bool, started: float) -> bool:
    """Whether it has finished, or failed since this process started: it would only fail again."""
    record = run.record()
    return run.is_finished(keep) or (record.get("state") == "failed" and record.get("ended", 0) >= started)


def _run(launcher: Launcher, run: CellRun) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    is_interrupted, damage = run.is_interrupted(), run.damage()
    if damage:
        logger.warning(damage)
    for name in (RESULT, ERROR):
        (run.folder / name).unlink(missing_ok=True)
    run.write("begun", 0.0)
    begun = time.monotonic()
    try:
        launcher.launch(run, is_interrupted)
        if not (run.folder / RESULT).is_file():
            raise FileNotFoundError(f"{run.folder / RESULT}: the run id {launcher.sweep.run_id!r} left no result")
    except Exception as error:
        write_whole(run.folder / ERROR, traceback.format_exc())
        cause = _cause(error)
        run.write("failed", time.monotonic() - begun, cause)
        logger.error(f"{run.title} failed: {cause}")
    else:
        run.write("finished", time.monotonic() - begun)
        # They serve resuming alone and are several times as large as the model: dozens of them fill a disk.
        for name in CHECKPOINTS:
            (run.folder / name).unlink(missing_ok=True)
        tag_cell_run(run, launcher.sweep.name)
    finally:
        # Engines and handlers refer to each other in circles: without this, the memory of every cell would stay.
        gc.collect()


def _cause(error: BaseException) -> str:
    """The first error in a line; MONAI wraps it in the expressions that were being evaluated."""
    from app.failures import meant

    error = meant(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _time_left(runs: Sequence[CellRun], keep: bool, started: float) -> str:
    """Roughly how long the rest takes, at the pace of all processes since this one started."""
    ended = sum(run.record().get("ended", 0) >= started for run in runs)
    if not ended:
        return ""
    left = sum(not _is_settled(run, keep, started) for run in runs)
    minutes = (time.time() - started) / ended * left / 60
    return f" (about {minutes:.0f} minutes left)" if minutes >= 1 else " (less than a minute left)"
