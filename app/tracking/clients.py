"""MLflow clients that neither chat nor fetch, on a database that is ready for several processes."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app.tracking.deadline import TimedClient
from app.tracking.errors import TrackingError
from app.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow reads these when it is imported or calls out. A person's own setting stays.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # Stock settings go on for four minutes after our deadline; our writer has its own, unhurried, retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def quiet_environment() -> None:
    """Keep MLflow from fetching, asking, telling others or chatting, also where MONAI has imported it already."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # mlflow sets its level and makes its telemetry client when it is imported, so import it here, then set ours.
    from mlflow.telemetry import set_telemetry_client

    set_telemetry_client()
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It tells of each of its retries, also of those of a call that nobody waits for any more.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def open_client(store: Store) -> MlflowClient:
    """A client of the store, whose database exists when this returns.

    Calls to a store elsewhere have a deadline (`app.tracking.deadline`), and raise TimeoutError.

    Two processes that make the tables of one fresh SQLite file can kill each other, so that step is taken under a lock.
    """
    quiet_environment()
    from mlflow import MlflowClient

    with _one_at_a_time(store):
        client = MlflowClient(tracking_uri=store.uri)
        if store.database is None:
            client = cast("MlflowClient", TimedClient(client, store.shown))
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
    if store.database is not None and found.artifact_location.startswith("mlflow-artifacts:"):
        # A server on this same database made it and serves its artifacts; without the server nobody can write there.
        return experiment_id(client, store, f"{name} (local)")
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


def is_outage(error: Exception, store: Store) -> bool:
    """Whether a store elsewhere failed in a way that a local one is the remedy for; a refusal must be seen instead."""
    from mlflow.exceptions import MlflowException

    if store.database is not None or isinstance(error, TrackingError):
        return False
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500
    return isinstance(error, OSError)
