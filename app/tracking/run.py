"""One MLflow run per launch: never joined to another, true in its status, and written to by rank 0 alone."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from app.tracking.facts import facts
from app.tracking.names import LONGEST_VALUE, clean, flatten, shorten
from app.tracking.operations import Artifact, Dataset, Parameters, Status, Tags
from app.tracking.process import identity, is_gone, sweep
from app.tracking.store import (
    Store,
    TrackingError,
    choose_store,
    experiment_id,
    local_store,
    open_client,
)
from app.tracking.writer import Writer, first_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

KILLED_BY_SIGTERM = 143
"""Exit code of a process that SIGTERM ended: 128 + 15."""
KILLED_BY_SIGINT = 130


class Run:
    """A context in which one MLflow run is open.

    Leaving it sets the status: FINISHED, FAILED after an exception (its class and first line in the tag ``error``),
    KILLED after Ctrl-C or SIGTERM, which raises SystemExit(143) while the run is open. A run that ``kill -9`` left
    RUNNING is set to KILLED when the next one opens on the same host.

    Everything is written by a thread of its own; a store that fails costs no training time (see `Writer`). In a
    distributed run only rank 0 (environment variable RANK) writes: on the others every method does nothing.

    Args:
        experiment: the MLflow experiment; made when there is none.
        name: the run's name; by default ``<experiment>-<UTC time>-<4 hexadecimal digits>``.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.
        folder: the run's output folder: texts, figures and what could not be written go there; made when missing.
        resume: id of an earlier run to go on with, instead of opening one.
    """

    def __init__(
        self,
        experiment: str,
        name: str | None = None,
        tracking_uri: str | None = None,
        *,
        folder: Path,
        resume: str | None = None,
    ) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S")
        self.experiment = experiment
        self.name = name or f"{experiment}-{now}-{secrets.token_hex(2)}"
        self.folder = Path(folder)
        self.id = ""
        self._experiment_id = ""
        self._tracking_uri = tracking_uri
        self._resume = resume
        self._store: Store | None = None
        self._writer: Writer | None = None
        self._logged: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        self._given: dict[str, str] = {}
        self._previous_handler: Any = None
        self._owner = 0
        self._is_leaving = False

    @property
    def uri(self) -> str:
        """The store's address, without credentials; empty on other ranks than 0."""
        return self._store.shown if self._store else ""

    @property
    def open_hint(self) -> str:
        """The command, or the address, that shows this run; empty on other ranks than 0."""
        return self._store.open_hint(self._experiment_id, self.id) if self._store else ""

    def __enter__(self) -> Self:
        """Open the run.

        Raises:
            TrackingError: the store cannot be used, or the run to resume is unknown or still at work.
            OSError: the output folder cannot be made.
        """
        if self._writer is not None:
            raise TrackingError(f"run {self.name} is open already")
        if int(os.environ.get("RANK", "0")) != 0:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        client = self._open_store()
        swept = sweep(client)
        if swept:
            logger.warning("%d runs whose process is gone are now KILLED: %s", len(swept), ", ".join(swept))
        self._open_run(client)
        self._owner = os.getpid()
        self._is_leaving = False
        self._install_handler()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is buffered and set the true status; never hides the exception that ended the block."""
        # A forked data-loading worker holds a copy of this object, but the run is its parent's.
        if self._writer is None or os.getpid() != self._owner:
            return
        self._is_leaving = True
        if error is not None:
            self.tags({"error": first_line(error)})
        self._writer.put(Status(status_after(error), _now()))
        if not self._writer.close():
            logger.warning(
                "the tracking store %s did not take everything. What is missing is kept in %s; "
                "upload it later with: frugal sync %s",
                self.uri,
                self._writer.journal,
                self._writer.journal,
            )
        self._writer = None
        self._restore_handler()

    def parameters(self, mapping: Mapping[str, object]) -> None:
        """Log hyper-parameters; nested mappings become dotted names.

        Values over 6,000 characters are cut and end in a digest; all of them then stand in ``parameters.json``.

        Raises:
            ValueError: a name was logged before with another value, which MLflow does not allow.
        """
        if self._writer is None:
            return
        flat = {self._unique(key): value for key, value in flatten(mapping).items()}
        new = {key: shorten(value) for key, value in flat.items()}
        changed = {key: value for key, value in new.items() if self._logged.get(key, value) != value}
        if changed and not self._resume:
            key, value = next(iter(changed.items()))
            raise ValueError(f"parameter {key} is {self._logged[key]!r} in this run and cannot become {value!r}")
        if changed:
            # The first value stays a parameter; a resumed run says what it changed in tags.
            self.tags({f"frugal.resumed_with.{key}": value for key, value in changed.items()})
        new = {key: value for key, value in new.items() if key not in self._logged}
        self._logged |= new
        self._whole |= flat
        self._writer.put(Parameters(new))
        if any(len(value) > LONGEST_VALUE for value in flat.values()):
            self.text(json.dumps(self._whole, indent=2, ensure_ascii=False), "parameters.json")

    def metrics(self, mapping: Mapping[str, float], step: int) -> None:
        """Log metrics of a step; cheap, as they are buffered and written together.

        NaN is kept as NaN; infinity is shown by MLflow as the largest float, 1.797e308. Characters that MLflow
        refuses in a name become underscores.

        Raises:
            ValueError: two names become the same one.
        """
        if self._writer is None:
            return
        now = _now()
        self._writer.measure([(self._unique(key), float(value), now, step) for key, value in mapping.items()])

    def tags(self, mapping: Mapping[str, str]) -> None:
        """Set tags; a tag set again is replaced. Values are cut at 5,000 characters."""
        if self._writer is not None:
            self._writer.put(Tags({key: str(value)[:5000] for key, value in mapping.items()}))

    def dataset(self, name: str, digest: str, context: str) -> None:
        """Log a data set that was read: its name, the digest of its content, and what for (``training``, ...)."""
        if self._writer is not None:
            self._writer.put(Dataset(name, digest, context))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Copy a file, or what is in a folder, into ``folder`` of the run's artifacts.

        It is copied a little later, by the run's thread: replace such a file as a whole, and do not delete it.

        Raises:
            FileNotFoundError: there is none.
        """
        if self._writer is None:
            return
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist and cannot be logged to run {self.name}")
        self._writer.put(Artifact(str(Path(path).absolute()), folder))

    def text(self, text: str, name: str) -> None:
        """Write a text to ``name`` in the output folder and log it as an artifact of that name."""
        if self._writer is not None:
            self._place(name).write_text(text, encoding="utf-8")
            self._log_placed(name)

    def figure(self, figure: Figure, name: str) -> None:
        """Save a figure as ``name`` (.png) in the output folder and log it as an artifact of that name."""
        if self._writer is not None:
            figure.savefig(self._place(name), dpi=120, bbox_inches="tight")
            self._log_placed(name)

    def flush(self) -> None:
        """Have the buffered metrics written now; does not wait for it."""
        if self._writer is not None:
            self._writer.flush()

    def _open_store(self) -> MlflowClient:
        """The client of the wanted store or, should it fail between being asked and being used, of a local one."""
        self._store = choose_store(self._tracking_uri, self.folder)
        try:
            client = open_client(self._store)
            self._experiment_id = experiment_id(client, self._store, self.experiment)
        except Exception as error:
            if not _is_outage(error, self._store):
                raise
            self._store = local_store(self._store, self.folder, first_line(error))
            client = open_client(self._store)
            self._experiment_id = experiment_id(client, self._store, self.experiment)
        return client

    def _open_run(self, client: MlflowClient) -> None:
        """Create the run, or take up the one to resume, and start its writer."""
        if self._store is None:
            raise TrackingError("no store is open")
        tags = facts() | identity()
        if self._store.intended:
            tags["frugal.intended_store"] = self._store.intended
        if self._resume:
            self._take_up(client, tags)
        else:
            run = client.create_run(self._experiment_id, tags=tags, run_name=self.name)
            self.id = run.info.run_id
        head = {"run": self.id, "store": self.uri, "experiment": self.experiment, "name": self.name}
        self._writer = Writer(client, self.id, self.folder.absolute() / f"tracking-{self.id}.jsonl", head)

    def _take_up(self, client: MlflowClient, tags: Mapping[str, str]) -> None:
        """Go on with an earlier run of this store whose process is gone or which ended."""
        from mlflow.exceptions import MlflowException

        try:
            run = client.get_run(str(self._resume))
        except MlflowException as error:
            raise TrackingError(f"no run {self._resume} to resume in {self.uri}: {first_line(error)}") from error
        # Our own sweep has just ended what could be known to be gone.
        if run.info.status == "RUNNING" and "frugal.pid" in run.data.tags and not is_gone(run.data.tags):
            raise TrackingError(
                f"run {self._resume} is still at work as process {run.data.tags['frugal.pid']} on "
                f"{run.data.tags.get('frugal.host', 'another host')}; it cannot be resumed now"
            )
        self.id, self.name = run.info.run_id, run.info.run_name
        self._experiment_id = run.info.experiment_id
        self._logged = dict(run.data.params)
        client.update_run(self.id, status="RUNNING")
        for key, value in tags.items():
            client.set_tag(self.id, key, value)

    def _unique(self, name: str) -> str:
        """The clean form of a name, which no other name may share."""
        cleaned = clean(name)
        if self._given.setdefault(cleaned, name) != name:
            raise ValueError(f"{name!r} and {self._given[cleaned]!r} would both be logged as {cleaned!r}; rename one")
        return cleaned

    def _place(self, name: str) -> Path:
        """Where in the output folder an artifact of this name is written first."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.name:
            raise ValueError(
                f"{name!r} is no name of an artifact: give a path relative to the run, such as plots/roc.png"
            )
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _log_placed(self, name: str) -> None:
        parent = PurePosixPath(name).parent
        self.artifact(self.folder / name, "" if parent == PurePosixPath() else str(parent))

    def _install_handler(self) -> None:
        """Let SIGTERM end the run in order; only the main thread may set handlers."""
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGTERM, self._on_sigterm)

    def _restore_handler(self) -> None:
        if self._previous_handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous_handler)
        self._previous_handler = None

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A forked worker inherits the handler, but must die as it would have without us.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        elif not self._is_leaving:
            raise SystemExit(KILLED_BY_SIGTERM)


def status_after(error: BaseException | None) -> str:
    """The MLflow status of a run that ended with this exception, or with none."""
    if error is None:
        return "FINISHED"
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "FINISHED"
        return "KILLED" if error.code in (KILLED_BY_SIGINT, KILLED_BY_SIGTERM) else "FAILED"
    return "FAILED"


def _now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000


def _is_outage(error: Exception, store: Store) -> bool:
    """Whether a store elsewhere failed in a way that a local one is the remedy for; a refusal must be seen instead."""
    from mlflow.exceptions import MlflowException

    if store.database is not None or isinstance(error, TrackingError):
        return False
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500
    return isinstance(error, OSError)
