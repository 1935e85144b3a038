"""Processes that do one thing after another within limits of time and memory, for files that crash, hang or exhaust."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from transforms.errors import RadiographError

PATIENCE = 600.0
"""Seconds after which a process that reads or prepares one radiograph is ended; the largest take some ten."""
MEMORY = 8 * 2**30
"""Bytes that such a process may take beside what it starts with; the largest radiographs take some three billion."""

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A process that makes one thing after another.

    Args:
        make: from what is asked for to what is made; it returns what is wrong, and does not raise.
        patience: seconds for each.

    Attributes:
        asked: what it was last given.
        connection: to it.
    """

    def __init__(self, make: Callable[[Any], Any], patience: float) -> None:
        # Processes and not threads: they scale with MONAI's Python, and share no object that is not safe for threads.
        # Forked, since transforms need not be picklable then.
        forks = sys.platform == "linux"
        context: Any = multiprocessing.get_context("fork" if forks else None)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(make, patience, theirs, self.connection), daemon=True)
        self.process.start()
        theirs.close()
        self.patience = patience
        self.asked: Any = None

    def begin(self, asked: Any) -> None:  # noqa: ANN401 - whatever make takes
        """Give it something to make."""
        self.asked = asked
        self.connection.send(asked)

    def result(self) -> Any:  # noqa: ANN401 - whatever make gives
        """What it made.

        Raises:
            EOFError: it has ended; see ``ending``.
        """
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join()
            self.connection.close()
            raise EOFError from error

    @property
    def was_killed(self) -> bool:
        """Whether somebody else ended it, such as a system without memory."""
        return self.process.exitcode in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def ending(self) -> str:
        """What is to be said of a process that ended over what it was asked for."""
        code = self.process.exitcode or 0
        if -code == signal.SIGALRM:
            return f"took longer than {self.patience:.0f} seconds"
        return f"was ended {f'by {signal.Signals(-code).name}' if code < 0 else f'with exit code {code}'}"

    def end(self) -> None:
        """Stop it, whatever it is doing."""
        self.connection.close()
        self.process.kill()
        self.process.join()


_reader: Worker | None = None
_lock = threading.Lock()


def limited(function: Callable[P, T], *arguments: P.args, **settings: P.kwargs) -> T:
    """Call a function of a file in another process, with ``PATIENCE`` and ``MEMORY``.

    Args:
        function: importable; what it returns or raises can be pickled.
        arguments: the file first.
        settings: by name.

    Raises:
        RadiographError: the process ended: it crashed, took too long or was killed. The message names the file.
    """
    global _reader
    with _lock:
        if _reader is None or _reader.patience != PATIENCE:
            _reader = Worker(_call, PATIENCE)
        try:
            _reader.begin((function, arguments, settings))
            result = _reader.result()
        except (EOFError, BrokenPipeError) as error:
            ended, _reader = _reader, None
            ended.process.join()
            raise RadiographError(f"{arguments[0]}: the process that read it {ended.ending}") from error
        except BaseException:  # Ctrl-C in between: what it answers later would be taken for the next answer
            _reader.end()
            _reader = None
            raise
    if isinstance(result, Exception):
        raise result
    return result


def _call(asked: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:  # noqa: ANN401
    function, arguments, settings = asked
    try:
        return function(*arguments, **settings)
    except Exception as error:  # raised again where it was asked for
        return error


def _work(make: Callable[[Any], Any], patience: float, connection: Connection, parents: Connection) -> None:
    parents.close()  # or this process would never learn that the other one has ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process by the system, inside a decoder as well
    _keep_to_one_thread()
    _limit_memory()
    try:
        while True:
            asked = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, patience)
            result = make(asked)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the process that asked has ended


def _keep_to_one_thread() -> None:
    torch, opencv = sys.modules.get("torch"), sys.modules.get("cv2")
    if torch is not None:
        torch.set_num_threads(1)
    if opencv is not None:
        opencv.setNumThreads(0)


def _limit_memory() -> None:
    """Have allocations beyond ``MEMORY`` fail, where the system counts them as Linux does."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return
    import resource

    limit = int(pages.read_text().split()[0]) * resource.getpagesize() + MEMORY
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
