"""Make entries in other processes, which a file may crash, hang or exhaust without harm to this one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import wait
from typing import Any

from app.files.limited import PATIENCE as PATIENCE
from app.files.limited import Worker
from app.prepared.store import Entry

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
    idle: list[Worker] = []
    busy: dict[Any, Worker] = {}  # by connection
    killed: list[int] = []
    again: list[int] = []
    try:
        while True:
            while len(busy) < workers and (place := again.pop() if again else next(places, None)) is not None:
                worker = idle.pop() if idle else Worker(functools.partial(_result, make), PATIENCE)
                worker.begin(place)
                busy[worker.connection] = worker
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                place = worker.asked
                try:
                    result: Result = worker.result()
                    idle.append(worker)
                except EOFError:
                    if worker.was_killed and place not in killed:
                        killed.append(place)
                        again.append(place)
                        continue
                    result = _ending(worker)
                yield place, result
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


def own_error(error: BaseException) -> BaseException:
    """What a transform raised, and not what MONAI's ``Compose`` says in its place, which names only the transform."""
    while isinstance(error, RuntimeError) and str(error).startswith("applying transform") and error.__cause__:
        error = error.__cause__
    return error


def _ending(worker: Worker) -> str:
    if worker.ending.startswith("took"):
        return f"preparing it {worker.ending}"
    hint = "; memory may have run out: prepare with fewer workers" if worker.was_killed else ""
    return f"the process that prepared it {worker.ending}{hint}"


def _result(make: Make, place: int) -> Result:
    try:
        return make(place)
    except Exception as error:  # whatever a reader or transform makes of a bad file is reported with its name
        told = own_error(error)
        return f"{type(told).__name__}: {told}"
