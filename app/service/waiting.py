"""Waiting: until there is work, until a failure may have passed, or until the service is to stop."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from types import FrameType

FIRST, LONGEST = 1.0, 300.0
"""Seconds to wait after the first failure, and after many."""


class NotNowError(Exception):
    """Something that works later: a server that is away, a full disk. The message names no patient."""


class Backoff:
    """How long to wait after failures in a row: twice as long after each, up to five minutes.

    Example:
        >>> backoff = Backoff()
        >>> [backoff.next() for _ in range(3)]
        [1.0, 2.0, 4.0]
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._seconds = 0.0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        self._seconds = min(max(FIRST, 2 * self._seconds), self._longest)
        return self._seconds

    def reset(self) -> None:
        """Begin anew after a success."""
        self._seconds = 0.0


def is_passing(error: BaseException) -> bool:
    """Whether an error is the machine's, which may pass, and not the fault of a file."""
    if isinstance(error, FileNotFoundError):
        return False
    return isinstance(error, (NotNowError, MemoryError, sqlite3.OperationalError)) or type(error) in (
        OSError,
        PermissionError,
        TimeoutError,
    )


def described(error: BaseException) -> str:
    """An error without what may identify a patient: the system's words, or its class."""
    if isinstance(error, NotNowError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__


def stop_event(is_first: bool = False) -> threading.Event:
    """An event that SIGTERM sets in this process, which is one of a service's.

    Ctrl-C sets it in the first process alone. If that has died, the others end at once.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal if is_first else signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()
    return stop


def _end_with(join: Callable[[], None]) -> None:
    join()
    os._exit(1)
