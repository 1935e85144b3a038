"""Time limits for tracking servers, including those that accept a connection and then never answer."""

from __future__ import annotations

import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from app.tracking.errors import without_credentials

PROBE_SECONDS = 3.0
"""How long a server may take to answer the first question."""
CALL_SECONDS = 20.0
"""How long one call may take in all, including its retries."""
UPLOAD_RATE = 1e6
"""Bytes per second by which the limit grows with the size of an upload."""
DOWNLOAD_SECONDS = 600.0

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], name: str) -> T:
    """Return or raise what ``work`` does in a thread, which is left behind if it takes too long.

    Timeouts of sockets are not enough: they limit a single wait. Looking up a host has none, and a server that sends
    a byte now and then never reaches one.

    Raises:
        TimeoutError: It took longer; the message begins with ``name``.
    """
    answers: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # raised again in the thread that waits
            answers.put((None, error))

    threading.Thread(target=run, name="tracking call", daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{name} did not answer within {seconds:.3g} seconds") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


class TimedClient:
    """An MLflow client that limits the time of each of its calls; errors show the server's address ``shown``."""

    def __init__(self, client: object, shown: str) -> None:
        self._client = client
        self._shown = shown

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - those of the client's method
            limit = _limit(name, arguments)
            return within(limit, lambda: method(*arguments, **named), f"tracking server {self._shown}")

        return call


def probe(uri: str) -> str | None:
    """Ask an HTTP server once whether it is there, before MLflow's own long retries.

    Returns:
        None if it answers, or is another kind of store; else the reason in a few words.
    """
    if urlsplit(uri).scheme not in ("http", "https"):
        return None
    try:
        return within(PROBE_SECONDS, lambda: _ask_health(without_credentials(uri).rstrip("/") + "/health"), "it")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error)


def _ask_health(address: str) -> str | None:
    try:
        urllib.request.urlopen(address, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # Any other answer, such as a missing password, shows that the server is there.
        return f"HTTP {error.code} {error.reason}" if error.code >= 500 else None
    except urllib.error.URLError as error:
        # A certificate that we do not trust still shows a server; MLflow's own TLS settings decide about it.
        return None if "CERTIFICATE" in str(error.reason) else str(error.reason)
    return None


def _limit(name: str, arguments: tuple[Any, ...]) -> float:
    """Seconds that a call of the client may take; uploads get time by their size."""
    if name == "download_artifacts":
        return DOWNLOAD_SECONDS
    if name not in ("log_artifact", "log_artifacts", "log_model_artifact", "log_model_artifacts"):
        return CALL_SECONDS
    path = Path(arguments[1])
    files = path.rglob("*") if path.is_dir() else [path]
    return CALL_SECONDS + sum(file.stat().st_size for file in files if file.is_file()) / UPLOAD_RATE
