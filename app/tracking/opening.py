"""Open a run: find its store, end the runs whose process is gone, and create the run or take up an earlier one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.tracking.clients import experiment_id, is_outage, open_client
from app.tracking.errors import TrackingError, first_line
from app.tracking.facts import facts
from app.tracking.journal import replay
from app.tracking.operations import Tags
from app.tracking.process import identity, is_gone, is_here, sweep
from app.tracking.store import Store, choose_store, local_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Found

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """The run that is asked for; see `app.tracking.run.Run`.

    Attributes:
        is_abandoned: the run to resume was the last to hold the lock of its folder, which was free.
    """

    experiment: str
    name: str
    tracking_uri: str | None
    folder: Path
    resume: str | None
    is_abandoned: bool = False


@dataclass(frozen=True)
class Opened:
    """A run that says RUNNING, and where it is.

    Attributes:
        client: of ``store``.
        store: where the run is.
        experiment_id: of the run.
        id: of the run.
        name: of the run.
        parameters: what an earlier part of a resumed run has logged; MLflow lets none of it change.
    """

    client: MlflowClient
    store: Store
    experiment_id: str
    id: str
    name: str
    parameters: dict[str, str]


def open_run(wish: Wish) -> Opened:
    """Open it in the store that is wanted or, when that one does not answer, in a local one.

    Raises:
        TrackingError: the store cannot be used, or the run to resume is still at work.
    """
    store = choose_store(wish.tracking_uri, wish.folder)
    try:
        return _open_in(store, wish)
    except Exception as error:
        # It answered when asked, and fails in use: the same remedy.
        if not is_outage(error, store):
            raise
        return _open_in(local_store(store, wish.folder, first_line(error)), wish)


def journal_of(folder: Path, run_id: str) -> Path:
    """The file in a run's output folder for what its store could not take."""
    return folder.absolute() / f"tracking-{run_id}.jsonl"


def _open_in(store: Store, wish: Wish) -> Opened:
    """Open the run in this store."""
    client = open_client(store)
    _sweep(client)
    tags = facts() | identity()
    if store.intended:
        tags["frugal.intended_store"] = store.intended
    if wish.resume:
        earlier = _earlier(client, store, wish.resume)
        if earlier is not None:
            return _take_up(client, store, wish, earlier, tags)
        # It is where nobody answers, or was deleted, or this is another store: what follows is a run of its own.
        tags["frugal.resumes"] = wish.resume
        logger.warning("run %s cannot be gone on with in %s: a new run is opened", wish.resume, store.shown)
    experiment = experiment_id(client, store, wish.experiment)
    run = client.create_run(experiment, tags=tags, run_name=wish.name)
    _tell_of_leftovers(wish.folder)
    return Opened(client, store, experiment, run.info.run_id, wish.name, {})


def _earlier(client: MlflowClient, store: Store, wanted: str) -> Found | None:
    """The run to go on with; None where the store has none of this id, or has deleted it.

    Raises:
        TrackingError: the store refuses to tell.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(wanted)
    except MlflowException as error:
        if is_outage(error, store):
            raise
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise TrackingError(f"{store.shown} does not give run {wanted} to resume: {first_line(error)}") from error
    return None if run.info.lifecycle_stage == "deleted" else run


def _take_up(client: MlflowClient, store: Store, wish: Wish, run: Found, tags: dict[str, str]) -> Opened:
    """Go on with an earlier run of this store whose process is gone or which ended."""
    wanted = run.info.run_id
    if run.info.status == "RUNNING" and _is_at_work(run.data.tags, wish):
        raise TrackingError(
            f"run {wanted} is still at work as process {run.data.tags['frugal.pid']} on "
            f"{run.data.tags.get('frugal.host', 'another host')}: it cannot be resumed now"
        )
    if store.database is not None and run.info.artifact_uri.startswith("mlflow-artifacts:"):
        raise TrackingError(f"run {wanted} was logged through a tracking server: set MLFLOW_TRACKING_URI to resume it")
    journal = journal_of(wish.folder, wanted)
    if journal.exists():
        replay(journal, client, store)
    if "error" in run.data.tags:
        # It told how the part before ended.
        client.delete_tag(wanted, "error")
    client.update_run(wanted, status="RUNNING")
    Tags(tags).write(client, wanted)
    return Opened(client, store, run.info.experiment_id, wanted, run.info.run_name, dict(run.data.params))


def _is_at_work(tags: Mapping[str, str], wish: Wish) -> bool:
    """Whether a run that says RUNNING may have a living process; of another host, its folder's lock tells."""
    if "frugal.pid" not in tags or is_gone(tags):
        return False
    return is_here(tags) or not wish.is_abandoned


def _sweep(client: MlflowClient) -> None:
    swept = sweep(client)
    if swept:
        logger.warning("%d runs whose process is gone are now KILLED: %s", len(swept), ", ".join(swept))


def _tell_of_leftovers(folder: Path) -> None:
    """A process killed during an outage could not say where it kept what it had logged; say it now."""
    for path in sorted(folder.glob("tracking-*.jsonl")):
        if not path.name.endswith(".refused.jsonl"):
            logger.warning("an earlier run could not write all it logged; upload it with: frugal sync %s", path)
