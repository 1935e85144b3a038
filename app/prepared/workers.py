"""Prepare samples in other processes, which a file may crash, hang or exhaust without harm to this one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from app.files import limited
from app.prepared.recipe import Keys, Sample
from app.prepared.shards import Geometry, NewEntry
from transforms.errors import UnsuitedError


class Job(NamedTuple):
    """A sample to be prepared.

    Attributes:
        number: Of the sample.
        sample: As the datalist gives it.
        keys: Of the sample.
        geometry: Of its image if that is kept already.
    """

    number: int
    sample: Sample
    keys: Keys
    geometry: Geometry | None


Make = Callable[[Sample, Keys, Geometry | None], list[NewEntry]]
Outcome = list[NewEntry] | str
"""New entries, or what is wrong."""
LOOK = 0.2
"""Seconds between looks at whether to stop."""


class StoppedError(RuntimeError):
    """Another thread has said that the work is to stop."""


class Workers:
    """Processes that prepare samples, one after the other; they live on between calls of `outcomes`.

    Args:
        make: From a sample to entries.
        count: Number of processes; 0 for this process, which a file can then crash.

    """

    def __init__(self, make: Make, count: int) -> None:
        self.make = make
        self.count = count
        self._is_stopped = False
        self._idle: list[limited.Worker] = []

    def outcomes(self, jobs: Iterator[Job]) -> Generator[tuple[Job, Outcome], None, None]:
        """Do jobs, in the order in which they end.

        A process that dies of a job, or takes longer than ``limited.PATIENCE``, is replaced, and its job is reported.
        If it was killed, as when memory runs out, the file is tried once more before it is blamed.

        Args:
            jobs: Taken only when a process is free.

        Raises:
            StoppedError: Another thread has stopped the work.
        """
        self._require_going()
        if not self.count:
            for job in jobs:
                self._require_going()
                yield job, _outcome(self.make, job)
            return
        busy: dict[Any, limited.Worker] = {}  # by connection
        killed: set[int] = set()
        again: list[Job] = []
        try:
            while True:
                while len(busy) < self.count and (begun := again.pop() if again else next(jobs, None)) is not None:
                    worker = self._idle.pop() if self._idle else self._new()
                    worker.begin(begun)
                    busy[worker.connection] = worker
                if not busy:
                    return
                for connection in wait(list(busy), LOOK):
                    worker = busy.pop(connection)
                    job = worker.job
                    try:
                        outcome: Outcome = worker.result()
                        self._idle.append(worker)
                    except EOFError:
                        if worker.was_killed and job.number not in killed:
                            killed.add(job.number)
                            again.append(job)
                            continue
                        outcome = _ending(worker)
                    yield job, outcome
                self._require_going()
        finally:
            for worker in busy.values():
                worker.end()

    def stop(self) -> None:
        """Let `outcomes`, which another thread calls, end soon with a `StoppedError`, now or at its next call."""
        self._is_stopped = True

    def end(self) -> None:
        """End the processes, while nobody waits for outcomes; the next call starts others."""
        while self._idle:
            self._idle.pop().end()
        self._is_stopped = False

    def _new(self) -> limited.Worker:
        return limited.Worker(functools.partial(_outcome, self.make), limited.PATIENCE)

    def _require_going(self) -> None:
        if self._is_stopped:
            raise StoppedError

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the processes."""
        return {**self.__dict__, "_idle": []}


def own_error(error: BaseException) -> BaseException:
    """What a transform raised, not the error of MONAI's ``Compose`` around it, which names only the transform."""
    while isinstance(error, RuntimeError) and str(error).startswith("applying transform") and error.__cause__:
        error = error.__cause__
    return error


def _ending(worker: limited.Worker) -> str:
    if worker.ending.startswith("took"):
        return f"preparing it {worker.ending}"
    hint = "; memory may have run out: prepare with fewer workers" if worker.was_killed else ""
    return f"the process that prepared it {worker.ending}{hint}"


def _outcome(make: Make, job: Job) -> Outcome:
    try:
        return make(job.sample, job.keys, job.geometry)
    except Exception as error:  # whatever a reader or transform raises over a bad file is reported with its name
        own = own_error(error)
        return str(own) if isinstance(own, UnsuitedError) else f"{type(own).__name__}: {own}"
