"""Upload what a run could not write because its tracking server had gone."""

from __future__ import annotations

from pathlib import Path

from app.tracking.clients import open_client
from app.tracking.errors import TrackingError
from app.tracking.journal import read_head, replay
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
        TrackingError: the file is none of ours, its store does not answer, or its run is gone; the file stays.
    """
    store = wanted_store(tracking_uri or read_head(path)["store"])
    problem = None if store.database is not None else probe(store.uri)
    if problem:
        raise TrackingError(f"tracking server {store.shown} does not answer ({problem}); {path} is kept")
    return replay(path, open_client(store), store)
