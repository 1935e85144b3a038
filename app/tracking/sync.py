"""Upload what a run could not write because its tracking server had gone."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from app.tracking.operations import from_line
from app.tracking.store import TrackingError, open_client, probe, wanted_store

logger = logging.getLogger(__name__)


def sync(path: Path, tracking_uri: str | None = None) -> int:
    """Write the operations kept in a ``tracking-<run>.jsonl`` file to its run, then remove the file.

    Writing an operation twice changes nothing, so a sync that was interrupted can simply be repeated.

    Args:
        path: the file, as named when the run ended.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default the store named in the file.

    Returns:
        How many operations were written.

    Raises:
        TrackingError: the file is none of ours, its store does not answer, or its run is gone; the file stays.
    """
    from mlflow.exceptions import MlflowException

    lines = path.read_text(encoding="utf-8").splitlines()
    head = _head(path, lines)
    store = wanted_store(tracking_uri or head["store"])
    problem = None if store.database is not None else probe(store.uri)
    if problem:
        raise TrackingError(f"tracking server {store.shown} does not answer ({problem}); {path} is kept")
    client = open_client(store)
    written = 0
    for number, line in enumerate(lines[1:], start=2):
        try:
            operation = from_line(line)
        except ValueError:
            # Only the process's death while writing cuts a line, and that can only be the last one.
            if number != len(lines):
                raise TrackingError(f"{path}, line {number} is damaged; {written} operations were written") from None
            logger.warning("%s: the last line is cut short and is left out", path)
            continue
        try:
            operation.write(client, head["run"])
            written += 1
        except FileNotFoundError as error:
            logger.warning("%s, line %d: %s; left out", path, number, error)
        except MlflowException as error:
            raise TrackingError(
                f"{path}, line {number}: {store.shown} refused it: {error}; the file is kept"
            ) from error
    path.unlink()
    return written


def _head(path: Path, lines: list[str]) -> dict[str, str]:
    """The first line, which says which run of which store the others belong to."""
    try:
        head = json.loads(lines[0])
        return {"run": str(head["run"]), "store": str(head["store"])}
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise TrackingError(f"{path} is no file of kept tracking operations") from error
