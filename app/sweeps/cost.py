"""What a sweep costs: seconds of the runs to come, scaled from those that have run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.pages.numbers import counted
from app.sweeps.cell_run import CellRun
from app.sweeps.curves import read_curve
from app.sweeps.work import Work

STOP = "Ctrl-C ends the study; the same command goes on where it was."


@dataclass(frozen=True)
class Cost:
    """The runs of a sweep and their seconds.

    Attributes:
        total: How many runs there are.
        finished: How many have finished.
        spent: Seconds that those took.
        left: Estimated seconds of each of the others, by its folder; empty if none has finished.
    """

    total: int
    finished: int
    spent: float
    left: Mapping[Path, float]

    def seconds(self, processes: int = 1) -> float:
        """How long the rest takes: no less than its longest run, and no process has more than its share."""
        return max([sum(self.left.values()) / processes, *self.left.values()], default=0.0)

    def words(self, processes: int = 1, now: datetime | None = None) -> str:
        """The plan in a sentence or two.

        Args:
            processes: Runs at a time.
            now: To say when the rest has run; None to say only how long.
        """
        to_run = self.total - self.finished
        if not to_run:
            return f"{counted(self.total, 'run')}, all finished, in {duration(self.spent)}."
        if not self.finished:
            return f"{counted(self.total, 'run')}. How long they take can be told when the first one has finished."
        seconds = self.seconds(processes)
        end = f", until {now + timedelta(seconds=seconds):%a %H:%M}" if now else ""
        at_once = f" with {processes} at a time" if processes > 1 else ""
        others = "The other takes" if to_run == 1 else f"The other {to_run:,} take"
        return (
            f"{self.finished:,} of {counted(self.total, 'run')} finished, in {duration(self.spent)}. "
            f"{others} about {duration(seconds)}{at_once}{end}."
        )

    def plan(self, processes: int = 1) -> str:
        """The same with the time of day, and how to stop; before a study goes on."""
        stop = f" {STOP}" if self.left else ""
        return f"{self.words(processes, datetime.now().astimezone())}{stop}"


def cost(runs: Sequence[CellRun], work_of: Callable[[CellRun], Work], keep: bool = False) -> Cost:
    """Estimate the runs that have not finished.

    A run takes as long as those of the same cell with other seeds, if any has finished. Otherwise its epochs are
    scaled by images, epochs and pixels from all trainings that have finished, and what a training does beside (reading
    the data, evaluating, logging) takes as long as in the median of them; a run that only evaluates does nothing else.
    Trainings that stopped early count with the epochs that were planned: others will stop as early on average.

    Args:
        runs: All runs of the sweep.
        work_of: What is to be done in a run; no epochs if it only evaluates. Called if it is needed.
        keep: Whether a result counts if its config file has changed since.
    """
    done = [run for run in runs if run.is_finished(keep)]
    seconds = {run.folder: float(run.record()["seconds"]) for run in done}
    by_cell: dict[str, list[float]] = {}
    for run in done:
        by_cell.setdefault(run.cell.name, []).append(seconds[run.folder])
    to_run = [run for run in runs if run.folder not in seconds]
    left: dict[Path, float] = {}
    if done and any(run.cell.name not in by_cell for run in to_run):
        beside, pace = _pace(done, seconds, work_of)
        left = {run.folder: beside + pace * work_of(run).amount for run in to_run if run.cell.name not in by_cell}
    left |= {run.folder: statistics.mean(by_cell[run.cell.name]) for run in to_run if run.cell.name in by_cell}
    return Cost(len(runs), len(done), sum(seconds.values()), left)


def _pace(
    done: Sequence[CellRun], seconds: Mapping[Path, float], work_of: Callable[[CellRun], Work]
) -> tuple[float, float]:
    """Seconds that a run takes beside its epochs, and seconds for each amount of work."""
    beside, in_epochs, amount = [], 0.0, 0.0
    for run in done:
        work = work_of(run).amount
        # The record of a run that was resumed has only the seconds since then.
        trained = min(_in_epochs(run), seconds[run.folder]) if work else 0.0
        beside.append(seconds[run.folder] - trained)
        in_epochs, amount = in_epochs + trained, amount + work
    return statistics.median(beside), in_epochs / amount if amount else 0.0


def _in_epochs(run: CellRun) -> float:
    """Seconds of a run's epochs; infinite, that is all of its seconds, if its history is not known."""
    try:
        curve = read_curve(run)
    except ValueError:
        return math.inf  # the table will name the damaged file
    return curve.seconds if curve else math.inf


class TimeLeft:
    """Says before each run how long the rest takes: in full when it can first be told, and then in a few words.

    One of several processes leaves the full words to the process that started them.

    Args:
        runs: Those that this process may take.
        work_of: See `cost`.
        keep: See `cost`.
        jobs: How many processes share the runs.
    """

    def __init__(
        self, runs: Sequence[CellRun], work_of: Callable[[CellRun], Work], keep: bool = False, jobs: int = 1
    ) -> None:
        self.runs = runs
        self.work_of = work_of
        self.keep = keep
        self.jobs = jobs
        self._told: bool | None = None

    def before(self, title: str) -> str:
        """What to log before the run with this title."""
        now = cost(self.runs, self.work_of, self.keep)
        is_known = bool(now.finished)
        if self.jobs > 1 or is_known == self._told:
            left = f" (about {duration(now.seconds(self.jobs))} left)" if is_known else ""
            return f"\n{title}{left}"
        self._told = is_known
        return f"\n{now.plan()}\n\n{title}"


def duration(seconds: float) -> str:
    """A time in words of at most two units.

    Example:
        >>> duration(3), duration(100), duration(5000), duration(200_000)
        ('3 s', '1 min 40 s', '1 h 23 min', '55 h 33 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
