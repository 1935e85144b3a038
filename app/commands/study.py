"""``frugal study``: train a bundle many times as a study file says, and report what the differences made."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.sweeps.cell_run import CellRun
    from app.sweeps.cost import Cost
    from app.sweeps.runner import Launcher


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "study",
        help="train a bundle many times as a study file says: factors, cells, seeds",
        description="Run every cell of a study file with every seed, each in an output folder and MLflow run of its "
        "own. Write a table of means with intervals, the verdict on each ordering, and pictures. A cell that has run "
        "with the same settings is not run again. If the same command is started twice, the two share the work.",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the study file, in YAML, or the name of a bundle's study, such as tube_detection/grid",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for results (default: runs/studies/NAME)")
    add_running_options(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--list", action="store_true", help="list the cells and how long the rest takes, and run none")
    kind.add_argument("--table", action="store_true", help="write the tables of the cells that have run, and run none")
    parser.set_defaults(run=run)


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of where and how cells run."""
    from app.cluster import add_argument

    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes, to which the GPUs of this machine are dealt out (default: %(default)s)",
    )
    add_argument(parser)
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="only every Nth cell, from the Ith")
    parser.add_argument("--keep", action="store_true", help="keep results whose config file has changed since")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="allow a study file or config from outside of the installation to run its own code",
    )
    parser.add_argument("--no-log", action="store_true", help="log no parent run to MLflow")


def run(arguments: argparse.Namespace) -> None:
    """Run, write, log, and fail if a cell failed."""
    from app.installed import find_study
    from app.sweeps.runner import Launcher
    from app.sweeps.study_file import read_sweep

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_running_options(arguments)
    sweep = read_sweep(find_study(arguments.file), arguments.trust)
    launcher = Launcher(sweep, arguments.out or default_folder(sweep.name))
    runs = launcher.runs()
    if arguments.list:
        lines = [f"{each.state(arguments.keep):10}{each.cell.name}  {each.folder.name}\n" for each in runs]
        sys.stdout.write(f"{''.join(lines)}\n{_cost(launcher, runs, arguments).words(arguments.jobs)}\n")
        return
    if not arguments.table:
        _run_cells(launcher, runs, arguments)
    _report(launcher, runs, arguments)


def default_folder(name: str) -> Path:
    """Where the results of a study go if nothing else is asked."""
    return Path("runs/studies") / name


def shard(text: str) -> tuple[int, int]:
    """Parse ``2/3``: the second of three."""
    first, slash, count = text.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r}: I/N with I from 1 to N, such as 1/2")
    return int(first), int(count)


def _report(launcher: Launcher, runs: Sequence[CellRun], arguments: argparse.Namespace) -> None:
    """Write the results so far; log them once every cell has run."""
    from app.sweeps.outcomes import gather
    from app.sweeps.sweep_output import write_outcomes
    from app.sweeps.sweep_tables import table_markdown
    from app.sweeps.sweep_tracking import log_sweep
    from app.tracking import TrackingError

    outcomes = gather(launcher.sweep, runs, arguments.keep)
    files = write_outcomes(outcomes, launcher.folder)
    text = f"\n{table_markdown(outcomes)}\nwritten to {launcher.folder}\n"
    # A terminal that is not in UTF-8 may lack the characters of curves, or those of a name.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    if not outcomes.missing and not arguments.no_log:
        try:
            sys.stdout.write(f"{log_sweep(outcomes, launcher.folder, files)}\n")
        except TrackingError as error:
            raise ValueError(f"the tables are written, but not logged: {error}") from error
    if outcomes.failed:
        count = len(outcomes.failed)
        raise ValueError(f"{count} of {len(runs)} runs failed; see error.txt in the folder of each.")


def _cost(launcher: Launcher, runs: Sequence[CellRun], arguments: argparse.Namespace) -> Cost:
    from app.sweeps.cost import cost
    from app.sweeps.work import WorkOf

    return cost(runs, WorkOf(launcher.sweep, launcher.data), arguments.keep)


def check_running_options(arguments: argparse.Namespace) -> None:
    """Raise ValueError if options of `add_running_options` are out of range, or do not go together."""
    if arguments.jobs < 1:
        raise ValueError(f"--jobs {arguments.jobs}: must be 1 or more.")
    if arguments.on and (arguments.jobs > 1 or arguments.shard != (1, 1)):
        raise ValueError("--on: the cluster divides the cells itself; leave out --jobs and --shard.")


def _run_cells(launcher: Launcher, runs: Sequence[CellRun], arguments: argparse.Namespace) -> None:
    """Run what has not run: on a cluster, in processes of this machine, or in this one."""
    from app.cluster.shares import deal, visible_devices
    from app.files.lease import refuse_if_leased
    from app.sweeps.cell_settings import require_settings
    from app.sweeps.in_processes import run_in_processes
    from app.sweeps.resources import processes
    from app.sweeps.runner import run_all
    from app.sweeps.runner import shard as shard_of

    require_settings(launcher.sweep)
    if arguments.on:
        from app.sweeps.on_cluster import run_on_cluster

        run_on_cluster(launcher, runs, arguments.keep, arguments.on)
        return
    refuse_if_leased(launcher.folder)
    dealt = deal(visible_devices(), arguments.jobs)
    most = max(processes(run.cell.resources) for run in runs)
    fewest = min(map(len, dealt))
    if most > max(1, fewest):
        raise ValueError(f"a cell claims {most} GPUs, and a process has {fewest} of this machine's: give fewer --jobs.")
    own = shard_of(runs, *arguments.shard)
    if arguments.jobs > 1:
        logging.getLogger(__name__).info(f"{_cost(launcher, own, arguments).plan(arguments.jobs)}\n")
        run_in_processes(launcher, own, arguments.keep, arguments.jobs)
    else:
        run_all(launcher, own, arguments.keep)
