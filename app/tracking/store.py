"""Where runs are kept: which MLflow store, whether it answers, and a database that is ready for several processes."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.tracking.errors import TrackingError, without_credentials
from app.tracking.probing import probe

logger = logging.getLogger(__name__)

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>[^?]*)(?P<query>\?.*)?$")
_NAMED = ("databricks", "databricks-uc", "uc")


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: what MLflow is given; absolute where it names a file. May hold credentials: never show it.
        intended: the store that was wanted but did not answer, without credentials; empty when this is the one wanted.
    """

    uri: str
    intended: str = ""

    @property
    def shown(self) -> str:
        """``uri`` without user name and password."""
        return without_credentials(self.uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file, or None for servers and other databases."""
        match = _SQLITE.match(self.uri)
        return Path(match["path"]) if match else None

    def artifact_location(self, experiment: str) -> str | None:
        """Where the artifacts of a new experiment go, as a URI; None leaves it to the server.

        Beside the SQLite file, as an absolute path, so that ``mlflow ui`` serves the pictures from wherever it is
        started; not in ``mlruns``, which MLflow searches for the file stores of old.
        """
        if self.database is None:
            return None
        # Two experiments may share a folder: below it, each run has its own.
        folder = re.sub(r"[^\w\- ]+", "_", experiment)
        return (self.database.parent / "mlartifacts" / folder).as_uri()

    def open_hint(self, experiment_id: str, run_id: str) -> str:
        """What a person types, or the address they open, to see the run."""
        if self.uri.startswith(("http://", "https://")):
            return f"{self.shown.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
        if self.database == Path.cwd() / "mlflow.db":
            return "mlflow ui"
        return f"mlflow ui --backend-store-uri {self.shown}"


def choose_store(tracking_uri: str | None, folder: Path) -> Store:
    """Find the store to write to: ``MLFLOW_TRACKING_URI``, else the argument, else ``mlflow.db`` in this folder.

    Args:
        tracking_uri: an MLflow tracking URI, or None for the default.
        folder: where the local store goes when the wanted one is unreachable and the working directory read-only.

    Returns:
        The store wanted or, with one warning, a local SQLite store when that one does not answer.

    Raises:
        TrackingError: for file stores (MLflow has given them up), in-memory databases, a server that refuses our
            credentials, or a database in a folder that cannot be written.
    """
    wanted = wanted_store(tracking_uri)
    if wanted.database is not None:
        _require_writable(wanted.database)
        return wanted
    problem = probe(wanted.uri)
    if problem is None:
        return wanted
    return local_store(wanted, folder, problem)


def wanted_store(tracking_uri: str | None) -> Store:
    """The store that environment, argument or default name, checked in form but not reached."""
    return store_of(os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri or "sqlite:///mlflow.db")


def store_of(tracking_uri: str) -> Store:
    """The store that an address names, checked in form but not reached.

    Raises:
        TrackingError: a file store, or an SQLite address without a file.
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
        raise TrackingError(
            f"tracking URI {uri!r} names no file: use sqlite:///mlflow.db or sqlite:////folder/mlflow.db"
        )
    # Absolute but not resolved: a link stays the name that a person knows.
    path = Path.cwd() / match["path"]
    return Store(f"{scheme}:///{path}{match['query'] or ''}")


def local_store(wanted: Store, folder: Path, problem: str) -> Store:
    """The SQLite store used instead of one that does not answer, announced by one warning."""
    place = Path.cwd() if os.access(Path.cwd(), os.W_OK) else folder.absolute()
    store = Store(f"sqlite:///{place / 'mlflow.db'}", intended=wanted.shown)
    logger.warning(
        "tracking server %s does not answer (%s). This run is kept in %s instead; nothing is lost.",
        wanted.shown,
        problem,
        place / "mlflow.db",
    )
    return store


def _require_writable(database: Path) -> None:
    """Refuse a database that could not be written, before MLflow retries for minutes."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with database.open("ab"):
            pass
    except OSError as error:
        raise TrackingError(
            f"cannot write the tracking database {database}: {error.strerror}. Start from a folder that can be "
            "written, or set MLFLOW_TRACKING_URI."
        ) from error
