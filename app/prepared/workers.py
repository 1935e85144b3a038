"""Prepare samples in other processes, which a file may crash, hang or exhaust without harm to this one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import wait
from typing import Any

from app.files import limited
from app.prepared.shards import Geometry, NewEntry
from transforms.errors import UnsuitedError

Job = tuple[int, Geometry | None]
"""Index of a sample, and the geometry of its image if that is kept already."""
Make = Callable[[Job], list[NewEntry]]
Outcome = list[NewEntry] | str
"""New entries, or what is wrong."""


def outcomes(make: Make, jobs: Iterator[Job], workers: int) -> Generator[tuple[Job, Outcome], None, None]:
    """Do jobs, in the order in which they end.

    A process that dies of a job, or takes longer than ``limited.PATIENCE``, is replaced, and its job is reported. If
    it was killed, as when memory runs out, the file is tried once more before it is blamed.

    Args:
        make: From a job to entries.
        jobs: Taken only when a process is free.
        workers: Number of processes; 0 for this process, which a file can then crash.
    """
    if not workers:
        for job in jobs:
            yield job, _outcome(make, job)
        return
    idle: list[limited.Worker] = []
    busy: dict[Any, limited.Worker] = {}  # by connection
    killed: set[Job] = set()
    again: list[Job] = []
    try:
        while True:
            while len(busy) < workers and (begun := again.pop() if again else next(jobs, None)) is not None:
                worker = idle.pop() if idle else limited.Worker(functools.partial(_outcome, make), limited.PATIENCE)
                worker.begin(begun)
                busy[worker.connection] = worker
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                job = worker.job
                try:
                    outcome: Outcome = worker.result()
                    idle.append(worker)
                except EOFError:
                    if worker.was_killed and job not in killed:
                        killed.add(job)
                        again.append(job)
                        continue
                    outcome = _ending(worker)
                yield job, outcome
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


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
        return make(job)
    except Exception as error:  # whatever a reader or transform raises over a bad file is reported with its name
        own = own_error(error)
        return str(own) if isinstance(own, UnsuitedError) else f"{type(own).__name__}: {own}"
