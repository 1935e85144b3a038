"""Tasks in processes of this machine, which may die without harm to the others."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from app.cluster.kinds import DIED, TRIES_AGAIN, kind_of
from app.cluster.shares import deal, environments, visible_devices
from app.cluster.tasks import Outcome, Task
from app.cluster.worker import node_name
from app.failures import described
from app.lazy import install

TRIES = 1 + TRIES_AGAIN[DIED]
"""How often a task is given to a process, if each dies of it."""
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl: the signal that a process gets when its parent ends."""

logger = logging.getLogger(__name__)


def in_processes(tasks: Iterable[Task], jobs: int) -> Iterator[Outcome]:
    """Do tasks in processes, which keep what a function has cached in its module.

    Each process gets its share of the processors, and of the GPUs that this process may use.

    Args:
        tasks: Drawn as processes get free.
        jobs: Number of processes.

    Yields:
        Outcomes, in the order in which tasks end. A process that dies is replaced, and its task tried again. None of
        them outlives this process, however it ends (on Linux; elsewhere each ends its task first).
    """
    waiting, again = iter(tasks), deque[tuple[Task, int]]()
    shares = environments(deal(visible_devices(), jobs))
    workers: dict[Connection, _Worker] = {}
    try:
        while True:
            idle = [worker for worker in workers.values() if worker.given is None]
            while (idle or shares) and (begun := again.popleft() if again else _first(waiting)) is not None:
                worker = idle.pop() if idle else _Worker(shares.pop())
                workers[worker.connection] = worker
                worker.begin(*begun)
            given = {worker.connection: worker.given for worker in workers.values() if worker.given is not None}
            if not given:
                return
            for connection in [each for each in wait(list(given)) if isinstance(each, Connection)]:
                worker, (task, attempt) = workers[connection], given[connection]
                try:
                    value, kind, error = worker.reply()
                    outcome = Outcome(task, value, error, kind, attempt, node_name())
                except (EOFError, OSError):
                    shares.append(worker.environment)
                    del workers[connection]
                    if attempt < TRIES:
                        logger.warning(f"{task.name}: its process {worker.ending()}; trying again")
                        again.append((task, attempt + 1))
                        continue
                    outcome = Outcome(task, None, f"its process {worker.ending()}", DIED, attempt, "")
                yield outcome
    finally:
        for worker in workers.values():
            worker.end()


def _first(tasks: Iterator[Task]) -> tuple[Task, int] | None:
    task = next(tasks, None)
    return None if task is None else (task, 1)


class _Worker:
    """A process, and the task that it was given with the number of the attempt."""

    def __init__(self, environment: dict[str, str]) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads and CUDA do not survive a fork
        self.environment = environment
        self.connection, theirs = context.Pipe()
        # Not a daemon, since it has workers of its own that decode; it ends when its connection does.
        self.process = context.Process(target=_serve, args=(theirs, environment, os.getpid()))
        self.process.start()
        theirs.close()
        self.given: tuple[Task, int] | None = None

    def begin(self, task: Task, attempt: int) -> None:
        self.given = task, attempt
        with suppress(OSError):  # if it has died, `reply` tells
            self.connection.send((task.function, task.arguments))

    def reply(self) -> tuple[Any, str, str]:
        """What its task returned, and the kind and words of its failure.

        Raises:
            EOFError: The process has died.
        """
        reply: tuple[Any, str, str] = self.connection.recv()
        self.given = None
        return reply

    def ending(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def end(self) -> None:
        self.connection.close()
        if self.given is not None:
            self.process.terminate()
        self.process.join()


def _serve(connection: Connection, environment: Mapping[str, str], parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before
            return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    os.environ.update(environment)
    install()
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:  # the parent is done, or has died
            return
        reply: tuple[Any, str, str]
        try:
            reply = function(*arguments), "", ""
        except Exception as error:
            reply = None, kind_of(error), " ".join(described(error).split())
        with suppress(BrokenPipeError):  # the parent has died; there is nothing more to come
            connection.send(reply)
