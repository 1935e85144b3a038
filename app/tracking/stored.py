"""Runs of any status as they stand in a store: what they logged, and what is added to them afterwards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from app.files.records import read_record
from app.tracking.errors import TrackingError, first_line
from app.tracking.finished import download, found_run
from app.tracking.names import clean
from app.tracking.run import RUN_FILE
from app.tracking.store import Store, wanted_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Found

HEAD_REMEDY = "Remove the file: the results beside it stay, but no longer belong to a run in MLflow."


@dataclass(frozen=True)
class StoredRun:
    """A run in a store that answers.

    Attributes:
        id: 32 hexadecimal digits.
        name: of the run.
        experiment: its experiment's name.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: seconds since 1970.
        seconds: from start to end; NaN while it runs.
        parameters: as logged, nested names dotted.
        tags: as set.
        metrics: the last value of each.
    """

    id: str
    name: str
    experiment: str
    status: str
    started: float
    seconds: float
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    _client: MlflowClient
    _store: Store
    _found: Found

    def artifacts(self, folder: str = "") -> tuple[str, ...]:
        """Paths, relative to the run, of the files in a folder of its artifacts."""
        entries = self._client.list_artifacts(self.id, folder or None)
        return tuple(entry.path for entry in entries if not entry.is_dir)

    def artifact(self, name: str) -> Path:
        """The local path of an artifact, downloaded when the store is elsewhere.

        Raises:
            TrackingError: there is none of that name, or it cannot be fetched.
        """
        return download(self._client, self._store, self._found, name)

    def add(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log values of metrics (step 0) and set tags, also of a run that has ended.

        Raises:
            TrackingError: the store refuses.
        """
        from mlflow.entities import Metric, RunTag
        from mlflow.exceptions import MlflowException

        now = time.time_ns() // 1_000_000
        values = [Metric(clean(name), float(value), now, 0) for name, value in metrics.items()]
        try:
            for start in range(0, len(values), 1000):
                self._client.log_batch(self.id, metrics=values[start : start + 1000])
            self._client.log_batch(self.id, tags=[RunTag(name, value[:5000]) for name, value in tags.items()])
        except (MlflowException, OSError) as error:
            raise TrackingError(f"nothing more can be logged to run {self.name}: {first_line(error)}") from error

    def add_artifact(self, path: Path, folder: str) -> None:
        """Copy a file into ``folder`` of the run's artifacts, also of a run that has ended.

        Raises:
            TrackingError: the store refuses.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.log_artifact(self.id, str(path), str(PurePosixPath(folder)))
        except (MlflowException, OSError) as error:
            raise TrackingError(f"{path.name} cannot be logged to run {self.name}: {first_line(error)}") from error


def stored_run(wanted: str, tracking_uri: str | None = None) -> StoredRun:
    """Look a run up.

    Args:
        wanted: its id (32 hexadecimal digits) or its name.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.

    Raises:
        TrackingError: no such run, more than one of that name, or no store.
    """
    return _stored(wanted, wanted_store(tracking_uri))


def head_of_folder(folder: Path, remedy: str = HEAD_REMEDY) -> dict[str, str] | None:
    """What ``run.json`` says of the run that finished last in an output folder; None where there is no such file.

    Args:
        folder: The output folder.
        remedy: What to do, or what is done, where the file is damaged.

    Returns:
        ``run``, its id, and ``store``, its store's address, with whatever else is there.

    Raises:
        TrackingError: The file is damaged, or none of ours.
    """
    path = folder / RUN_FILE
    try:
        head = read_record(path, "the name of a run and its store", remedy)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise TrackingError(str(error)) from error
    if not {"run", "store"} <= head.keys():
        raise TrackingError(f"{path} does not name a run and its store. {remedy}")
    return {str(key): str(value) for key, value in head.items()}


def run_of_folder(folder: Path) -> StoredRun | None:
    """The run that finished last in an output folder; None where the folder names none (no ``run.json``).

    Raises:
        TrackingError: the file is none of ours, or the run's store has gone.
    """
    head = head_of_folder(folder)
    if head is None:
        return None
    wanted, shown = head["run"], head["store"]
    # The file holds no credentials; those for a server are in MLFLOW_TRACKING_URI. A database is known by its path.
    local = Store(shown)
    return _stored(wanted, local if local.database is not None else wanted_store(shown))


def _stored(wanted: str, store: Store) -> StoredRun:
    client, found = found_run(wanted, store)
    info = found.info
    return StoredRun(
        id=info.run_id,
        name=info.run_name,
        experiment=client.get_experiment(info.experiment_id).name,
        status=info.status,
        started=info.start_time / 1000,
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else float("nan"),
        parameters=dict(found.data.params),
        tags=dict(found.data.tags),
        metrics=dict(found.data.metrics),
        _client=client,
        _store=store,
        _found=found,
    )
