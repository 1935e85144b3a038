"""``frugal study``: run a bundle many times by plan, and tell what the differences in settings and data made."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.sweeps.runner import Launcher, Task


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "study",
        help="run a bundle many times by plan: factors, cells, seeds",
        description="Run every cell of a study with every seed, each in an output folder and MLflow run of its own, "
        "and write a table of means with intervals, the verdict on the study's orderings, and pictures. What has run "
        "with the same settings is not run again. The same command started twice shares the work.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the study, a YAML file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="its folder (default: runs/studies/NAME)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="only every Nth cell, from the Ith")
    parser.add_argument("--keep", action="store_true", help="keep results whose config file has changed since")
    parser.add_argument(
        "--trust", action="store_true", help="allow a study or config from outside of bundles/ to run code of its own"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--list", action="store_true", help="show the cells, and run none")
    kind.add_argument("--table", action="store_true", help="write the tables from what has run, and run none")
    parser.add_argument("--no-log", action="store_true", help="log no parent run to MLflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run, write, log, and fail where a cell failed."""
    import logging

    from app.sweeps.plan import read_matrix
    from app.sweeps.runner import Launcher, run_tasks

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.jobs < 1:
        raise ValueError(f"--jobs {arguments.jobs}: must be 1 or more.")
    matrix = read_matrix(arguments.file, arguments.trust)
    launcher = Launcher(matrix, arguments.out or Path("runs/studies") / matrix.name)
    tasks = launcher.tasks()
    if arguments.list:
        sys.stdout.write("".join(f"{_state(task, arguments.keep):10}{_name(task)}\n" for task in tasks))
        return
    if not arguments.table:
        first, step = arguments.shard
        if arguments.jobs > 1:
            _run_in_processes(arguments)
        else:
            run_tasks(launcher, tasks[first - 1 :: step], arguments.keep)
    _report(launcher, tasks, arguments)


def shard(text: str) -> tuple[int, int]:
    """``2/3``: the second of three."""
    first, slash, count = text.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r}: I/N with I from 1 to N, such as 1/2")
    return int(first), int(count)


def _report(launcher: Launcher, tasks: Sequence[Task], arguments: argparse.Namespace) -> None:
    """Write what there is; the process that ends the last cell of all logs it."""
    from app.sweeps.output import log_study, write_results
    from app.sweeps.table import gather, table_markdown
    from app.tracking import TrackingError

    results = gather(launcher.matrix, tasks, arguments.keep)
    files = write_results(results, launcher.folder)
    sys.stdout.write(f"\n{table_markdown(results)}\nwritten to {launcher.folder}\n")
    if not results.missing and not arguments.no_log:
        try:
            sys.stdout.write(f"{log_study(results, launcher.folder, files)}\n")
        except TrackingError as error:
            raise ValueError(f"the tables are written, but not logged: {error}") from error
    if results.failed:
        count = len(results.failed)
        raise ValueError(f"{count} of {len(tasks)} runs failed; see error.txt in the folder of each.")


def _run_in_processes(arguments: argparse.Namespace) -> None:
    """The same command so many times, each with its share of the processors; each takes the next free cell.

    Raises:
        ValueError: a process died; what had failed in its cells is reported by the caller.
    """
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    command = [sys.executable, "-m", "app", "study", str(arguments.file), "--no-log"]
    command += ["--shard", "/".join(map(str, arguments.shard))]
    command += ["--out", str(arguments.out)] if arguments.out else []
    command += ["--keep"] if arguments.keep else []
    command += ["--trust"] if arguments.trust else []
    workers = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(arguments.jobs)]
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait()
    if any(code not in (0, 1) for code in codes):
        raise ValueError(f"a process of the study died (exit statuses {', '.join(map(str, codes))}); start it again.")


def _state(task: Task, keep: bool) -> str:
    return (
        "finished"
        if task.is_finished(keep)
        else str(task.record().get("state", "to run")).replace("finished", "changed")
    )


def _name(task: Task) -> str:
    return f"{task.cell.name}  {task.folder.name}"
