"""Worker processes with limits of time and memory, for files that crash, hang or exhaust their decoder."""

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
"""Seconds that one radiograph may take to be read or prepared; the largest take about ten."""
MEMORY = 8 * 2**30
"""Bytes that a worker may allocate in addition to what it starts with; the largest radiographs take three billion."""

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A process that does one job after another.

    Args:
        do: From a job to its result. It returns what is wrong, and does not raise.
        patience: Seconds for each job.

    Attributes:
        job: The last one that was begun.
        connection: To the process.
    """

    def __init__(self, do: Callable[[Any], Any], patience: float) -> None:
        # Processes rather than threads: they scale with MONAI's Python, and share no object that is unsafe in threads.
        # Forked, so that transforms need not be picklable.
        forks = sys.platform == "linux"
        context: Any = multiprocessing.get_context("fork" if forks else None)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(do, patience, theirs, self.connection), daemon=True)
        self.process.start()
        theirs.close()
        self.patience = patience
        self.job: Any = None

    def begin(self, job: Any) -> None:  # noqa: ANN401 - whatever the function takes
        """Start a job."""
        self.job = job
        self.connection.send(job)

    def result(self) -> Any:  # noqa: ANN401 - whatever the function returns
        """Wait for the result of the job.

        Raises:
            EOFError: The process has died; see ``ending``.
        """
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join()
            self.connection.close()
            raise EOFError from error

    @property
    def was_killed(self) -> bool:
        """Whether the process was ended from outside, as by a system that runs out of memory."""
        return self.process.exitcode in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def ending(self) -> str:
        """How the process died, for a message."""
        code = self.process.exitcode or 0
        if -code == signal.SIGALRM:
            return f"took longer than {self.patience:.0f} seconds"
        return f"was ended {f'by {signal.Signals(-code).name}' if code < 0 else f'with exit code {code}'}"

    def end(self) -> None:
        """Stop the process, whatever it is doing."""
        self.connection.close()
        self.process.kill()
        self.process.join()


_reader: Worker | None = None
_lock = threading.Lock()


def limited(function: Callable[P, T], *arguments: P.args, **settings: P.kwargs) -> T:
    """Call a function in another process, within ``PATIENCE`` and ``MEMORY``.

    Args:
        function: Importable. What it returns or raises can be pickled.
        arguments: Of the function; the first is the file that it reads.
        settings: Keyword arguments of the function.

    Raises:
        RadiographError: The process crashed, took too long or was killed; names the file.

    Example:
        >>> from operator import add
        >>> limited(add, 1, 2)
        3
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
        except BaseException:  # Ctrl-C while waiting: the next call would get this call's result
            _reader.end()
            _reader = None
            raise
    if isinstance(result, Exception):
        raise result
    return result


def _call(job: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:  # noqa: ANN401
    function, arguments, settings = job
    try:
        return function(*arguments, **settings)
    except Exception as error:  # raised again by the caller
        return error


def _work(do: Callable[[Any], Any], patience: float, connection: Connection, parents: Connection) -> None:
    parents.close()  # or this process would never notice that its parent has ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the system ends the process, even inside a decoder
    _use_one_thread()
    _limit_memory()
    try:
        while True:
            job = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, patience)
            result = do(job)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has ended


def _use_one_thread() -> None:
    torch, opencv = sys.modules.get("torch"), sys.modules.get("cv2")
    if torch is not None:
        torch.set_num_threads(1)
    if opencv is not None:
        opencv.setNumThreads(0)


def _limit_memory() -> None:
    """Make allocations beyond ``MEMORY`` fail, if the system counts them as Linux does."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return
    import resource

    limit = int(pages.read_text().split()[0]) * resource.getpagesize() + MEMORY
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
