"""A thread that writes a run's operations in order, and keeps in a file what a server that went away cannot take."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.tracking.operations import METRICS_A_BATCH, Metrics, Operation, to_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
"""The longest that a metric waits in memory."""
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
CLOSING_SECONDS = 20.0
"""How long the end of a run waits for a server that fails; torchrun kills 30 s after SIGTERM."""


class Writer:
    """Writes to one run without making its caller wait.

    While the store fails, everything not yet written also stands in ``journal`` (JSON lines: a head, then operations),
    so that not even ``kill -9`` loses it; when the store is back, it is written and the file removed.

    Args:
        client: of the run's store.
        run_id: the run.
        journal: the file for what cannot be written; made only then.
        head: its first line: what `app.tracking.sync` needs to find the run.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Path, head: Mapping[str, str]) -> None:
        self.journal = journal
        self._client = client
        self._run_id = run_id
        self._head = dict(head)
        self._pending: deque[Operation] = deque()
        self._measured: list[tuple[str, float, int, int]] = []
        self._changed = threading.Condition()
        self._flushed = time.monotonic()
        self._closing = False
        self._is_failing = False
        self._refused = 0
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation; returns at once."""
        with self._changed:
            self._flush_locked()
            self._append_locked(operation)
            self._changed.notify()

    def measure(self, values: list[tuple[str, float, int, int]]) -> None:
        """Buffer values of metrics, written together once they are many or old."""
        with self._changed:
            self._measured += values
            if len(self._measured) >= METRICS_A_BATCH:
                self._flush_locked()
                self._changed.notify()

    def flush(self) -> None:
        """Queue the buffered metrics now; returns at once."""
        with self._changed:
            self._flush_locked()
            self._changed.notify()

    def close(self) -> bool:
        """Write what is left, waiting long for a store that works and `CLOSING_SECONDS` for one that fails.

        Returns:
            Whether all was written; if not, ``journal`` holds the rest.
        """
        with self._changed:
            self._flush_locked()
            self._closing = True
            self._changed.notify()
        since = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.2)
            if self._is_failing and time.monotonic() - since > CLOSING_SECONDS:
                break
        if self._refused:
            logger.warning("%d tracking operations were refused; they are kept in %s", self._refused, self._refusals)
        return not self._pending

    @property
    def _refusals(self) -> Path:
        return self.journal.with_suffix(".refused.jsonl")

    def _flush_locked(self) -> None:
        """Move the buffered metrics to the queue."""
        self._flushed = time.monotonic()
        if self._measured:
            measured, self._measured = tuple(self._measured), []
            self._append_locked(Metrics(measured))

    def _append_locked(self, operation: Operation) -> None:
        self._pending.append(operation)
        if self._is_failing:
            self._keep([to_line(operation)])

    def _work(self) -> None:
        """The thread: write the oldest operation, wait longer after each failure, end when closed and done."""
        delay = FIRST_RETRY_SECONDS
        while True:
            operation = self._next()
            if operation is None:
                return
            problem = self._write(operation)
            if problem is None:
                delay = FIRST_RETRY_SECONDS
                continue
            self._note_failure(problem)
            with self._changed:
                if self._closing:
                    return
                self._wait_before_retry(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _next(self) -> Operation | None:
        """The oldest operation, waiting for one; None when closed and all is written."""
        with self._changed:
            while not self._pending:
                if self._closing:
                    return None
                self._changed.wait(max(0.1, self._flushed + FLUSH_SECONDS - time.monotonic()))
                if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                    self._flush_locked()
            return self._pending[0]

    def _wait_before_retry(self, delay: float) -> None:
        """Wait, unless the run ends; new operations do not hurry a failing server."""
        until = time.monotonic() + delay
        while not self._closing and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)

    def _write(self, operation: Operation) -> Exception | None:
        """Write one operation and take it off the queue; a failure that may pass is returned and leaves it there."""
        refusal = None
        try:
            operation.write(self._client, self._run_id)
        except Exception as error:  # whatever a store raises must not end training
            if not _is_refusal(error):
                return error
            refusal = error
        with self._changed:
            if refusal is not None:
                self._refuse(operation, refusal)
            self._pending.popleft()
            if not self._pending and self._is_failing:
                self._is_failing = False
                self.journal.unlink(missing_ok=True)
                logger.warning("the tracking store is back; all that was kept is written")
        return None

    def _note_failure(self, problem: Exception) -> None:
        """Once an outage: say so, and put all that waits into the journal."""
        with self._changed:
            if self._is_failing:
                return
            self._is_failing = True
            self._keep([json.dumps(self._head), *map(to_line, self._pending)])
        logger.warning(
            "the tracking store fails (%s). Training goes on; what it logs is kept in %s and written when it is back.",
            first_line(problem),
            self.journal,
        )

    def _keep(self, lines: list[str]) -> None:
        """Append to the journal; a disk that takes nothing must not end training, the queue is still in memory."""
        try:
            with self.journal.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            logger.warning("cannot write %s: %s; it is kept in memory only", self.journal, error.strerror)

    def _refuse(self, operation: Operation, error: Exception) -> None:
        """Keep what the store will never take beside the journal, and say so the first time."""
        self._refused += 1
        if self._refused == 1:
            logger.warning("the tracking store refused %s: %s", type(operation).__name__, first_line(error))
        try:
            with self._refusals.open("a", encoding="utf-8") as file:
                file.write(to_line(operation) + "\n")
        except OSError as problem:
            logger.warning("cannot write %s: %s", self._refusals, problem.strerror)


def first_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, at most 300 characters."""
    message = str(error).strip().split("\n", 1)[0]
    name = type(error).__name__
    return (f"{name}: {message}" if message else name)[:300]


def _is_refusal(error: Exception) -> bool:
    """Whether trying again is useless: a bad request, a run that was deleted, or a file that is gone."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST")
    return isinstance(error, FileNotFoundError)
