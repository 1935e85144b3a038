"""Where runs are kept: which MLflow store, whether it answers, and a database that is ready for several processes."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

PROBE_SECONDS = 3.0
"""How long a tracking server may take to answer before it counts as unreachable."""

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>[^?]*)(?P<query>\?.*)?$")
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_NAMED = ("databricks", "databricks-uc", "uc")

# MLflow reads these when it is imported or calls out. A person's own setting stays.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # Stock settings keep a caller waiting for four minutes; our writer has its own, unhurried, retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class TrackingError(RuntimeError):
    """A tracking store or a run cannot be used; the message says what to do."""


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
        return (self.database.parent / "mlartifacts" / quote(experiment, safe=" ")).as_uri()

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
    uri = (os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri or "sqlite:///mlflow.db").strip()
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


def probe(uri: str) -> str | None:
    """Ask once, for at most `PROBE_SECONDS`, whether a server or a database server answers.

    Returns:
        None when it answers or cannot be asked (Databricks and other plugins), else what is wrong in a few words.

    Raises:
        TrackingError: the server answers that we may not enter.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return _probe_http(uri)
    port = parts.port or _PORTS.get(parts.scheme.split("+")[0])
    if parts.hostname is None or port is None:
        return None
    try:
        socket.create_connection((parts.hostname, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        return str(error)
    return None


def _probe_http(uri: str) -> str | None:
    """`probe` for a tracking server; whatever it answers short of a gateway's error shows that it is there."""
    address = without_credentials(uri).rstrip("/") + "/health"
    try:
        urllib.request.urlopen(address, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # Anything but a server's own failure is left to MLflow, which holds the credentials.
        return f"HTTP {error.code} {error.reason}" if error.code >= 500 else None
    except urllib.error.URLError as error:
        return _unless_certificate(error)
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _unless_certificate(error: urllib.error.URLError) -> str | None:
    """A certificate that we do not trust still shows a server; MLflow's own TLS settings decide about it."""
    return None if "CERTIFICATE" in str(error.reason) else str(error.reason)


def without_credentials(uri: str) -> str:
    """The URI without user name, password and query, fit for logs and tags."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


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


def quiet_environment() -> None:
    """Set what keeps MLflow from fetching, asking, telling others or chatting; call before mlflow is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # mlflow sets its own level when it is imported, so import it here, then set ours.
    import mlflow  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def open_client(store: Store) -> MlflowClient:
    """A client of the store, whose database exists when this returns.

    Two processes that make the tables of one fresh SQLite file can kill each other, so that step is taken under a lock.
    """
    quiet_environment()
    from mlflow import MlflowClient

    with _one_at_a_time(store):
        client = MlflowClient(tracking_uri=store.uri)
        client.search_experiments(max_results=1)
    return client


def experiment_id(client: MlflowClient, store: Store, name: str) -> str:
    """The id of an experiment, made when there is none.

    Raises:
        TrackingError: the experiment was deleted in the UI, so that MLflow takes no runs for it.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=store.artifact_location(name))
        except MlflowException:
            # Another process may have made it since we looked.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {name!r} was deleted in {store.shown}: restore it with "
            f"'mlflow experiments restore --experiment-id {found.experiment_id}' or choose another name."
        )
    return found.experiment_id


@contextmanager
def _one_at_a_time(store: Store) -> Iterator[None]:
    """Hold a lock file beside a SQLite database; servers keep their own order."""
    if store.database is None:
        yield
        return
    with Path(f"{store.database}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
