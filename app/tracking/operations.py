"""What is written to a run, as values that can wait in a queue or in a file; writing one twice changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS_A_BATCH = 1000
TEXTS_A_BATCH = 100
"""Parameters or tags in one request; MLflow's limit."""


@dataclass(frozen=True)
class Metrics:
    """Values of metrics: (name, value, time in ms since 1970, step)."""

    values: tuple[tuple[str, float, int, int], ...]

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log them, at most `METRICS_A_BATCH` a request."""
        from mlflow.entities import Metric

        entities = [Metric(*value) for value in self.values]
        for start in range(0, len(entities), METRICS_A_BATCH):
            client.log_batch(run_id, metrics=entities[start : start + METRICS_A_BATCH])


@dataclass(frozen=True)
class Parameters:
    """Parameters by clean name."""

    values: dict[str, str]

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log them, at most `TEXTS_A_BATCH` a request."""
        from mlflow.entities import Param

        entities = [Param(key, value) for key, value in self.values.items()]
        for start in range(0, len(entities), TEXTS_A_BATCH):
            client.log_batch(run_id, params=entities[start : start + TEXTS_A_BATCH])


@dataclass(frozen=True)
class Tags:
    """Tags by name."""

    values: dict[str, str]

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Set them, at most `TEXTS_A_BATCH` a request."""
        from mlflow.entities import RunTag

        entities = [RunTag(key, value) for key, value in self.values.items()]
        for start in range(0, len(entities), TEXTS_A_BATCH):
            client.log_batch(run_id, tags=entities[start : start + TEXTS_A_BATCH])


@dataclass(frozen=True)
class Artifact:
    """A file, or a folder with all that is in it, to be copied into ``folder`` of the run's artifacts."""

    path: str
    folder: str = ""

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Copy or upload it.

        Raises:
            FileNotFoundError: it is gone.
        """
        if Path(self.path).is_dir():
            client.log_artifacts(run_id, self.path, self.folder or None)
        elif Path(self.path).is_file():
            client.log_artifact(run_id, self.path, self.folder or None)
        else:
            raise FileNotFoundError(f"{self.path} is gone before it was copied to the run")


@dataclass(frozen=True)
class Dataset:
    """A data set that the run read; shown in the UI's column of data sets."""

    name: str
    digest: str
    context: str

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log it as an input; MLflow keeps 36 characters of the digest, so the whole is a tag as well."""
        from mlflow.entities import Dataset as Entity
        from mlflow.entities import DatasetInput, InputTag

        entity = Entity(self.name, self.digest[:36], "local", json.dumps({"name": self.name}))
        client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", self.context)])])
        client.set_tag(run_id, f"frugal.dataset.{self.context}", f"{self.name} {self.digest}")


@dataclass(frozen=True)
class Status:
    """The end of the run: FINISHED, FAILED or KILLED, and when (ms since 1970)."""

    status: str
    time: int

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Set status and end time."""
        client.set_terminated(run_id, self.status, self.time)


Operation = Metrics | Parameters | Tags | Artifact | Dataset | Status
_KINDS: dict[str, type] = {
    kind.__name__.lower(): kind for kind in (Metrics, Parameters, Tags, Artifact, Dataset, Status)
}


def to_line(operation: Operation) -> str:
    """The operation as one line of JSON; NaN and infinity as Python's json writes them."""
    return json.dumps({"kind": type(operation).__name__.lower(), **asdict(operation)})


def from_line(line: str) -> Operation:
    """Read what `to_line` wrote.

    Raises:
        ValueError: the line is no operation, as the last one is when the process died while writing it.
    """
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("kind")]
        if kind is Metrics:
            fields["values"] = tuple((str(k), float(v), int(t), int(s)) for k, v, t, s in fields["values"])
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{line[:60]!r} is no kept tracking operation") from error
