"""Time limits for what a server may take to answer, also one that accepts a connection and then says nothing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

CALL_SECONDS = 20.0
"""How long one call to a tracking server may take in all, its retries included."""
UPLOAD_RATE = 1e6
"""Bytes a second; a file may take this much longer."""
DOWNLOAD_SECONDS = 600.0

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], what: str) -> T:
    """What ``work`` returns or raises, if it does within a time; whatever it hangs in is left behind in a thread.

    Timeouts of sockets limit a single wait: looking up a name has none, and a server that sends a byte now and then
    evades them.

    Raises:
        TimeoutError: It took longer; names ``what``.
    """
    answers: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # raised again by who waits
            answers.put((None, error))

    threading.Thread(target=run, name="tracking call", daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{what} did not answer within {seconds:.3g} seconds") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # where there is no error there is a value


class TimedClient:
    """An MLflow client each of whose calls has a deadline.

    Args:
        client: to call.
        shown: the server's address, for the message.
    """

    def __init__(self, client: object, shown: str) -> None:
        self._client = client
        self._shown = shown

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - those of the client's method
            work = lambda: method(*arguments, **named)  # noqa: E731
            return within(_seconds(name, arguments), work, f"tracking server {self._shown}")

        return call


def _seconds(name: str, arguments: tuple[Any, ...]) -> float:
    """Of one call by its name; files are given time by their size."""
    if name == "download_artifacts":
        return DOWNLOAD_SECONDS
    if name not in ("log_artifact", "log_artifacts"):
        return CALL_SECONDS
    return CALL_SECONDS + _size(Path(arguments[1])) / UPLOAD_RATE


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
