"""Make entries in other processes, which a file may crash, hang or exhaust without harm to this one."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from app.data.cache.store import Entry

PATIENCE = 600.0
"""Seconds after which the process that prepares one radiograph is ended; the largest take some ten."""

Make = Callable[[int], list[Entry]]
Result = list[Entry] | str
"""What was made, or what is wrong."""


def made_here(make: Make, places: Iterator[int]) -> Generator[tuple[int, Result], None, None]:
    """Make entries in this process: what is wrong with a file is reported, unless it ends the process."""
    for place in places:
        yield place, _result(make, place)


def made_by_workers(make: Make, places: Iterator[int], workers: int) -> Generator[tuple[int, Result], None, None]:
    """Make entries in processes, in the order in which they are done.

    A process that ends over a place (a decoder that crashes, or takes longer than ``PATIENCE``) has another one put
    in its stead, and the place is reported. One that was killed, as where memory runs out, is not blamed on the file
    before that happened twice.

    Args:
        make: from a place to its entries.
        places: taken from only when there is a process free.
        workers: how many processes, 1 or more.
    """
    idle: list[_Worker] = []
    busy: dict[Any, _Worker] = {}  # by connection
    killed: list[int] = []
    again: list[int] = []
    try:
        while True:
            while len(busy) < workers and (place := again.pop() if again else next(places, None)) is not None:
                worker = idle.pop() if idle else _Worker(make)
                worker.begin(place)
                busy[worker.connection] = worker
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                place, result = worker.place, worker.result()
                if result is not None:
                    idle.append(worker)
                elif worker.was_killed and place not in killed:
                    killed.append(place)
                    again.append(place)
                    continue
                yield place, worker.ending if result is None else result
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


def own_error(error: BaseException) -> BaseException:
    """What a transform raised, and not what MONAI's ``Compose`` says in its place, which names only the transform."""
    while isinstance(error, RuntimeError) and str(error).startswith("applying transform") and error.__cause__:
        error = error.__cause__
    return error


class _Worker:
    """A process that makes one place after the other.

    Attributes:
        place: what it was last given.
        connection: to it.
    """

    def __init__(self, make: Make) -> None:
        # Processes and not threads: they scale with MONAI's Python, and share no object that is not safe for threads.
        # Forked, since transforms need not be picklable then.
        forks = sys.platform == "linux"
        context: Any = multiprocessing.get_context("fork" if forks else None)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(make, theirs, self.connection), daemon=True)
        self.process.start()
        theirs.close()
        self.place = -1

    def begin(self, place: int) -> None:
        """Give it a place to make."""
        self.place = place
        self.connection.send(place)

    def result(self) -> Result | None:
        """What it made; None where it has ended."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.connection.close()
            return None

    @property
    def was_killed(self) -> bool:
        """Whether somebody else ended it, such as a system without memory."""
        return self.process.exitcode in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def ending(self) -> str:
        """What is to be said of a process that ended over its place."""
        code = self.process.exitcode or 0
        if -code == signal.SIGALRM:
            return f"preparing it took longer than {PATIENCE:.0f} seconds"
        name = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        hint = "; memory may have run out: prepare with fewer workers" if self.was_killed else ""
        return f"the process that prepared it was ended {name}{hint}"

    def end(self) -> None:
        """Stop it, whatever it is doing."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(make: Make, connection: Connection, parents: Connection) -> None:
    parents.close()  # or this process would never learn that the other one has ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process by the system, inside a decoder as well
    _keep_to_one_thread()
    try:
        while True:
            place = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            result = _result(make, place)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the process that asked has ended


def _result(make: Make, place: int) -> Result:
    try:
        return make(place)
    except Exception as error:  # whatever a reader or transform makes of a bad file is reported with its name
        told = own_error(error)
        return f"{type(told).__name__}: {told}"


def _keep_to_one_thread() -> None:
    torch.set_num_threads(1)
    opencv = sys.modules.get("cv2")
    if opencv is not None:
        opencv.setNumThreads(0)
