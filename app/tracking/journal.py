"""A file of JSON lines that holds what a tracking store could not take: a head, then operations."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.tracking.errors import TrackingError, first_line
from app.tracking.operations import Operation, from_line, to_line
from app.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)


class Journal:
    """Appends operations to a file that is made when the first one comes.

    A disk that takes nothing is reported and ends no training: the operations are still in memory.

    Args:
        path: the file.
        head: its first line: ``run`` and ``store`` say where the operations belong.
    """

    def __init__(self, path: Path, head: Mapping[str, str]) -> None:
        self.path = path
        self._head = dict(head)

    def keep(self, operations: Iterable[Operation]) -> None:
        """Append operations, after the head in a new file."""
        lines = [to_line(operation) for operation in operations]
        try:
            if not self.path.exists():
                lines.insert(0, json.dumps(self._head))
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            logger.warning("cannot write %s: %s; it is kept in memory only", self.path, error.strerror)

    def remove(self) -> None:
        """Remove the file, everything in it being written."""
        self.path.unlink(missing_ok=True)


def read_head(path: Path) -> dict[str, str]:
    """Which run (``run``) of which store (``store``) a journal belongs to.

    Raises:
        TrackingError: the file is no journal.
    """
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(file.readline())
        return {"run": str(head["run"]), "store": str(head["store"])}
    except (ValueError, KeyError, TypeError) as error:
        raise TrackingError(f"{path} is no file of kept tracking operations") from error


def replay(path: Path, client: MlflowClient, store: Store) -> int:
    """Write a journal's operations to their run, then remove the file.

    Returns:
        How many operations were written; files that are gone since are named in the log and left out.

    Raises:
        TrackingError: a line is damaged or the store refuses one; the file stays, and can be replayed again, as
            writing an operation twice changes nothing.
    """
    from mlflow.exceptions import MlflowException

    run_id = read_head(path)["run"]
    written = 0
    for number, operation in _operations(path):
        try:
            operation.write(client, run_id)
            written += 1
        except FileNotFoundError as error:
            logger.warning("%s, line %d: %s; left out", path, number, error)
        except MlflowException as error:
            raise TrackingError(f"{path}, line {number}: {store.shown} did not take it: {first_line(error)}") from error
    path.unlink()
    return written


def _operations(path: Path) -> list[tuple[int, Operation]]:
    """All operations of a journal with their line numbers, read before the first is written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    operations = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            operations.append((number, from_line(line)))
        except ValueError as error:
            # Only a death while writing cuts a line short, and then it is the last one.
            if number != len(lines):
                raise TrackingError(f"{path}, line {number}: {error}") from error
            logger.warning("%s: the last line is cut short and is left out", path)
    return operations
