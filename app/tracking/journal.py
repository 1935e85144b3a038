"""The journal of an outage: a file of JSON lines with what a tracking store did not take, for ``frugal sync``."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.atomic import write_whole
from app.tracking.clients import reached
from app.tracking.errors import TrackingError, first_line
from app.tracking.operations import Operation, from_line, to_line
from app.tracking.store import Store, requested_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

_NAME = re.compile(r"tracking-(?P<run>[0-9a-f]{32})\.(refused\.)?jsonl")


def journal_path(folder: Path, run_id: str) -> Path:
    """The file in a run's output folder for what its store does not take."""
    return folder.absolute() / f"tracking-{run_id}.jsonl"


class Journal:
    """A file that is always replaced as a whole, so that a full disk or a power failure leaves the version before.

    Args:
        path: See `journal_path`.
        head: The first line: ``run`` and ``store`` tell where the operations belong.
    """

    def __init__(self, path: Path, head: Mapping[str, str]) -> None:
        self.path = path
        self.head = dict(head)

    def write(self, operations: Iterable[Operation]) -> None:
        """Replace the file by one with these operations.

        Raises:
            OSError: It could not be written; the file before is intact.
        """
        write_whole(self.path, "\n".join([json.dumps(self.head), *map(to_line, operations), ""]))

    def remove(self) -> None:
        """Remove the file, as the store has everything; if it remains, uploading it changes nothing."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def read_journal(path: Path) -> tuple[dict[str, str], dict[int, Operation], list[int]]:
    """Read the lines of a journal that are not damaged.

    Returns:
        The head, whose ``store`` is empty if its line is damaged; operations by line number; numbers of damaged lines.

    Raises:
        TrackingError: The file is no journal: neither its first line nor its name tells of a run.
    """
    first, *lines = path.read_bytes().split(b"\n")
    damaged = []
    try:
        head = {name: str(json.loads(first)[name]) for name in ("run", "store")}
    except (ValueError, KeyError, TypeError):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise TrackingError(f"{path} is no journal of a tracking outage: its first line names no run") from None
        head = {"run": name["run"], "store": ""}
        damaged.append(1)
    operations = {}
    for number, line in enumerate(lines, start=2):
        try:
            if line:
                operations[number] = from_line(line)
        except ValueError:
            damaged.append(number)
    return head, operations, damaged


def replay(path: Path, client: MlflowClient, store: Store) -> int:
    """Write the operations of a journal to their run, then remove the file, or rename it if it has damaged lines.

    Returns:
        How many operations were written. Artifacts whose files are gone are left out, with a warning each.

    Raises:
        TrackingError: The file is no journal, or the store does not take a line; the file stays.
    """
    from mlflow.exceptions import MlflowException

    head, operations, damaged = read_journal(path)
    written = 0
    for number, operation in operations.items():
        try:
            operation.write(client, head["run"])
            written += 1
        except FileNotFoundError as error:
            logger.warning("%s, line %d: %s; left out", path, number, error)
        except (MlflowException, OSError) as error:
            raise TrackingError(f"{path}, line {number}: {store.shown} did not take it: {first_line(error)}") from error
    if not damaged:
        path.unlink()
        return written
    aside = path.replace(path.with_name(f"{path.name}.damaged"))
    logger.warning(
        "%s: damaged lines, whose content is lost: %s. The other %d entries are written to run %s. The file is now %s",
        path,
        ", ".join(map(str, damaged)),
        written,
        head["run"],
        aside.name,
    )
    return written


def sync(path: Path, tracking_uri: str | None = None) -> int:
    """Upload a journal to its run, then remove it.

    Args:
        path: The journal.
        tracking_uri: Used if ``MLFLOW_TRACKING_URI`` is not set; by default the store that the journal names, which
            is without credentials.

    Returns:
        How many operations were written. Uploading a copy again changes nothing.

    Raises:
        FileNotFoundError: There is no such file.
        TrackingError: The file is no journal or names no store, or the store does not take it; the file stays.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or read_journal(path)[0]["store"]
    if not uri:
        raise TrackingError(f"{path} is damaged and does not name its run's store: give it with --tracking_uri URI")
    store = requested_store(uri)
    with reached(store, f"{path} is kept") as client:
        return replay(path, client, store)
