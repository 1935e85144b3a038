"""What a sweep costs: seconds of the runs to come, scaled from those that have run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from app.pages.numbers import counted
from app.sweeps.cell_run import CellRun
from app.sweeps.curves import HISTORY, read_curve
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
    scaled by images, epochs and pixels from all trainings that have finished, and what it does after them (evaluating,
    logging) takes as long as in the median of those; a run that only evaluates does nothing else. What the first run
    does before its epochs, above all preparing the data, it does for all; the others take the least that any took.
    Trainings that stopped early count with the epochs that were planned: others will stop as early on average.

    Args:
        runs: All runs of the sweep.
        work_of: What is to be done in a run; no epochs if it only evaluates. Called if it is needed.
        keep: Whether a result counts if its config file has changed since.
    """
    done = {run.folder: _parts(run) for run in runs if run.is_finished(keep)}
    left: dict[Path, float] = {}
    if done and len(done) < len(runs):
        before = min(parts.before for parts in done.values()) if len(done) > 1 else 0.0
        own: dict[str, list[float]] = {}
        for run in runs:
            if run.folder in done:
                own.setdefault(run.cell.name, []).append(done[run.folder].epochs + done[run.folder].after)
        scaled = _scale([(done[run.folder], work_of(run)) for run in runs if run.folder in done])
        for run in runs:
            if run.folder not in done:
                known = own.get(run.cell.name)
                left[run.folder] = before + (statistics.mean(known) if known else scaled(work_of(run)))
    return Cost(len(runs), len(done), sum(map(sum, done.values())), left)


class Parts(NamedTuple):
    """Seconds that a run took before its epochs, for them, and after them."""

    before: float
    epochs: float
    after: float


def _parts(run: CellRun) -> Parts:
    """Of a run that has finished; all are after its epochs if it left no history, as it then trained none."""
    record = run.record()
    whole = float(record["seconds"])
    try:
        curve = read_curve(run)
    except ValueError:
        curve = None  # the table will name the damaged file
    if curve is None:
        return Parts(0.0, 0.0, whole)
    # The record of a run that was resumed has only the seconds since then. A history is written after the last epoch.
    epochs = min(curve.seconds, whole)
    since = float(record["ended"]) - (run.folder / HISTORY).stat().st_mtime
    after = min(max(since, 0.0), whole - epochs)
    return Parts(whole - epochs - after, epochs, after)


def _scale(done: Sequence[tuple[Parts, Work]]) -> Callable[[Work], float]:
    """Seconds of the epochs of another run and after them, from those of runs that have finished."""
    after = statistics.median(parts.after for parts, _ in done)
    amount = sum(work.amount for _, work in done)
    pace = sum(parts.epochs for parts, _ in done) / amount if amount else 0.0
    return lambda work: after + pace * work.amount


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
