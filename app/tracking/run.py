"""One MLflow run per launch: never joined to another, true in its status, and written to by rank 0 alone."""

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
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.files.atomic import write_figure, write_whole
from app.tracking import termination
from app.tracking.clients import is_outage
from app.tracking.errors import TrackingError, first_line
from app.tracking.folder import FolderLock, why_not_writable
from app.tracking.journal import Journal
from app.tracking.names import LONGEST_VALUE, as_text, clean, flatten, shorten
from app.tracking.opening import Opened, Wish, journal_of, open_run
from app.tracking.operations import Artifact, Dataset, Parameters, Status, Tags
from app.tracking.writer import Writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


KILLED_CODES = (128 + signal.SIGINT, termination.EXIT_CODE)
"""Exit codes of processes that Ctrl-C and SIGTERM ended."""
RUN_FILE = "run.json"
"""In the output folder: which run finished there last, and in which store."""


class Run:
    """A context in which one MLflow run is open.

    Leaving it sets the status: FINISHED, FAILED after an exception (its class and first line in the tag ``error``),
    KILLED after Ctrl-C or SIGTERM, which raises SystemExit(143) while the run is open. A run that ``kill -9`` left
    RUNNING is set to KILLED when the next one opens on the same host. While it is open no other launch can open one
    with the same output folder.

    Everything is written by a thread of its own; a store that fails costs no training time (see `Writer`). In a
    distributed run only rank 0 (environment variable RANK) writes: on the others every method does nothing.

    Args:
        experiment: the MLflow experiment; made when there is none.
        name: the run's name; by default ``<experiment>-<UTC time>-<4 hexadecimal digits>``.
        tracking_uri: used when MLFLOW_TRACKING_URI is not set; by default ``sqlite:///mlflow.db``.
        folder: the run's output folder: texts, figures and what could not be written go there, and ``run.json``,
            which names the run once it has FINISHED; made when missing.
        resume: id of an earlier run to go on with, instead of opening one. Where the store has no such run (any more),
            a new one is opened, with a warning and the id in its tag ``frugal.resumes``.
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
        self._opened: Opened | None = None
        self._writer: Writer | None = None
        self._lock: FolderLock | None = None
        self._termination = termination.Termination()
        self._owner = 0
        self._logged: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        self._original: dict[str, str] = {}

    @property
    def id(self) -> str:
        """The run's id, 32 hexadecimal digits; empty before it was opened and on other ranks than 0."""
        return self._opened.id if self._opened else ""

    @property
    def name(self) -> str:
        """The run's name."""
        return self._opened.name if self._opened else self._wish.name

    @property
    def uri(self) -> str:
        """The store's address, without credentials; empty where `id` is."""
        return self._opened.store.shown if self._opened else ""

    @property
    def open_hint(self) -> str:
        """The command, or the address, that shows this run; empty where `id` is."""
        return self._opened.store.open_hint(self._opened.experiment_id, self.id) if self._opened else ""

    def __enter__(self) -> Self:
        """Open the run.

        Raises:
            TrackingError: the store cannot be used, the output folder cannot be written or another launch works in it,
                or the run to resume is still at work.
        """
        if self._writer is not None:
            raise TrackingError(f"run {self.name} is open already")
        if int(os.environ.get("RANK") or 0) != 0:
            return self
        folder = self._wish.folder
        reason = why_not_writable(folder)
        if reason is not None:
            raise TrackingError(
                f"cannot write to the output folder {folder}: {reason}. Give another with --output_dir."
            )
        self._opened = self._open_locked(FolderLock(folder))
        self._logged = dict(self._opened.parameters)
        self._writer = Writer(
            self._opened.client, self.id, Journal(journal_of(self._wish.folder, self.id), self._head())
        )
        self._owner = os.getpid()
        self._termination.install()
        return self

    def _open_locked(self, lock: FolderLock) -> Opened:
        """Open the run while holding the lock of its folder, which is given back where that fails."""
        last = lock.take()
        try:
            # What this run leaves in the folder must not pass for that of an earlier one.
            (self._wish.folder / RUN_FILE).unlink(missing_ok=True)
            wish = replace(self._wish, is_abandoned=bool(last) and last == self._wish.resume)
            opened = open_run(wish)
            lock.sign(opened.id)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return opened

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is buffered and set the true status; never hides the exception that ended the block."""
        # A forked data-loading worker holds a copy of this object, but the run is its parent's.
        if self._writer is None or os.getpid() != self._owner:
            return
        self._termination.hold_off()
        if error is not None:
            self.tags({"error": first_line(error)})
        status = status_after(error)
        self._writer.put(Status(status, _now()))
        try:
            is_all_written = self._writer.close()
        finally:
            writer, self._writer = self._writer, None
            self._termination.restore()
        if not is_all_written:
            self._tell_missing(writer)
        try:
            if status == "FINISHED":
                write_whole(self._wish.folder / RUN_FILE, json.dumps(self._head(), indent=2) + "\n")
        finally:
            if self._lock is not None:
                self._lock.release()

    def _tell_missing(self, writer: Writer) -> None:
        """Say where that is which the store did not take, and how much of it is nowhere."""
        path, lost = writer.journal.path, writer.unkept
        if lost:
            logger.warning(
                "the tracking store %s did not take everything, and %s could not be written: the last %d entries of "
                "the run, its status among them, are lost. The files that it wrote are still in %s",
                self.uri,
                path,
                lost,
                self._wish.folder,
            )
        if path.exists():
            logger.warning(
                "the tracking store %s did not take everything. What is missing%s is kept in %s; "
                "upload it later with: frugal sync %s",
                self.uri,
                " otherwise" if lost else "",
                path,
                path,
            )

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
        if changed and not self._wish.resume:
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
            TrackingError: another launch works in the output folder since its lock was deleted.
        """
        if self._writer is None:
            return
        if self._lock is not None:
            self._lock.renew()
        now = _now()
        self._writer.measure([(self._unique(key), float(value), now, step) for key, value in mapping.items()])

    def steps(self, name: str) -> set[int]:
        """Steps at which a metric stands in the store already; of a run that was not resumed, and on other ranks, none.

        A part of it that was killed may have logged more than its last checkpoint knows of, or less.
        """
        if self._opened is None or not self._wish.resume or self._opened.id != self._wish.resume:
            return set()
        try:
            return {metric.step for metric in self._opened.client.get_metric_history(self.id, clean(name))}
        except Exception as error:
            if not is_outage(error, self._opened.store):
                raise
            logger.warning("the tracking store does not say what run %s has logged: some may be doubled", self.name)
            return set()

    def tags(self, mapping: Mapping[str, str]) -> None:
        """Set tags; a tag set again is replaced. Values are cut at 5,000 characters."""
        if self._writer is not None:
            self._writer.put(Tags({key: as_text(value)[:5000] for key, value in mapping.items()}))

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
            write_whole(self._place(name), text)
            self._log_placed(name)

    def figure(self, figure: Figure, name: str) -> None:
        """Save a figure as ``name`` (.png) in the output folder and log it as an artifact of that name."""
        if self._writer is not None:
            write_figure(self._place(name), figure, dpi=120, tight=True)
            self._log_placed(name)

    def flush(self) -> None:
        """Have the buffered metrics written now; does not wait for it."""
        if self._writer is not None:
            self._writer.flush()

    def _head(self) -> dict[str, str]:
        """What a file in the output folder says of the run that it belongs to."""
        return {"run": self.id, "store": self.uri, "experiment": self._wish.experiment, "name": self.name}

    def _unique(self, name: str) -> str:
        """The clean form of a name, which no other name may share."""
        cleaned = clean(name)
        if self._original.setdefault(cleaned, name) != name:
            raise ValueError(
                f"{name!r} and {self._original[cleaned]!r} would both be logged as {cleaned!r}; rename one"
            )
        return cleaned

    def _place(self, name: str) -> Path:
        """Where in the output folder an artifact of this name is written first."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.name:
            raise ValueError(
                f"{name!r} is no name of an artifact: give a path relative to the run, such as plots/roc.png"
            )
        path = self._wish.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _log_placed(self, name: str) -> None:
        parent = PurePosixPath(name).parent
        self.artifact(self._wish.folder / name, "" if parent == PurePosixPath() else str(parent))


def status_after(error: BaseException | None) -> str:
    """The MLflow status of a run that ended with this exception, or with none."""
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
