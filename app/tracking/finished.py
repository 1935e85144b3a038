"""Find what a finished run has left, such as the weights that another run starts from."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from app.tracking.clients import is_outage, open_client
from app.tracking.errors import TrackingError, first_line
from app.tracking.probing import probe
from app.tracking.store import Store, wanted_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Found

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def artifact_of_run(run_id: str, name: str = "model.pt", tracking_uri: str | None = None) -> Path:
    """The local path of an artifact of a finished run, downloaded when the store is elsewhere.

    Args:
        run_id: a run's id (32 hexadecimal digits) or its name.
        name: the artifact, relative to the run.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.

    Raises:
        TrackingError: no such run, more than one of that name, one that is not FINISHED, no such artifact, or no
            store; the message names finished runs.
    """
    store = wanted_store(tracking_uri)
    client, run = found_run(run_id, store)
    if run.info.status != "FINISHED":
        raise TrackingError(
            f"run {run.info.run_name} ({run.info.run_id}) is {run.info.status}, and only a FINISHED run can be "
            f"started from. {_finished_runs(client)}"
        )
    return download(client, store, run, name)


def found_run(wanted: str, store: Store) -> tuple[MlflowClient, Found]:
    """A run of any status by its id or name, with a client of its store.

    Raises:
        TrackingError: no such run, more than one of that name, or no store.
    """
    if store.database is not None and not store.database.exists():
        raise TrackingError(f"there is no run {wanted!r}: no tracking database {store.database}")
    problem = None if store.database is not None else probe(store.uri)
    if problem:
        raise TrackingError(f"cannot look up run {wanted!r}: tracking server {store.shown} does not answer ({problem})")
    try:
        client = open_client(store)
        return client, _find(client, store, wanted)
    except Exception as error:
        if not is_outage(error, store):
            raise
        raise TrackingError(
            f"cannot look up run {wanted!r}: tracking server {store.shown} fails ({first_line(error)})"
        ) from error


def _find(client: MlflowClient, store: Store, wanted: str) -> Found:
    """The one run of this id or name."""
    from mlflow.exceptions import MlflowException

    if _RUN_ID.fullmatch(wanted):
        try:
            return client.get_run(wanted)
        except MlflowException as error:
            raise TrackingError(f"there is no run {wanted!r} in {store.shown}. {_finished_runs(client)}") from error
    # The query language has no escape for its own quotes.
    runs = [] if "'" in wanted else _search(client, f"attributes.run_name = '{wanted}'", 1000)
    if len(runs) > 1:
        # A name that failed once and then finished means the one that finished.
        finished = [run for run in runs if run.info.status == "FINISHED"]
        if len(finished) == 1:
            return finished[0]
        ids = ", ".join(f"{run.info.run_id} ({run.info.status})" for run in runs[:5])
        raise TrackingError(f"{len(runs)} runs are named {wanted!r} in {store.shown}: give one id of {ids}")
    if not runs:
        raise TrackingError(f"there is no run {wanted!r} in {store.shown}. {_finished_runs(client)}")
    return runs[0]


def download(client: MlflowClient, store: Store, run: Found, name: str) -> Path:
    """The artifact as a local file; a store on this machine gives its own file, uncopied.

    Raises:
        TrackingError: the run has no such artifact, or it cannot be fetched.
    """
    from mlflow.exceptions import MlflowException

    place = urlsplit(run.info.artifact_uri)
    if store.database is not None and place.scheme == "mlflow-artifacts":
        raise TrackingError(
            f"run {run.info.run_name} ({run.info.run_id}) was logged through a tracking server, which keeps its "
            "artifacts: set MLFLOW_TRACKING_URI to that server"
        )
    folder = name.rpartition("/")[0]
    present = [entry.path for entry in client.list_artifacts(run.info.run_id, folder or None)]
    if name not in present:
        raise TrackingError(
            f"run {run.info.run_name} ({run.info.run_id}) has no artifact {name!r}; "
            f"it has: {', '.join(present) or 'none'}"
        )
    if place.scheme in ("", "file"):
        return Path(unquote(place.path)) / name
    try:
        return Path(client.download_artifacts(run.info.run_id, name, tempfile.mkdtemp(prefix="frugal-")))
    except (MlflowException, OSError) as error:
        raise TrackingError(f"cannot fetch {name!r} of run {run.info.run_name}: {error}") from error


def _finished_runs(client: MlflowClient) -> str:
    """The last finished runs, at most five, in one sentence."""
    runs = _search(client, "attributes.status = 'FINISHED'", 5)
    if not runs:
        return "No run has finished there."
    return "Finished runs: " + ", ".join(f"{run.info.run_name} ({run.info.run_id})" for run in runs) + "."


def _search(client: MlflowClient, query: str, most: int) -> list[Found]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    return list(client.search_runs(experiments, query, max_results=most, order_by=["attributes.start_time DESC"]))
