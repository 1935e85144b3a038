"""Signals that end a program. Ctrl-C reaches all of its processes; all but the first leave it to that one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGINT
"""130, the exit code of a process that was ended by Ctrl-C."""


def leave_interrupts() -> None:
    """Ignore Ctrl-C in this process, which another one started and ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; the processes that start meanwhile ignore it from their beginning to their end.

    Only the main thread can do so; in others nothing changes.
    """
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def ended_by_interrupt(words: str) -> Iterator[None]:
    """Let Ctrl-C end the process at once, with a line on stderr, where nothing is to be tidied up.

    While modules are imported, Python may lose the exception that Ctrl-C raises, and go on.
    """

    def end(number: int, frame: FrameType | None) -> None:
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()
        os._exit(EXIT_CODE)

    with _handled(end):
        yield


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM raise SystemExit(143) for a time, so that what is open is closed in order.

    Only the main thread can do so; in others nothing changes.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous if previous is not None else signal.SIG_DFL)


@contextmanager
def _handled(handler: signal.Handlers | Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """A handler of Ctrl-C for a time; in other threads than the main one, and if it is ignored, none is set."""
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if threading.current_thread() is not threading.main_thread() or is_ignored:
        yield
        return
    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)
