"""The output folder of a run: whether it can be written, and a lock that one launch at a time holds."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import IO
from weakref import WeakSet

from app.tracking.errors import TrackingError

logger = logging.getLogger(__name__)

LOCK_FILE = ".frugal.lock"
_HELD = (errno.EAGAIN, errno.EACCES)
_FORGOTTEN_BY_FORKS: WeakSet[FolderLock] = WeakSet()


def _forget() -> None:
    for lock in list(_FORGOTTEN_BY_FORKS):
        lock.forget_folder()


os.register_at_fork(after_in_child=_forget)


def why_not_writable(folder: Path) -> str | None:
    """Make the folder where it is missing; why nothing can be written there, or None where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


class FolderLock:
    """Held by the launch that works in a folder; however it dies, the system takes it back.

    Two locks: of the folder itself, which nobody can delete from under its holder, but which network file systems do
    not have; and of a file in it, which works between hosts that share the folder, and says who holds it. Forked
    data-loading workers have no part in either.

    Args:
        folder: that exists.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._file: IO[str] | None = None
        self._folder = -1
        _FORGOTTEN_BY_FORKS.add(self)

    def take(self) -> str:
        """Take it.

        Returns:
            The id of the run that held it last, whose process is gone therefore; empty where there was none, or where
            the file system has no locks.

        Raises:
            TrackingError: another launch works in the folder; names its process.
        """
        self._folder = self._locked_folder()
        try:
            return self._take_file()
        except BaseException:
            self.release()
            raise

    def renew(self) -> None:
        """Lock the file anew where it was deleted or replaced, which leaves a holder without it.

        Raises:
            TrackingError: another launch has locked the new one, or the folder is another one by now.
        """
        if self._file is None:
            return
        mine = os.fstat(self._file.fileno())
        # Only looked at: closing a second descriptor of the same file would give the lock back.
        if not (self.path.exists() and os.path.samestat(mine, self.path.stat())):
            holder = _holder(self._file)
            self.release()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.take()
            self.sign(holder.get("run", ""))

    def _locked_folder(self) -> int:
        """A descriptor of the folder, locked; -1 where its file system has no locks of folders."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _HELD:
                return -1
            holder = {}
            if self.path.is_file():
                with self.path.open(encoding="utf-8") as file:
                    holder = _holder(file)
            raise self._taken(holder) from error
        return descriptor

    def _take_file(self) -> str:
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno not in _HELD:
                logger.warning("%s cannot be locked (%s): start no second launch there", self.path, error.strerror)
                return ""
            raise self._taken(holder) from error
        self._file = file
        last = _holder(file).get("run", "")
        self.sign(last)
        return last

    def _taken(self, holder: dict[str, str]) -> TrackingError:
        run = f", run {holder['run']}" if holder.get("run") else ""
        who = (
            f"process {holder['process']} on {holder['host']}"
            if {"process", "host"} <= holder.keys()
            else "a process that left no name"
        )
        return TrackingError(
            f"another launch works in {self.path.parent}: {who}{run}. Wait for it, or name another folder: "
            "--output_dir DIR"
        )

    def sign(self, run_id: str) -> None:
        """Write into it who holds it; a full disk leaves it without a name, and held all the same."""
        if self._file is None:
            return
        holder = {"run": run_id, "process": str(os.getpid()), "host": socket.gethostname()}
        try:
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f"{json.dumps(holder)}\n".encode())
        except OSError as error:
            logger.warning("cannot write into %s who works in the folder: %s", self.path, error.strerror)

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.forget_folder()

    def forget_folder(self) -> None:
        """Close the folder's descriptor; in a forked process that leaves the lock with its parent alone."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def _holder(file: IO[str]) -> dict[str, str]:
    """What the last holder wrote; empty where it died before it could."""
    file.seek(0)
    try:
        content = json.loads(file.read())
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
