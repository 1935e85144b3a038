"""What is written to a run, as values that can wait in memory or in a file; writing one twice changes nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

METRICS_PER_REQUEST = 1000
TEXTS_PER_REQUEST = 100
"""MLflow's limit of parameters, and of tags."""

VERSIONS = "mlflow.modelVersions"
DIGEST = "frugal.digest"
"""Tag of a logged model that tells its weights from others."""

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Metrics, parameters and tags.

    Attributes:
        metrics: (name, value, time in ms since 1970, step).
        parameters: By clean name.
        tags: By name.
    """

    metrics: tuple[tuple[str, float, int, int], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log them, in as many requests as MLflow's limits ask for."""
        from mlflow.entities import Metric, Param, RunTag

        for metrics in _parts([Metric(*metric) for metric in self.metrics], METRICS_PER_REQUEST):
            client.log_batch(run_id, metrics=metrics)
        for parameters in _parts([Param(*each) for each in self.parameters.items()], TEXTS_PER_REQUEST):
            client.log_batch(run_id, params=parameters)
        for tags in _parts([RunTag(*each) for each in self.tags.items()], TEXTS_PER_REQUEST):
            client.log_batch(run_id, tags=tags)


@dataclass(frozen=True)
class Artifact:
    """A file, or a folder with its content, to copy into ``folder`` of the run's artifacts."""

    path: str
    folder: str = ""

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Copy or upload it.

        Raises:
            FileNotFoundError: It is gone.
        """
        if Path(self.path).is_dir():
            client.log_artifacts(run_id, self.path, self.folder or None)
        elif Path(self.path).is_file():
            client.log_artifact(run_id, self.path, self.folder or None)
        else:
            raise FileNotFoundError(f"{self.path} is gone before it was copied to the run")


@dataclass(frozen=True)
class Dataset:
    """A data set that the run read, shown in the UI's column of data sets; ``profile`` is JSON with facts about it."""

    name: str
    digest: str
    context: str
    profile: str = "{}"

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log it as an input; MLflow keeps 36 characters of the digest, so a tag holds the whole."""
        from mlflow.entities import Dataset as Entity
        from mlflow.entities import DatasetInput, InputTag

        entity = Entity(self.name, self.digest[:36], "local", json.dumps({"name": self.name}), profile=self.profile)
        client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", self.context)])])
        client.set_tag(run_id, f"frugal.dataset.{self.context}", f"{self.name} {self.digest}")


@dataclass(frozen=True)
class Model:
    """A trained model in MLflow's own form, logged under the run and, if asked for, registered.

    Attributes:
        name: Shown in the UI.
        folder: With ``MLmodel`` at its top.
        files: Further files of the model, by their name within it.
        digest: Tells its weights from others; a run has one model of each digest.
        register: Name of the registered model that gets a new version; empty for none.
    """

    name: str
    folder: str
    files: Mapping[str, str]
    digest: str
    register: str = ""

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Upload the files, and register them.

        Raises:
            FileNotFoundError: A file is gone.
        """
        from mlflow.entities import LoggedModelOutput

        gone = [path for path in (self.folder, *self.files.values()) if not Path(path).exists()]
        if gone:
            raise FileNotFoundError(f"{gone[0]} is gone before it was copied to the run")
        model_id, is_ready = self._begun(client, run_id)
        if not is_ready:
            client.log_model_artifacts(model_id, self.folder)
            for name, path in self.files.items():
                self._log_file(client, model_id, Path(path), name)
            client.finalize_logged_model(model_id, "READY")
        if model_id not in models_of(client.get_run(run_id)):
            client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
        if self.register:
            register(client, self.register, run_id, model_id)

    def _begun(self, client: MlflowClient, run_id: str) -> tuple[str, bool]:
        """The id of this model, and whether all of it is there: an upload that was interrupted goes on."""
        experiment = client.get_run(run_id).info.experiment_id
        for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
            if model.tags.get(DIGEST) == self.digest:
                return model.model_id, str(model.status) == "READY"
        tags = {DIGEST: self.digest}
        return client.create_logged_model(experiment, self.name, run_id, tags, model_type="pyfunc").model_id, False

    @staticmethod
    def _log_file(client: MlflowClient, model_id: str, path: Path, name: str) -> None:
        """Upload a file under another name."""
        with tempfile.TemporaryDirectory(prefix="frugal-") as folder:
            (Path(folder) / name).symlink_to(path)
            client.log_model_artifact(model_id, str(Path(folder) / name))


@dataclass(frozen=True)
class Status:
    """The end of the run: FINISHED, FAILED or KILLED, and when (ms since 1970)."""

    status: str
    time: int

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Set status and end time."""
        client.set_terminated(run_id, self.status, self.time)


def register(client: MlflowClient, name: str, run_id: str, model_id: str) -> str:
    """Make a logged model a version of a registered model, which is made if it is new, and return its number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    location = client.get_logged_model(model_id).artifact_location
    # In a database on this machine, MLflow would look the model up in whatever store is the default of the process.
    source = location if location.startswith("file:") else f"models:/{model_id}"
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.source == source:
            return str(version.version)
    number = str(client.create_model_version(name, source, run_id, model_id=model_id).version)
    # A server does this itself; without it, the model's page does not tell under which name it is registered.
    known = json.loads(client.get_logged_model(model_id).tags.get(VERSIONS, "[]"))
    if {"name": name, "version": int(number)} not in known:
        known.append({"name": name, "version": int(number)})
        client.set_logged_model_tags(model_id, {VERSIONS: json.dumps(known)})
    return number


def models_of(run: Run) -> list[str]:
    """The ids of the models that a run logged, in their order."""
    return [output.model_id for output in run.outputs.model_outputs] if run.outputs else []


def model_of_version(client: MlflowClient, source: str, run: Run) -> str:
    """The id of the logged model that a version's source names; empty if its run has none such."""
    for model_id in models_of(run):
        if source in (f"models:/{model_id}", client.get_logged_model(model_id).artifact_location):
            return model_id
    return ""


Operation = Batch | Artifact | Dataset | Model | Status
_KINDS: dict[str, type] = {kind.__name__.lower(): kind for kind in (Batch, Artifact, Dataset, Model, Status)}


def to_line(operation: Operation) -> str:
    """An operation as one line of JSON; NaN and infinity as Python's json writes them.

    Example:
        >>> to_line(Status("FINISHED", 0))
        '{"kind": "status", "status": "FINISHED", "time": 0}'
    """
    return json.dumps({"kind": type(operation).__name__.lower(), **asdict(operation)})


def from_line(line: str | bytes) -> Operation:
    """Read a line of `to_line`.

    Raises:
        ValueError: The line is no operation.
    """
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("kind")]
        if kind is Batch:
            fields["metrics"] = tuple((str(k), float(v), int(t), int(s)) for k, v, t, s in fields["metrics"])
        operation: Operation = kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{line[:60]!r} is no tracking operation") from error
    return operation


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most ``size`` values."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
