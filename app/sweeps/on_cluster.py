"""Running a sweep on Ray: this process hands out the cells, each runs in a process of its own on some node."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from app.cluster import Cluster, Outcome, Resources, Task, connected
from app.files.atomic import write_whole
from app.files.claims import Claims
from app.files.lease import Lease
from app.sweeps.cell_run import CellRun
from app.sweeps.cost import cost
from app.sweeps.resources import claim
from app.sweeps.runner import ERROR, Launcher, attempt, is_blocked
from app.sweeps.work import WorkOf

LOG = "log.txt"
PRELOAD = ("monai.bundle", "mlflow", "app.engines", "app.sweeps.on_cluster")
"""What each cell needs, imported once beside each worker."""
LET_GO_SECONDS = 30.0
"""How long a cell waits for its last attempt, whose process is ending on another machine."""

logger = logging.getLogger(__name__)


def run_on_cluster(launcher: Launcher, runs: Sequence[CellRun], keep: bool, place: str) -> None:
    """Run what has not finished on a cluster. A failure is recorded and the others go on.

    One process at a time hands out the cells of a sweep, so that none runs twice.

    Args:
        launcher: Of the sweep, whose folder all nodes see.
        runs: All runs.
        keep: Whether a result counts if its config file has changed since.
        place: See ``app.cluster.connected``.

    Raises:
        ValueError: The cluster cannot be used, cannot meet a claim, or another process hands out these cells.
        KeyboardInterrupt: And SystemExit (SIGTERM) end the sweep; its cells end in order, and go on from their
            checkpoints at the next start.
    """
    waiting = [run for run in runs if not run.is_finished(keep)]
    if not waiting:
        return
    with Lease(launcher.folder) as lease, connected(place, [launcher.folder]) as cluster:
        has_gpus = any(node.has.gpus for node in cluster.nodes())
        _check(cluster, {claim(run.cell.resources, has_gpus) for run in waiting})
        if launcher.data is not None:
            launcher.data.read_bases()
        logger.info(f"{len(waiting)} of {len(runs)} cells to run on {len(cluster.nodes())} node(s)")
        started, work_of = time.monotonic(), WorkOf(launcher.sweep, launcher.data)
        slots = cluster.slots(claim(waiting[0].cell.resources, has_gpus))
        logger.info(cost(runs, work_of, keep).plan(slots))
        tasks = _tasks(launcher, waiting, keep, has_gpus)
        for number, outcome in enumerate(cluster.run(tasks, PRELOAD), start=1):
            _note(outcome, keep)
            left = (time.monotonic() - started) / number * (len(waiting) - number) / 60
            logger.info(f"{number} of {len(waiting)} ended (about {left:.0f} minutes left)")
            if number == 1:
                logger.info(cost(runs, work_of, keep).plan(slots))
            if not lease.is_held():
                raise ValueError(f"{lease.path}: another process has taken over while this one did not answer.")


def _check(cluster: Cluster, claims: Iterable[Resources]) -> None:
    """Refuse claims that no node can meet, and warn of a store that cannot be shared."""
    for each in claims:
        cluster.require(each)
    if len({node.host for node in cluster.nodes()}) > 1 and not os.environ.get("MLFLOW_TRACKING_URI"):
        logger.warning(
            "cells run on several machines: set MLFLOW_TRACKING_URI to a server; a file is no store for them"
        )


def run_cell(launcher: Launcher, run: CellRun, keep: bool) -> None:
    """Run a cell in this process, on a node; what it prints goes to ``log.txt`` in its folder.

    Raises:
        Exception: Whatever the training raises.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / LOG, "ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    claims = Claims(launcher.folder)
    until = time.monotonic() + LET_GO_SECONDS
    try:
        while not (is_ours := claims.take(run.key)) and time.monotonic() < until:
            time.sleep(1)
        # The last attempt may have finished it, and died before it could say so.
        if is_ours and not run.is_finished(keep):
            attempt(launcher, run)
    finally:
        claims.close()


def _tasks(launcher: Launcher, runs: Sequence[CellRun], keep: bool, has_gpus: bool) -> Iterator[Task | None]:
    """Each run, once those that it needs have finished; None while there is none to start."""
    started, waiting = time.time(), list(runs)
    while waiting:
        for run in [run for run in waiting if is_blocked(run, keep, started)]:
            logger.warning(f"{run.title}: not run, since a cell that it needs failed")
            waiting.remove(run)
        ready = next((run for run in waiting if all(need.is_finished(keep) for need in run.needs)), None)
        if ready is None:
            yield None
            continue
        waiting.remove(ready)
        claimed = claim(ready.cell.resources, has_gpus)
        yield Task(ready.title, run_cell, (launcher.of(ready), ready, keep), claimed)


def _note(outcome: Outcome, keep: bool) -> None:
    """Log how a cell ended; record its failure if its process could not do so itself."""
    run: CellRun = outcome.task.arguments[1]
    record = run.record()
    if outcome.error and record.get("state") != "failed":
        write_whole(run.folder / ERROR, f"{outcome.error}, on attempt {outcome.attempts}\n")
        about: dict[str, object] = {name: record[name] for name in ("node", "devices", "attempts") if name in record}
        run.write("failed", 0.0, {**about, "error": outcome.error, "kind": outcome.kind})
    if outcome.error:
        logger.error(f"{run.title} failed: {outcome.error}")
    elif run.is_finished(keep):
        logger.info(f"{run.title} finished on {outcome.node}")
    else:
        logger.info(f"{run.title}: another process is running it")
