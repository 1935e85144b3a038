"""Look up runs of any status in a store: by id, by name, or as the last one that finished in an output folder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from app.files.own_json import read_record
from app.tracking.clients import reached
from app.tracking.deadline import DOWNLOAD_SECONDS, within
from app.tracking.errors import TrackingError, first_line
from app.tracking.operations import Artifact, Batch, Operation, model_of_version, models_of
from app.tracking.run import RUN_FILE
from app.tracking.store import Store, requested_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

HEAD_REMEDY = "Remove the file: the results beside it stay, but no longer belong to a run in MLflow."
WEIGHTS = "model.pt"
RECORD = "model.json"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[\w.-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class StoredRun:
    """A run in a store that answers.

    Attributes:
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: Seconds since 1970.
        seconds: From start to end; NaN while it runs.
        parameters: As logged, with dotted names for nested ones.
        metrics: The last value of each.
        model: Id of its logged model; empty if it has none.
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
    model: str
    _client: MlflowClient
    _store: Store
    _artifact_uri: str

    @property
    def is_remote(self) -> bool:
        """Whether its artifacts have to be downloaded."""
        return urlsplit(self._artifact_uri).scheme not in ("", "file")

    def artifacts(self, folder: str = "") -> tuple[str, ...]:
        """Paths, relative to the run, of the files in a folder of its artifacts."""
        entries = self._client.list_artifacts(self.id, folder or None)
        return tuple(entry.path for entry in entries if not entry.is_dir)

    def artifact(self, name: str, folder: Path | None = None) -> Path:
        """The local path of an artifact: the file itself in a store on this machine, else a download.

        Args:
            name: Path within the run.
            folder: For a download; None for a new temporary folder.

        Raises:
            TrackingError: There is none of that name, or it cannot be fetched.
        """
        from mlflow.exceptions import MlflowException

        uri = urlsplit(self._artifact_uri)
        if self._store.database is not None and uri.scheme == "mlflow-artifacts":
            raise TrackingError(
                f"run {self.name} ({self.id}) was logged through a tracking server, which keeps its artifacts: set "
                "MLFLOW_TRACKING_URI to that server"
            )
        names = [entry.path for entry in self._client.list_artifacts(self.id, name.rpartition("/")[0] or None)]
        if name not in names:
            raise TrackingError(
                f"run {self.name} ({self.id}) has no artifact {name!r}; it has: {', '.join(names) or 'none'}"
            )
        if not self.is_remote:
            return Path(unquote(uri.path)) / name
        try:
            target = str(folder or tempfile.mkdtemp(prefix="frugal-"))
            return Path(self._client.download_artifacts(self.id, name, target))
        except (MlflowException, OSError) as error:
            raise TrackingError(f"cannot fetch {name!r} of run {self.name}: {error}") from error

    def model_files(self, folder: Path | None) -> list[Path]:
        """Local paths of record and weights of its logged model; downloads go into ``folder``.

        Raises:
            TrackingError: They cannot be fetched.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        def fetch(name: str) -> str:
            uri, target = f"models:/{self.model}/{name}", str(folder)
            return within(DOWNLOAD_SECONDS, lambda: download_artifacts(uri, None, None, target, self._store.uri), name)

        try:
            if folder is None:
                location = urlsplit(self._client.get_logged_model(self.model).artifact_location)
                return [Path(unquote(location.path)) / name for name in (RECORD, WEIGHTS)]
            return [Path(fetch(name)) for name in (RECORD, WEIGHTS)]
        except (MlflowException, OSError) as error:
            raise TrackingError(f"cannot fetch the model of run {self.name}: {first_line(error)}") from error

    def add(self, tags: Mapping[str, str]) -> None:
        """Set tags, even if the run has ended; raises TrackingError if the store refuses."""
        self._write(Batch(tags={name: value[:5000] for name, value in tags.items()}))

    def add_artifact(self, path: Path, folder: str) -> None:
        """Copy a file to the run's artifacts, even if the run has ended; raises TrackingError if the store refuses."""
        self._write(Artifact(str(path), folder))

    def _write(self, operation: Operation) -> None:
        from mlflow.exceptions import MlflowException

        try:
            operation.write(self._client, self.id)
        except (MlflowException, OSError) as error:
            raise TrackingError(f"nothing can be added to run {self.name}: {first_line(error)}") from error


def stored_run(wanted: str, tracking_uri: str | None = None) -> StoredRun:
    """Look up a run by its id (32 hexadecimal digits), its name or its beginning, or a registered model that it made.

    Args:
        wanted: Id, name or how the name begins, ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        tracking_uri: Used if MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.

    Raises:
        TrackingError: There is no such run, more than one of that name, or no store.
    """
    return _look_up(wanted, requested_store(tracking_uri))


def weights_of(wanted: str) -> Path:
    """The local path of the weights of a finished run, ``model.pt``, with ``model.json`` beside it.

    Args:
        wanted: As for `stored_run`.

    Raises:
        TrackingError: There is no such run or registered model, it has not finished, or it has no weights.
    """
    run = stored_run(wanted)
    if run.status != "FINISHED":
        raise TrackingError(
            f"run {run.name} ({run.id}) is {run.status}, and only a FINISHED run can be started from. "
            f"{_finished_runs(run._client)}"
        )
    folder = Path(tempfile.mkdtemp(prefix="frugal-")) if run.is_remote else None
    files = [run.artifact(name, folder) for name in (RECORD, WEIGHTS)] if not run.model else run.model_files(folder)
    return files[-1]


