"""A thread that writes a run's operations in order, so that a slow or failing store costs no training time."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from app.tracking.errors import first_line
from app.tracking.journal import Journal
from app.tracking.operations import METRICS_PER_REQUEST, Batch, Operation
from app.tracking.pending import Pending

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
"""The longest that a metric waits in memory."""
RETRY_SECONDS = 5.0
CLOSING_SECONDS = 20.0
"""How long the end of a run waits for a store that fails; torchrun kills 30 s after SIGTERM."""
JOURNAL_SECONDS = 5.0
"""If the end of a run takes longer than this, what is left goes into the journal, in case we are killed."""
REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND")
"""MLflow's codes for what would fail again; the last is that of a server that is too old."""


class Writer:
    """Writes to one run without making its caller wait.

    What a failing store does not take is kept in memory and in the journal; when the store is back, all is written and
    the journal is removed. What it refuses for good goes into ``<journal>.refused.jsonl``, and the rest goes on.

    Args:
        client: Of the run's store.
        run_id: The run.
        journal: For what cannot be written.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Journal) -> None:
        self.pending = Pending(journal)
        self._client = client
        self._run_id = run_id
        self._metrics: list[tuple[str, float, int, int]] = []
        self._flushed = time.monotonic()
        self._refused: list[Operation] = []
        self._refusals = Journal(journal.path.with_suffix(".refused.jsonl"), journal.head)
        self._changed = threading.Condition()
        self._is_failing = self._is_closing = False
        self._give_up = math.inf
        """When, in seconds of the monotonic clock, a store that fails is no longer tried."""
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation; returns at once."""
        with self._changed:
            self._flush()
            self.pending.append(operation)
            self._changed.notify()

    def metrics(self, values: list[tuple[str, float, int, int]]) -> None:
        """Buffer metrics, which are written together once they are many or old."""
        with self._changed:
            self._metrics += values
            if len(self._metrics) >= METRICS_PER_REQUEST:
                self._flush()
                self._changed.notify()

    def flush(self) -> None:
        """Queue the buffered metrics now; returns at once."""
        with self._changed:
            self._flush()
            self._changed.notify()

    def close(self) -> None:
        """Write what is left: waits as long as the store works, and `CLOSING_SECONDS` for one that fails."""
        with self._changed:
            self._flush()
            self._is_closing, self._give_up = True, time.monotonic() + CLOSING_SECONDS
            self._changed.notify()
        try:
            self._wait_for_thread()
        finally:
            # A second Ctrl-C ends the waiting, but what is left is kept all the same.
            with self._changed:
                self.pending.keep()
                self.pending.report()

    def _wait_for_thread(self) -> None:
        self._thread.join(JOURNAL_SECONDS)
        with self._changed:
            self.pending.keep()
        while self._thread.is_alive() and not (self._is_failing and time.monotonic() > self._give_up):
            self._thread.join(0.2)

    def _flush(self) -> None:
        """Move the buffered metrics to the queue; the caller holds the lock."""
        self._flushed = time.monotonic()
        if self._metrics:
            metrics, self._metrics = tuple(self._metrics), []
            self.pending.append(Batch(metrics=metrics))

    def _work(self) -> None:
        """The thread: write the oldest operation until that succeeds, and end when closed and done."""
        while (operation := self._next()) is not None:
            problem = self._write(operation)
            if problem is None:
                continue
            self._note_failure(problem)
            if time.monotonic() > self._give_up:
                return
            with self._changed:
                # New operations do not hurry a failing store, but the end of the run does.
                was_closing = self._is_closing
                self._changed.wait_for(lambda: self._is_closing != was_closing, RETRY_SECONDS)  # noqa: B023

    def _next(self) -> Operation | None:
        """Wait for the oldest operation; None when closed and all is written."""
        with self._changed:
            while not self.pending:
                if self._is_closing:
                    return None
                self._changed.wait(max(0.1, self._flushed + FLUSH_SECONDS - time.monotonic()))
                if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                    self._flush()
            return self.pending.first

    def _write(self, operation: Operation) -> Exception | None:
        """Write an operation and take it off the queue; if it can be tried again, it stays, and its error returns."""
        try:
            operation.write(self._client, self._run_id)
        except Exception as error:  # nothing that a store raises may end a training
            if not _is_refusal(error):
                return error
            self._refuse(operation, error)
        with self._changed:
            self.pending.remove_first()
            if self._is_failing and not self.pending:
                self._is_failing = False
                logger.warning("the tracking store is back, and has everything")
        return None

    def _note_failure(self, problem: Exception) -> None:
        """At the beginning of an outage, start the journal and warn."""
        if self._is_failing:
            return
        with self._changed:
            self._is_failing = True
            self.pending.keep()
        logger.warning(
            "the tracking store fails. The run goes on; what it logs is kept until the store is back (%s)",
            first_line(problem),
        )

    def _refuse(self, operation: Operation, error: Exception) -> None:
        """Keep what the store will never take in a file of its own."""
        self._refused.append(operation)
        path = self._refusals.path
        if len(self._refused) == 1:
            kind = type(operation).__name__
            logger.warning("the tracking store refused %s: %s. See %s", kind, first_line(error), path)
        try:
            self._refusals.write(self._refused)
        except OSError as problem:
            logger.warning("cannot write %s (%s)", path, problem.strerror)


def _is_refusal(error: Exception) -> bool:
    """Whether trying again is useless: a bad request, a run that was deleted, or a file that is gone."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    return isinstance(error, FileNotFoundError)
