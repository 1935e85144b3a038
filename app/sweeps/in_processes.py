"""Running a sweep in several processes of this machine, each of which takes what no other has claimed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from app.cluster import Task
from app.cluster.processes import in_processes
from app.interrupts import sigterm_as_exit
from app.sweeps.cell_run import CellRun
from app.sweeps.runner import Launcher, run_all


def run_in_processes(launcher: Launcher, runs: Sequence[CellRun], keep: bool, jobs: int) -> None:
    """Run what has not finished in so many processes, to which the processors and GPUs are dealt out.

    SIGTERM and Ctrl-C end all of them. The other arguments are those of `run_all`.

    Raises:
        ValueError: A process died too often, or could not go on.
    """
    tasks = [Task(f"process {number} of {jobs}", _run, (launcher, runs, keep, jobs)) for number in range(1, jobs + 1)]
    with sigterm_as_exit():
        failed = [outcome for outcome in in_processes(tasks, jobs) if outcome.error]
    if failed:
        raise ValueError(f"{failed[0].task.name} of the study failed: {failed[0].error}; start the study again.")


def _run(launcher: Launcher, runs: Sequence[CellRun], keep: bool, jobs: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # tables of several trainings would mix
    run_all(launcher, runs, keep, jobs)
