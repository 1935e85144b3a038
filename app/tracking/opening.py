"""Open a run: find its store, end the runs whose process is gone, and create a run or resume an earlier one."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.tracking.abandoned import is_gone, is_on_this_host, process_tags, sweep
from app.tracking.clients import experiment_id, is_outage, open_client
from app.tracking.errors import TrackingError, first_line
from app.tracking.journal import journal_path, replay
from app.tracking.operations import Batch
from app.tracking.store import Store, choose_store, local_store
from app.tracking.version_tags import version_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """The run that is asked for; see `app.tracking.run.Run`.

    Attributes:
        is_abandoned: The run to resume was the last to hold the lock of the folder, and no longer holds it.
    """

    experiment: str
    name: str
    tracking_uri: str | None
    folder: Path
    resume: str | None
    is_abandoned: bool = False


@dataclass(frozen=True)
class Opened:
    """A run whose status is RUNNING, with a client of its store.

    Attributes:
        parameters: Those that a resumed run has logged before; MLflow lets none of them change.
    """

    client: MlflowClient
    store: Store
    experiment_id: str
    id: str
    name: str
    parameters: dict[str, str]


def open_run(wish: Wish) -> Opened:
    """Open a run in the store that is asked for or, if its server fails, in a local one.

    Raises:
        TrackingError: The store cannot be used, or the run to resume is still at work.
    """
    store = choose_store(wish.tracking_uri, wish.folder)
    try:
        return _open_in(store, wish)
    except Exception as error:
        # The server answered the first question, and failed afterwards.
        if not is_outage(error, store):
            raise
        return _open_in(local_store(store, wish.folder, first_line(error)), wish)


def _open_in(store: Store, wish: Wish) -> Opened:
    client = open_client(store)
    swept = sweep(client)
    if swept:
        logger.warning("%d runs whose process is gone are now KILLED: %s", len(swept), ", ".join(swept))
    tags = version_tags() | process_tags()
    if store.intended:
        tags["frugal.intended_store"] = store.intended
    if wish.resume:
        earlier = _earlier(client, wish.resume)
        if earlier is not None:
            return _resume(client, store, wish, earlier, tags)
        # It is on a server that is away, or was deleted, or is in another store.
        tags["frugal.resumes"] = wish.resume
        logger.warning("run %s cannot be resumed in %s: a new run is opened", wish.resume, store.shown)
    experiment = experiment_id(client, store, wish.experiment)
    name = _free_name(client, experiment, wish.name)
    run = client.create_run(experiment, tags=tags, run_name=name)
    _name_journals(wish.folder)
    return Opened(client, store, experiment, run.info.run_id, name, {})


def _free_name(client: MlflowClient, experiment: str, name: str) -> str:
    """The name, with a number in parentheses if a run of the experiment has it; a run that failed makes way for it."""
    start = name.partition("'")[0]  # the query language cannot escape its own quotes
    runs = client.search_runs([experiment], f"attributes.run_name LIKE '{start}%'", max_results=1000)
    taken = {run.info.run_name for run in runs if run.info.status in ("FINISHED", "RUNNING")}
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _earlier(client: MlflowClient, run_id: str) -> MlflowRun | None:
    """The run to resume; None if the store does not have it, or has deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return None if run.info.lifecycle_stage == "deleted" else run


def _resume(client: MlflowClient, store: Store, wish: Wish, run: MlflowRun, tags: dict[str, str]) -> Opened:
    """Set an earlier run, which ended or whose process is gone, to RUNNING again."""
    run_id = run.info.run_id
    if run.info.status == "RUNNING" and _is_at_work(run.data.tags, wish):
        raise TrackingError(
            f"run {run_id} is still at work as process {run.data.tags['frugal.pid']} on "
            f"{run.data.tags.get('frugal.host', 'another host')}: it cannot be resumed now"
        )
    if store.database is not None and run.info.artifact_uri.startswith("mlflow-artifacts:"):
        raise TrackingError(f"run {run_id} was logged through a tracking server: set MLFLOW_TRACKING_URI to resume it")
    if (journal := journal_path(wish.folder, run_id)).exists():
        replay(journal, client, store)
    if "error" in run.data.tags:
        # It told how the earlier part ended.
        client.delete_tag(run_id, "error")
    client.update_run(run_id, status="RUNNING")
    Batch(tags=tags).write(client, run_id)
    return Opened(client, store, run.info.experiment_id, run_id, run.info.run_name, dict(run.data.params))


def _is_at_work(tags: Mapping[str, str], wish: Wish) -> bool:
    """Whether the process of a RUNNING run may be alive; on another host, the folder's lock tells."""
    if "frugal.pid" not in tags or is_gone(tags):
        return False
    return is_on_this_host(tags) or not wish.is_abandoned


def _name_journals(folder: Path) -> None:
    """Name the journals of earlier runs: one that was killed in an outage could not name its own."""
    for path in sorted(folder.glob("tracking-*.jsonl")):
        if not path.name.endswith(".refused.jsonl"):
            logger.warning("an earlier run could not write everything; upload the rest with: frugal sync %s", path)
