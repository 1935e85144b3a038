"""The processes of a service: one for each receiver, one that scores, one that sends; the first watches them.

A process that ends is started again, after a while if it ends again and again. SIGTERM and Ctrl-C stop all of them once
each has finished what it has in hand.
"""

from __future__ import annotations

import datetime
import fcntl
import logging
import multiprocessing
import os
import sqlite3
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from app.lazy import install
from app.service import health
from app.service.daily import days_to_record
from app.service.settings import Receiver, Settings
from app.service.spool import Shard, Spool
from app.service.table import Table
from app.service.waiting import Backoff, stop_event

if TYPE_CHECKING:
    from app.service.polling import Dicomweb, Folder, Orthanc

LOOK_EVERY = 0.5
"""Seconds between two looks at the processes."""
GRACE = 30.0
"""Seconds that a process has to finish what it has in hand."""
LIVED = 60.0
"""Seconds after which an end counts as the first one."""
RECORD_EVERY = 600.0
"""Seconds between two looks at whether a day has passed."""
SPAWN = multiprocessing.get_context("spawn")
"""So that no process holds another's locks, threads or libraries."""
READY = "ready"
"""Note of the table: the number of the first process of the service whose model is loaded."""
HOPELESS = 3
"""Exit code of a process that would fail again."""
Run = Callable[[Settings, Shard, int], None]

logger = logging.getLogger(__name__)


class HopelessError(Exception):
    """What a process needs at its start is wrong or missing, and a person has to mend it."""


@dataclass
class Part:
    """One process of a service.

    Attributes:
        name: As the health page shows it.
        run: What it does.
        number: Of the receiver in the settings, if it is one.
    """

    name: str
    run: Run
    number: int = 0
    process: BaseProcess | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(longest=60))
    begun: float = 0.0
    not_before: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.is_alive()


def serve(settings: Settings, shard: Shard) -> None:
    """Run a service until SIGTERM or Ctrl-C.

    Raises:
        ValueError: Another service works for the same shard of the spool, or divides it by another number; or
            a table of the spool is of another version.
        OSError: The spool or the port of the health page cannot be used, as when the disk is full.
    """
    spool = Spool(settings.spool)
    lock = _locked(spool, shard)
    spool.clean(shard)
    try:
        table = Table(table_path(spool, shard))
        Table(sources_path(spool)).close()  # brings it up to date, before receivers open it
        table.note(READY, "")
    except sqlite3.OperationalError as error:
        raise OSError(f"{spool.folder}: its tables cannot be used: {error}") from error
    parts = _parts(settings, shard)
    stop = stop_event(is_first=True)

    def look() -> health.State:
        is_ready = table.noted(READY) == str(os.getpid())
        return health.state_of(spool, table, shard, is_ready, {part.name: part.is_running for part in parts})

    page = None if settings.health is None else health.start(settings.health, look)
    if page is not None:
        threading.Thread(target=page.serve_forever, daemon=True).start()
    try:
        _watch(parts, settings, shard, table, stop)
    finally:
        _stop(parts)
        lock.close()
    logger.info("stopped")


def table_path(spool: Spool, shard: Shard) -> Path:
    """The file of a shard's table."""
    return spool.folder / f"table-{shard}.sqlite"


def sources_path(spool: Spool) -> Path:
    """The file that remembers what was fetched from elsewhere, however many services share the spool."""
    return spool.folder / "sources.sqlite"


def _parts(settings: Settings, shard: Shard) -> list[Part]:
    receivers = enumerate(settings.receive) if shard.number == 1 else ()
    return [
        *(Part(f"receiver {number + 1}", _receive, number) for number, _ in receivers),
        Part("scorer", _score),
        Part("sender", _send),
    ]


def _watch(parts: list[Part], settings: Settings, shard: Shard, table: Table, stop: threading.Event) -> None:
    """Start processes, and start again those that ended."""
    recorder, next_record = Part("recorder", _record), 0.0
    while not stop.is_set():
        now = time.monotonic()
        for part in parts:
            if not part.is_running:
                _restart(part, settings, shard, now)
        if now >= next_record and not recorder.is_running:
            next_record = now + RECORD_EVERY
            if next(days_to_record(table, datetime.date.today()), None) is not None:
                _start(recorder, settings, shard)
        stop.wait(LOOK_EVERY)
    parts.append(recorder)


def _restart(part: Part, settings: Settings, shard: Shard, now: float) -> None:
    if part.process is not None:
        if part.process.exitcode == HOPELESS:
            raise ValueError(f"the service cannot start; the {part.name} says above why.")
        logger.warning(f"{part.name} ended with exit code {part.process.exitcode}")
        part.process = None
        if now - part.begun > LIVED:
            part.backoff.reset()
        part.not_before = now + part.backoff.next()
    if now >= part.not_before:
        part.begun = now
        _start(part, settings, shard)


