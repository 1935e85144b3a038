"""The operations that a tracking store has not taken yet, in memory and, during an outage, in the journal as well."""

from __future__ import annotations

import logging
from collections import deque

from app.tracking.journal import Journal
from app.tracking.operations import Operation

logger = logging.getLogger(__name__)


class Pending:
    """A queue of operations, oldest first. Its users hold a lock, as it has none.

    Args:
        journal: Holds the operations of an outage, so that even ``kill -9`` loses none of them.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.unkept = 0
        """How many of the last operations are in memory only."""
        self._operations: deque[Operation] = deque()
        self._is_outage = False

    def __len__(self) -> int:
        """How many operations wait."""
        return len(self._operations)

    @property
    def first(self) -> Operation:
        """The oldest operation."""
        return self._operations[0]

    def append(self, operation: Operation) -> None:
        """Add an operation, in an outage to the journal as well."""
        self._operations.append(operation)
        self.unkept += 1
        if self._is_outage:
            self.keep()

    def remove_first(self) -> None:
        """Remove the oldest operation, which is written; with the last one, the outage ends and the journal goes."""
        self._operations.popleft()
        self.unkept = min(self.unkept, len(self._operations))
        if self._is_outage and not self._operations:
            self.journal.remove()
            self._is_outage = False

    def keep(self) -> None:
        """Put all operations into the journal, and from now on those that follow; warn if that fails."""
        self._is_outage = bool(self._operations)
        if not self.unkept:
            return
        try:
            self.journal.write(self._operations)
        except OSError as error:
            logger.warning(
                "cannot write %s (%s): the last %d entries that the tracking store did not take are in memory only, "
                "and lost if this process ends now. Free some disk space",
                self.journal.path,
                error.strerror,
                self.unkept,
            )
        else:
            self.unkept = 0

    def report(self) -> None:
        """Warn of what the store did not take by the end of the run: what is lost, and what can be uploaded."""
        path, sentences = self.journal.path, []
        if self.unkept:
            sentences.append(
                f"{path} could not be written: the last {self.unkept} entries of the run, its status among them, are "
                f"lost. The files that it wrote are still in {path.parent}."
            )
        if path.exists():
            sentences.append(f"What can be saved is kept in {path}; upload it later with: frugal sync {path}")
        if sentences:
            store = self.journal.head["store"]
            logger.warning("the tracking store %s did not take everything. %s", store, " ".join(sentences))
