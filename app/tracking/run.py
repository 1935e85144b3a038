"""One MLflow run for each launch: never joined to another, true in its status, and written by rank 0 alone."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.files.atomic import write_figure, write_whole
from app.tracking import termination
from app.tracking.clients import is_outage
from app.tracking.errors import TrackingError, first_line
from app.tracking.folder_lock import FolderLock, why_not_writable
from app.tracking.journal import Journal, journal_path
from app.tracking.names import as_text, clean, shorten
from app.tracking.opening import Opened, Wish, open_run
from app.tracking.operations import Artifact, Batch, Dataset, Model, Status
from app.tracking.writer import Writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

KILLED_CODES = (128 + signal.SIGINT, termination.EXIT_CODE)
"""Exit codes of processes that were ended by Ctrl-C and SIGTERM."""
RUN_FILE = "run.json"
"""Name of the file in the output folder that names the run that finished there last, and its store."""


class Run:
    """A context in which one MLflow run is open.

    Leaving it sets the status: FINISHED, FAILED after an exception (its class and first line in the tag ``error``), or
    KILLED after Ctrl-C or SIGTERM, which raises SystemExit(143) while the run is open. A run that ``kill -9`` left
    RUNNING is set to KILLED when the next one opens on the same host. While it is open, no other launch can open a run
    with the same output folder.

    A thread writes everything, so a store that fails costs no training time (see `Writer`). In a distributed run only
    rank 0 (environment variable RANK) writes; on the other ranks every method does nothing.

    Args:
        experiment: The MLflow experiment; made if it does not exist.
        name: The run's name, which gets a number if the experiment has a run of that name that did not fail, as in
            ``lungs (2)``; by default ``<experiment>-<UTC time>-<4 hexadecimal digits>``.
        tracking_uri: Used if MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.
        folder: The run's output folder, made if it is missing. It gets texts, figures, entries that could not be
            written and, once the run has FINISHED, ``run.json``, which names the run.
        resume: Id of an earlier run to resume instead of opening a new one. If the store does not have it, a new run is
            opened, with a warning and the id in its tag ``frugal.resumes``.
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
        name = name or f"{experiment}-{now}-{secrets.token_hex(2)}"
        self._wish = Wish(experiment, name, tracking_uri, Path(folder), resume)
        self._lock = FolderLock(Path(folder))
        self._opened: Opened | None = None
        self._writer: Writer | None = None
        self._termination = termination.Termination()
        self._owner = 0
        self._logged: dict[str, str] = {}

    @property
    def id(self) -> str:
        """The run's id, 32 hexadecimal digits; empty before it is opened and on ranks other than 0."""
        return self._opened.id if self._opened else ""

    @property
    def name(self) -> str:
        """The run's name."""
        return self._opened.name if self._opened else self._wish.name

    @property
    def uri(self) -> str:
        """The store's address, without credentials; empty if `id` is."""
        return self._opened.store.shown if self._opened else ""

    @property
    def open_hint(self) -> str:
        """The command, or the address, that shows this run; empty if `id` is."""
        return self._opened.store.open_hint(self._opened.experiment_id, self.id) if self._opened else ""

    def __enter__(self) -> Self:
        """Open the run.

        Raises:
            TrackingError: The store cannot be used, the output folder cannot be written, another launch works in it,
                or the run to resume is still at work.
        """
        if int(os.environ.get("RANK") or 0) != 0:
            return self
        folder = self._wish.folder
        reason = why_not_writable(folder)
        if reason is not None:
            raise TrackingError(
                f"cannot write to the output folder {folder}: {reason}. Give another with --output_dir."
            )
        last = self._lock.take()
        try:
            # What this run leaves in the folder must not pass for the results of an earlier one.
            (folder / RUN_FILE).unlink(missing_ok=True)
            wish = replace(self._wish, is_abandoned=bool(last) and last == self._wish.resume)
            self._opened = open_run(wish)
            self._lock.sign(self.id)
        except BaseException:
            self._lock.discard()
            raise
        self._logged = dict(self._opened.parameters)
        self._writer = Writer(self._opened.client, self.id, Journal(journal_path(folder, self.id), self._head()))
        self._owner = os.getpid()
        self._termination.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is buffered and set the status; never hides the exception that ended the block."""
        # A forked data-loading worker holds a copy of this object, but the run belongs to its parent.
        if self._writer is None or os.getpid() != self._owner:
            return
        self._termination.hold_off()
        if error is not None:
            self.tags({"error": first_line(error)})
        status = status_after(error)
        writer, self._writer = self._writer, None
        writer.put(Status(status, _now()))
        try:
            writer.close()
        finally:
            self._termination.restore()
        try:
            if status == "FINISHED":
                write_whole(self._wish.folder / RUN_FILE, json.dumps(self._head(), indent=2) + "\n")
        finally:
            self._lock.release()

    def parameters(self, mapping: Mapping[str, object]) -> None:
        """Log hyper-parameters.

        Values over 6,000 characters are cut and end in a digest. A resumed run keeps the first value of each, and tells
        those that changed in tags ``frugal.resumed_with.<name>``.

        Raises:
            ValueError: A name was logged before with another value, which MLflow does not allow.
        """
        if self._writer is None:
            return
        values = {clean(key): shorten(as_text(value)) for key, value in mapping.items()}
        changed = {key: value for key, value in values.items() if self._logged.get(key, value) != value}
        if changed and not self._wish.resume:
            key, value = next(iter(changed.items()))
            raise ValueError(f"parameter {key} is {self._logged[key]!r} in this run and cannot become {value!r}")
        new = {key: value for key, value in values.items() if key not in self._logged}
        self._logged |= new
        self._writer.put(Batch(parameters=new))
        self.tags({f"frugal.resumed_with.{key}": value for key, value in changed.items()})

    def metrics(self, mapping: Mapping[str, float], step: int) -> None:
        """Log metrics of a step; cheap, as they are buffered and written together.

        NaN stays NaN; MLflow shows infinity as the largest float, 1.797e308. Characters that MLflow refuses in a name
        become underscores.
        """
        if self._writer is not None:
            now = _now()
            self._writer.metrics([(clean(key), float(value), now, step) for key, value in mapping.items()])

    def steps(self, name: str) -> set[int]:
        """Steps at which the store already holds a metric; empty unless this run was resumed.

        A part of the run that was killed may have logged more, or less, than its last checkpoint knows of.
        """
        if self._opened is None or not self._wish.resume or self._opened.id != self._wish.resume:
            return set()
        try:
            return {metric.step for metric in self._opened.client.get_metric_history(self.id, clean(name))}
        except Exception as error:
            if not is_outage(error, self._opened.store):
                raise
            logger.warning("the tracking store does not tell what run %s has logged: some may be doubled", self.name)
            return set()

    def tags(self, mapping: Mapping[str, str]) -> None:
        """Set tags; a tag set again is replaced. Values are cut at 5,000 characters."""
        if self._writer is not None and mapping:
            self._writer.put(Batch(tags={key: as_text(value)[:5000] for key, value in mapping.items()}))

    def dataset(self, name: str, digest: str, context: str, profile: Mapping[str, object] | None = None) -> None:
        """Log a data set that was read.

        Args:
            name: Its name.
            digest: Of its content.
            context: Its use (``training``, ...).
            profile: Facts about it, which the UI shows beside the name.
        """
        if self._writer is not None:
            self._writer.put(Dataset(name, digest, context, json.dumps(profile or {})))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Copy a file, or the content of a folder, into ``folder`` of the run's artifacts.

        It is copied a little later, in the run's thread: replace such a file only as a whole, and do not delete it.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if self._writer is None:
            return
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist and cannot be logged to run {self.name}")
        self._writer.put(Artifact(str(Path(path).absolute()), folder))

    def model(self, folder: Path, files: Mapping[str, Path], digest: str, register: str = "") -> None:
        """Log a trained model in MLflow's own form, a little later, in the run's thread.

        Args:
            folder: With ``MLmodel`` at its top; neither it nor the files may change until the run has ended.
            files: Further files of the model, by their name within it.
            digest: Tells its weights from others.
            register: Name of the registered model that gets a new version; empty for none.
        """
        if self._writer is not None:
            paths = {name: str(path.absolute()) for name, path in files.items()}
            self._writer.put(Model(self._wish.experiment, str(folder.absolute()), paths, digest, register))

    def text(self, text: str, name: str) -> None:
        """Write a text to ``name`` in the output folder, and log it as an artifact of that name."""
        if self._writer is not None:
            path = self._wish.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
            self.artifact(path, name.rpartition("/")[0])

    def figure(self, figure: Figure, name: str) -> None:
        """Save a figure as ``name`` (.png) in the output folder, and log it as an artifact of that name."""
        if self._writer is not None:
            path = self._wish.folder / name
            write_figure(path, figure, dpi=120, tight=True)
            self.artifact(path, name.rpartition("/")[0])

    def flush(self) -> None:
        """Start writing the buffered metrics now; does not wait for it."""
        if self._writer is not None:
            self._writer.flush()

    def _head(self) -> dict[str, str]:
        """What files in the output folder tell about the run that they belong to."""
        return {"run": self.id, "store": self.uri, "experiment": self._wish.experiment, "name": self.name}


def status_after(error: BaseException | None) -> str:
    """The MLflow status of a run that ended with this exception, or without one.

    Example:
        >>> [status_after(error) for error in (None, KeyboardInterrupt(), ValueError("bad config"))]
        ['FINISHED', 'KILLED', 'FAILED']
    """
    if error is None:
        return "FINISHED"
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "FINISHED"
        return "KILLED" if error.code in KILLED_CODES else "FAILED"
    return "FAILED"


def _now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000
