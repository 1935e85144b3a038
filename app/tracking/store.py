"""Where runs are kept: the MLflow store that is asked for, or a local one if its server does not answer."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.tracking.deadline import probe
from app.tracking.errors import TrackingError, without_credentials

logger = logging.getLogger(__name__)

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>[^?]*)(?P<query>\?.*)?$")
_NAMED = ("databricks", "databricks-uc", "uc")


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: MLflow's tracking URI, absolute if it names a file. It may hold credentials: never show it.
        intended: The store that was asked for but did not answer, without credentials; empty if this is that store.
    """

    uri: str
    intended: str = ""

    @property
    def shown(self) -> str:
        """The URI without credentials."""
        return without_credentials(self.uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for servers and other databases."""
        match = _SQLITE.match(self.uri)
        return Path(match["path"]) if match else None

    def artifact_location(self, experiment: str) -> str | None:
        """URI of the folder for the artifacts of a new experiment; None if the server decides.

        It lies beside the SQLite file, and is absolute so that ``mlflow ui`` finds it wherever it is started. Its name
        is not ``mlruns``, in which MLflow looks for old file stores.
        """
        if self.database is None:
            return None
        folder = re.sub(r"[^\w\- ]+", "_", experiment)
        return (self.database.parent / "mlartifacts" / folder).as_uri()

    def open_hint(self, experiment_id: str, run_id: str) -> str:
        """The command to type, or the address to open, to look at the run."""
        if self.uri.startswith(("http://", "https://")):
            # Without this word, MLflow 3 shows the menu of its pages for language models.
            return f"{self.shown.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
        if self.database == Path.cwd() / "mlflow.db":
            return "mlflow ui"
        return f"mlflow ui --backend-store-uri {self.shown}"


def choose_store(tracking_uri: str | None, folder: Path) -> Store:
    """The store to write to: the one asked for or, with a warning, a local one if its server does not answer.

    Raises:
        TrackingError: The address is wrong, or the database cannot be written.
    """
    store = requested_store(tracking_uri)
    if store.database is not None:
        _require_writable(store.database)
        return store
    problem = probe(store.uri)
    return store if problem is None else local_store(store, folder, problem)


def requested_store(tracking_uri: str | None) -> Store:
    """The store of ``MLFLOW_TRACKING_URI``, else of the argument, else ``mlflow.db`` in the working directory."""
    return store_of(os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri or "sqlite:///mlflow.db")


def store_of(tracking_uri: str) -> Store:
    """The store with this address; only its form is checked.

    Raises:
        TrackingError: It is a file store, which MLflow no longer writes, or an SQLite address without a file.

    Example:
        >>> store_of("sqlite:////projects/mlflow.db").database
        PosixPath('/projects/mlflow.db')
    """
    uri = tracking_uri.strip()
    scheme = urlsplit(uri).scheme
    if uri not in _NAMED and (scheme in ("", "file") or len(scheme) == 1):
        raise TrackingError(
            f"tracking URI {uri!r} is a file store, which MLflow no longer writes. Use a database "
            "(sqlite:///mlflow.db) or a server (http://host:5000), or unset MLFLOW_TRACKING_URI."
        )
    if not scheme.startswith("sqlite"):
        return Store(uri)
    match = _SQLITE.match(uri)
    if match is None or match["path"] in ("", ":memory:"):
        raise TrackingError(f"tracking URI {uri!r} names no file: use sqlite:///mlflow.db or sqlite:////dir/mlflow.db")
    # Absolute but not resolved, so that a link keeps the name that the user knows.
    return Store(f"{scheme}:///{Path.cwd() / match['path']}{match['query'] or ''}")


def local_store(requested: Store, folder: Path, problem: str) -> Store:
    """The SQLite store that stands in for a server, in the working directory or, if that is read-only, in a folder."""
    parent = Path.cwd() if os.access(Path.cwd(), os.W_OK) else folder.absolute()
    database = parent / "mlflow.db"
    logger.warning(
        "tracking server %s does not answer (%s). This run is kept in %s instead; nothing is lost.",
        requested.shown,
        problem,
        database,
    )
    return Store(f"sqlite:///{database}", intended=requested.shown)


def _require_writable(database: Path) -> None:
    """Refuse a database that cannot be written now, as MLflow would retry for minutes."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with database.open("ab"):
            pass
    except OSError as error:
        raise TrackingError(
            f"cannot write the tracking database {database}: {error.strerror}. Start from a folder that can be "
            "written, or set MLFLOW_TRACKING_URI."
        ) from error
