"""A lease: one process at a time hands out the work of a folder, on any storage that several machines share.

Byte locks (see ``claims``) end with their process, but many network file systems do not keep them, or not between
machines. A lease is a file that its holder renews every few seconds; one that is not renewed any more has no holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from app.files.atomic import write_whole

FILE = "driver.lease"
RENEWED_EVERY = 2.0
PATIENCE = 20.0
"""Seconds without renewal after which a lease has no holder: a busy machine or storage may hold renewals up."""


class Lease:
    """The right to hand out the work of a folder, held in a ``with`` block.

    Args:
        folder: It exists.
        patience: Seconds without renewal after which the lease of another process is taken over.
        every: Seconds between renewals.

    Raises:
        ValueError: Another process holds it; names the process and its machine.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE, every: float = RENEWED_EVERY) -> None:
        self.path = folder / FILE
        self.patience = patience
        self.every = every
        self._holder = {"process": os.getpid(), "host": socket.gethostname(), "id": uuid.uuid4().hex}
        self._renewals = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lease:
        """Take the lease; that of a process that died is taken over once it was not renewed for a while."""
        refuse_if_leased(self.path.parent, self.patience)
        try:
            with self.path.open("x", encoding="utf-8") as file:
                file.write(self._content())
        except FileExistsError:  # another process took it at the same moment
            raise ValueError(_refusal(self.path)) from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back."""
        self._ended.set()
        self._thread.join()
        if self.is_held():
            self.path.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether this process still holds it: another may have taken it over while this one was suspended."""
        return _holder(self.path).get("id") == self._holder["id"]

    def _renew(self) -> None:
        while not self._ended.wait(self.every):
            with suppress(OSError):  # storage out of reach for a moment; the next renewal may arrive
                if not self.is_held():
                    return
                self._renewals += 1
                write_whole(self.path, self._content())

    def _content(self) -> str:
        return json.dumps({**self._holder, "renewals": self._renewals}) + "\n"


def refuse_if_leased(folder: Path, patience: float = PATIENCE) -> None:
    """Refuse a folder whose work another process hands out. A lease that is not renewed any more is removed.

    Raises:
        ValueError: Another process holds the lease.
    """
    path = folder / FILE
    first = _text(path)
    until = time.monotonic() + patience
    while first is not None:
        if time.monotonic() > until:
            _remove(path, first)
            return
        time.sleep(min(0.5, patience / 4))
        now = _text(path)
        if now is None:
            return
        if now != first:
            raise ValueError(_refusal(path))


def _remove(path: Path, abandoned: str) -> None:
    """Remove a lease, unless another process has taken it over by now.

    Storage without locks leaves a moment in which that is not noticed: a lease that was moved away then is put back.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    with _locked(path.parent), suppress(FileNotFoundError):
        if _text(path) != abandoned:
            return
        path.rename(aside)
        if _text(aside) != abandoned:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, if its storage has any."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refusal(path: Path) -> str:
    holder = _holder(path)
    process = f"process {holder.get('process')} on {holder.get('host')}" if holder else "another process"
    return f"{path.parent}: {process} hands out the work of this folder already. Wait for it or end it."


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _holder(path: Path) -> dict[str, object]:
    """What the file says of its holder; empty if there is none, or if it died while it wrote."""
    try:
        content = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
