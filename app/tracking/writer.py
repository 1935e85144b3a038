"""A thread that writes a run's operations in order, and keeps in a file what a store that fails cannot take."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from app.tracking.errors import first_line
from app.tracking.journal import Journal
from app.tracking.operations import METRICS_A_BATCH, Metrics, Operation

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
"""The longest that a metric waits in memory."""
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
CLOSING_SECONDS = 20.0
"""How long the end of a run waits for a store that fails; torchrun kills 30 s after SIGTERM."""
CLOSING_RETRIES = 3
KEEP_SECONDS = 5.0
"""When the end of a run takes longer than this, what is left goes to the journal as well, lest we are killed."""


class Writer:
    """Writes to one run without making its caller wait.

    While the store fails, everything not yet written also stands in the journal, so that not even ``kill -9`` loses
    it; when the store is back, it is written and the journal removed.

    Args:
        client: of the run's store.
        run_id: the run.
        journal: for what cannot be written.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Journal) -> None:
        self.journal = journal
        self._client = client
        self._run_id = run_id
        self._refusals = Journal(journal.path.with_suffix(".refused.jsonl"), journal.head)
        self._pending: deque[Operation] = deque()
        self._measured: list[tuple[str, float, int, int]] = []
        self._changed = threading.Condition()
        self._flushed = time.monotonic()
        self._is_closing = False
        self._is_failing = False
        self._is_keeping = False
        self._unkept = 0
        self._is_kept_badly = False
        self._refused = self._refused_lost = 0
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation; returns at once."""
        with self._changed:
            self._flush()
            self._append(operation)
            self._changed.notify()

    def measure(self, values: list[tuple[str, float, int, int]]) -> None:
        """Buffer values of metrics, written together once they are many or old."""
        with self._changed:
            self._measured += values
            if len(self._measured) >= METRICS_A_BATCH:
                self._flush()
                self._changed.notify()

    def flush(self) -> None:
        """Queue the buffered metrics now; returns at once."""
        with self._changed:
            self._flush()
            self._changed.notify()

    def close(self) -> bool:
        """Write what is left: waits as long as a store works, and `CLOSING_SECONDS` for one that fails.

        Returns:
            Whether all was written; if not, the journal holds the rest but for the last `unkept` operations.
        """
        with self._changed:
            self._flush()
            self._is_closing = True
            self._changed.notify()
        try:
            self._wait_for_thread()
        finally:
            # A second Ctrl-C ends the waiting, not the keeping.
            self._keep_pending()
        if self._refused:
            logger.warning(
                "the tracking store refused %d operations; they are kept in %s", self._refused, self._refusals.path
            )
        return not self._pending

    @property
    def unkept(self) -> int:
        """How many operations are neither written nor in the journal."""
        return self._unkept if self._is_keeping else len(self._pending)

    def _wait_for_thread(self) -> None:
        since = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.2)
            waited = time.monotonic() - since
            if waited > KEEP_SECONDS:
                self._keep_pending()
            if waited > CLOSING_SECONDS and self._is_failing:
                return

    def _flush(self) -> None:
        """Move the buffered metrics to the queue; the caller holds the lock."""
        self._flushed = time.monotonic()
        if self._measured:
            measured, self._measured = tuple(self._measured), []
            self._append(Metrics(measured))

    def _append(self, operation: Operation) -> None:
        """Add to the queue and, in an outage, to the journal; the caller holds the lock."""
        self._pending.append(operation)
        if self._is_keeping:
            self._unkept += 1
            self._keep_rest()

    def _work(self) -> None:
        """The thread: write the oldest operation, wait longer after each failure, end when closed and done."""
        failures = failures_closing = 0
        while (operation := self._next()) is not None:
            problem = self._write(operation)
            if problem is None:
                failures = 0
                continue
            self._note_failure(problem)
            failures_closing += self._is_closing
            if failures_closing >= CLOSING_RETRIES:
                return
            self._wait_before_retry(min(FIRST_RETRY_SECONDS * 2**failures, LAST_RETRY_SECONDS))
            failures += 1

    def _next(self) -> Operation | None:
        """The oldest operation, waiting for one; None when closed and all is written."""
        with self._changed:
            while not self._pending:
                if self._is_closing:
                    return None
                self._changed.wait(max(0.1, self._flushed + FLUSH_SECONDS - time.monotonic()))
                if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                    self._flush()
            return self._pending[0]

    def _wait_before_retry(self, seconds: float) -> None:
        """Wait; new operations do not hurry a failing store, but the run's end does."""
        with self._changed:
            was_closing = self._is_closing
            until = time.monotonic() + (FIRST_RETRY_SECONDS if was_closing else seconds)
            while self._is_closing == was_closing and (left := until - time.monotonic()) > 0:
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
            self._unkept = min(self._unkept, len(self._pending))
            if not self._pending and self._is_keeping:
                self.journal.remove()
                self._is_keeping = self._is_kept_badly = False
            if not self._pending and self._is_failing:
                self._is_failing = False
                logger.warning("the tracking store is back; all that was kept is written")
        return None

    def _note_failure(self, problem: Exception) -> None:
        """Once an outage: say so, and put all that waits into the journal."""
        if self._is_failing:
            return
        self._is_failing = True
        self._keep_pending()
        where = "in memory" if self._is_kept_badly else f"in {self.journal.path}"
        logger.warning(
            "the tracking store fails. The run goes on; what it logs is kept %s until the store is back (%s)",
            where,
            first_line(problem),
        )

    def _keep_pending(self) -> None:
        """From now on, until the queue is empty, all that waits stands in the journal as well."""
        with self._changed:
            if self._pending and not self._is_keeping:
                self._is_keeping, self._unkept = True, len(self._pending)
            self._keep_rest()

    def _keep_rest(self) -> None:
        """Put into the journal what is not there yet, and tell when that begins or ceases to fail; holds the lock."""
        if not self._unkept:
            return
        try:
            self.journal.keep(list(self._pending)[-self._unkept :])
        except OSError as error:
            if not self._is_kept_badly:
                logger.warning(
                    "cannot write %s (%s): the last %d entries that the tracking store did not take, and all that "
                    "follow, are in memory only, and lost if this process ends now. Make room for them",
                    self.journal.path,
                    error.strerror,
                    self._unkept,
                )
            self._is_kept_badly = True
            return
        self._unkept = 0
        if self._is_kept_badly:
            self._is_kept_badly = False
            logger.warning("%s can be written again, and holds all that was in memory only", self.journal.path)

    def _refuse(self, operation: Operation, error: Exception) -> None:
        """Keep what the store will never take beside the journal, and say so the first time."""
        kind = type(operation).__name__
        if self._refused == self._refused_lost == 0:
            logger.warning("the tracking store refused %s: %s", kind, first_line(error))
        try:
            self._refusals.keep([operation])
            self._refused += 1
        except OSError as problem:
            self._refused_lost += 1
            logger.warning("cannot write %s (%s): %s is lost", self._refusals.path, problem.strerror, kind)


def _is_refusal(error: Exception) -> bool:
    """Whether trying again is useless: a bad request, a run that was deleted, or a file that is gone."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST")
    return isinstance(error, FileNotFoundError)
