"""What is written to a run, as values that can wait in memory or in a file; writing one twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS_PER_REQUEST = 1000
TEXTS_PER_REQUEST = 100
"""MLflow's limit of parameters, and of tags."""

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
    """A data set that the run read, shown in the UI's column of data sets."""

    name: str
    digest: str
    context: str

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Log it as an input; MLflow keeps 36 characters of the digest, so a tag holds the whole."""
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


Operation = Batch | Artifact | Dataset | Status
_KINDS: dict[str, type] = {kind.__name__.lower(): kind for kind in (Batch, Artifact, Dataset, Status)}


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
