"""MLflow clients: quiet, limited in time, and safe for several processes on one new database."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app.garbage import without_garbage_collection
from app.tracking.deadline import TimedClient, probe
from app.tracking.errors import TrackingError, first_line
from app.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow reads these when it is imported or calls a server. The user's own settings stay.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # By default MLflow retries for four minutes; our writer has retries of its own.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


EXPERIMENT_TAGS = {
    # MLflow's own values: its pages are then those for trained models, and its charts begin with this metric.
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": "auc",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
}


def quiet_environment() -> None:
    """Switch off MLflow's telemetry, downloads and messages, even if MONAI has imported MLflow already."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Importing MLflow sets its log level and makes its telemetry client, so import it before changing them.
    from mlflow.telemetry import set_telemetry_client

    set_telemetry_client()
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It would report every retry, even of calls that nobody waits for any more.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def open_client(store: Store) -> MlflowClient:
    """A client of the store, whose database tables exist when this returns.

    Calls to a store that is no local file have time limits (`app.tracking.deadline`), and raise TimeoutError.
    """
    with without_garbage_collection(), _one_at_a_time(store):
        quiet_environment()
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=store.uri)
        if store.database is None:
            client = cast("MlflowClient", TimedClient(client, store.shown))
        client.search_experiments(max_results=1)
    return client


@contextmanager
def reached(store: Store, consequence: str) -> Iterator[MlflowClient]:
    """Yield a client of a store that nothing can stand in for.

    Raises:
        TrackingError: The store's server does not answer, or fails during the block; ends with ``consequence``.
    """
    problem = None if store.database is not None else probe(store.uri)
    if problem:
        raise TrackingError(f"tracking server {store.shown} does not answer ({problem}): {consequence}")
    try:
        yield open_client(store)
    except Exception as error:
        if not is_outage(error, store):
            raise
        raise TrackingError(f"tracking server {store.shown} fails ({first_line(error)}): {consequence}") from error


def experiment_id(client: MlflowClient, store: Store, name: str) -> str:
    """The id of an experiment, which is made if it does not exist.

    Raises:
        TrackingError: It was deleted in the UI, so that MLflow accepts no runs for it.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, store.artifact_location(name), tags=EXPERIMENT_TAGS)
        except MlflowException:
            # Another process may have made it in the meantime.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if store.database is not None and experiment.artifact_location.startswith("mlflow-artifacts:"):
        # A server on the same database made it; only that server can write its artifacts.
        return experiment_id(client, store, f"{name} (local)")
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {name!r} was deleted in {store.shown}: restore it with "
            f"'mlflow experiments restore --experiment-id {experiment.experiment_id}' or choose another name."
        )
    return experiment.experiment_id


def is_outage(error: Exception, store: Store) -> bool:
    """Whether a server failed, rather than refused; a refusal must be shown to the user."""
    from mlflow.exceptions import MlflowException

    if store.database is not None or isinstance(error, TrackingError):
        return False
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500
    return isinstance(error, OSError)


@contextmanager
def _one_at_a_time(store: Store) -> Iterator[None]:
    """Hold a lock beside an SQLite file: one of two processes that make tables in a new file can die."""
    if store.database is None:
        yield
        return
    with Path(f"{store.database}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
