"""Upload what a run could not write because its tracking server had gone."""

from __future__ import annotations

import os
from pathlib import Path

from app.tracking.clients import is_outage, open_client
from app.tracking.errors import TrackingError, first_line
from app.tracking.journal import read_journal, replay
from app.tracking.probing import probe
from app.tracking.store import wanted_store


def sync(path: Path, tracking_uri: str | None = None) -> int:
    """Write the operations kept in a ``tracking-<run>.jsonl`` file to its run, then remove the file.

    Args:
        path: the file, as named when the run ended.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default the store named in the file, which holds
            no credentials.

    Returns:
        How many operations were written.

    Raises:
        FileNotFoundError: there is no such file.
        TrackingError: the file is none of ours or names no store, its store does not answer, or its run is gone; the
            file stays.
    """
    named = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or read_journal(path).store
    if not named:
        raise TrackingError(
            f"{path} is damaged and does not say which store its run is in: name it with --tracking_uri URI"
        )
    store = wanted_store(named)
    problem = None if store.database is not None else probe(store.uri)
    if problem:
        raise TrackingError(f"tracking server {store.shown} does not answer ({problem}); {path} is kept")
    try:
        client = open_client(store)
    except Exception as error:
        if not is_outage(error, store):
            raise
        raise TrackingError(f"tracking server {store.shown} fails ({first_line(error)}); {path} is kept") from error
    return replay(path, client, store)