def run_of_folder(folder: Path) -> StoredRun | None:
    """The run that finished last in an output folder; None if the folder names none (no ``run.json``).

    Raises:
        TrackingError: The file is damaged, or the run or its store is gone.
    """
    head = head_of_folder(folder)
    if head is None:
        return None
    # The file holds no credentials; MLFLOW_TRACKING_URI has those of a server. A database is known by its path.
    local = Store(head["store"])
    return _look_up(head["run"], local if local.database is not None else requested_store(head["store"]))


def head_of_folder(folder: Path, remedy: str = HEAD_REMEDY) -> dict[str, str] | None:
    """What ``run.json`` tells about the run that finished last in an output folder; None without such a file.

    Returns:
        ``run`` (its id), ``store`` (its store's address) and whatever else is there.

    Raises:
        TrackingError: The file is damaged; ends with ``remedy``.
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


def _look_up(wanted: str, store: Store) -> StoredRun:
    if store.database is not None and not store.database.exists():
        raise TrackingError(f"there is no run {wanted!r}: no tracking database {store.database}")
    with reached(store, f"run {wanted!r} cannot be looked up") as client:
        run, model = _find(client, store, wanted)
        info = run.info
        return StoredRun(
            id=info.run_id,
            name=info.run_name,
            experiment=client.get_experiment(info.experiment_id).name,
            status=info.status,
            started=info.start_time / 1000,
            seconds=(info.end_time - info.start_time) / 1000 if info.end_time else float("nan"),
            parameters=dict(run.data.params),
            tags=dict(run.data.tags),
            metrics=dict(run.data.metrics),
            model=model or next(reversed(models_of(run)), ""),
            _client=client,
            _store=store,
            _artifact_uri=info.artifact_uri,
        )


def _find(client: MlflowClient, store: Store, wanted: str) -> tuple[MlflowRun, str]:
    """The only run with this id or name; or the one that made a registered model, and the id of that model."""
    if not wanted.startswith("models:/"):
        return _find_run(client, store, wanted), ""
    version = version_at(client, store, wanted)
    run = client.get_run(version.run_id)
    return run, model_of_version(client, version.source, run)


def _find_run(client: MlflowClient, store: Store, wanted: str) -> MlflowRun:
    """The only run with this id or name, or the only one whose name begins so."""
    from mlflow.exceptions import MlflowException

    if _RUN_ID.fullmatch(wanted):
        try:
            return client.get_run(wanted)
        except MlflowException as error:
            raise TrackingError(f"there is no run {wanted!r} in {store.shown}. {_finished_runs(client)}") from error
    runs = _named(client, wanted)
    if not runs:
        raise TrackingError(f"there is no run {wanted!r} in {store.shown}. {_finished_runs(client)}")
    # If a run failed and was repeated under the same name, the one that finished is meant.
    finished = [run for run in runs if run.info.status == "FINISHED"]
    if len(runs) > 1 and len(finished) != 1:
        ids = ", ".join(f"{run.info.run_id} ({run.info.run_name}, {run.info.status})" for run in runs[:5])
        how = "are named" if runs[0].info.run_name == wanted else "have names that begin with"
        raise TrackingError(f"{len(runs)} runs {how} {wanted!r} in {store.shown}: give one id of {ids}")
    return runs[0] if len(runs) == 1 else finished[0]


def _named(client: MlflowClient, wanted: str) -> list[MlflowRun]:
    """The runs of this name; if there are none, those whose name begins so."""
    if not wanted or "'" in wanted:  # which the query language cannot escape
        return []
    runs = _search(client, f"attributes.run_name LIKE '{wanted}%'", 1000)  # in which _ and % stand for others, too
    runs = [run for run in runs if run.info.run_name.startswith(wanted)]
    return [run for run in runs if run.info.run_name == wanted] or runs


def version_at(client: MlflowClient, store: Store, uri: str) -> ModelVersion:
    """The version of a registered model at ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises:
        TrackingError: The address has another form, or there is none.
    """
    from mlflow.exceptions import MlflowException

    match = _MODEL.fullmatch(uri)
    if match is None:
        raise TrackingError(f"{uri!r} names no registered model: write models:/NAME@ALIAS or models:/NAME/VERSION")
    try:
        if match["alias"]:
            return client.get_model_version_by_alias(match["name"], match["alias"])
        return client.get_model_version(match["name"], match["version"])
    except MlflowException as error:
        raise TrackingError(f"there is no {uri} in {store.shown} ({first_line(error)})") from error


def _finished_runs(client: MlflowClient) -> str:
    """The last finished runs, at most five, in one sentence."""
    runs = _search(client, "attributes.status = 'FINISHED'", 5)
    if not runs:
        return "No run has finished there."
    return "Finished runs: " + ", ".join(f"{run.info.run_name} ({run.info.run_id})" for run in runs) + "."


def _search(client: MlflowClient, query: str, limit: int) -> list[MlflowRun]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    return list(client.search_runs(experiments, query, max_results=limit, order_by=["attributes.start_time DESC"]))