def _start(part: Part, settings: Settings, shard: Shard) -> None:
    process = SPAWN.Process(target=_run, args=(part.run, settings, shard, part.number), name=part.name)
    process.start()
    part.process = process


def _stop(parts: list[Part]) -> None:
    """Let all processes finish what they have in hand."""
    running = [part.process for part in parts if part.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in running:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            logger.warning(f"{process.name} did not end within {GRACE:.0f} s and is killed")
            process.kill()
            process.join()


def _run(run: Run, settings: Settings, shard: Shard, number: int) -> None:
    """What each process does."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(processName)s: %(message)s")
    code = 0
    silence()
    install()
    try:
        run(settings, shard, number)
    except HopelessError as error:
        logger.error(f"frugal: error: {error}")
        code = HOPELESS
    except Exception as error:  # its message may quote anything
        logger.error(f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}")
        code = 1
    logging.shutdown()
    # All that matters is on the disk; libraries and their threads may take long to end by themselves.
    os._exit(code)


def silence() -> None:
    """Keep libraries from telling on the screen or in a log what they read, as their messages quote values."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "highdicom", "pynetdicom", "dicomweb_client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _receive(settings: Settings, shard: Shard, number: int) -> None:
    stop = stop_event()
    from app.service import polling, receiving

    spool, receiver = Spool(settings.spool), settings.receive[number]
    if receiver.dicom is not None:
        try:
            server = receiving.start(receiver.dicom, spool)
        except OSError as error:
            raise HopelessError(f"receive.{number}.dicom: port {receiver.dicom.port}: {error}") from error
        stop.wait()
        server.shutdown()
        return
    source, every = _source(receiver, spool, Table(sources_path(spool)))
    polling.run(source.look, every, stop)


def _source(receiver: Receiver, spool: Spool, table: Table) -> tuple[Folder | Dicomweb | Orthanc, float]:
    from app.service import polling

    if receiver.folder is not None:
        return polling.Folder(receiver.folder, spool, table), receiver.folder.every
    if receiver.dicomweb is not None:
        return polling.Dicomweb(receiver.dicomweb, spool, table), receiver.dicomweb.every
    assert receiver.orthanc is not None
    return polling.Orthanc(receiver.orthanc, spool, table), receiver.orthanc.every


def _score(settings: Settings, shard: Shard, number: int) -> None:
    stop = stop_event()
    from app.failures import described
    from app.service.model import ResidentModel
    from app.service.scoring import Scorer

    spool = Spool(settings.spool)
    table = Table(table_path(spool, shard))
    table.note(READY, "")
    try:
        model = ResidentModel(settings.weights, settings.options, settings.results, spool.folder / f"model-{shard}")
    except Exception as error:
        raise HopelessError(f"weights: {described(error)}") from error
    table.note(READY, str(os.getppid()))
    logger.info("ready")
    try:
        Scorer(settings, spool, table, model).run(shard, stop)
    finally:
        model.close()


def _send(settings: Settings, shard: Shard, number: int) -> None:
    stop = stop_event()
    from app.service import sending
    from app.service.targets import open_target

    spool = Spool(settings.spool)
    sending.run(open_target(settings.send), spool, Table(table_path(spool, shard)), shard, stop)


def _record(settings: Settings, shard: Shard, number: int) -> None:
    from app.service.daily import record
    from app.tracking import TrackingError

    spool = Spool(settings.spool)
    table = Table(table_path(spool, shard))
    for day in list(days_to_record(table, datetime.date.today())):
        try:
            record(settings, table, shard, day)
        except TrackingError as error:
            logger.warning(f"{day} is recorded in MLflow later: {error}")
            return
    for each in (table, *([Table(sources_path(spool))] if shard.number == 1 else [])):
        each.forget(time.time() - 86400 * settings.keep_rows_days)


def _locked(spool: Spool, shard: Shard) -> IO[bytes]:
    """Keep others from working for the same shard, or for one of another number of shards, which would share images.

    Raises:
        ValueError: Another service does.
    """
    with (spool.folder / "start.lock").open("ab") as start:
        fcntl.flock(start, fcntl.LOCK_EX)  # services that start at the same time look one after the other
        spool.pseudonyms.of("image", "")  # makes the key, before several processes do
        for path in spool.folder.glob("service-*-of-*.lock"):
            if not path.stem.endswith(f"-of-{shard.count}"):
                with path.open("ab") as other:
                    _lock(other, path.stem.removeprefix("service-"), spool)
        file = (spool.folder / f"service-{shard}.lock").open("ab")
        _lock(file, str(shard), spool)
    return file


def _lock(file: IO[bytes], shard: str, spool: Spool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{spool.folder}: another service works with this spool (shard {shard}).") from None
