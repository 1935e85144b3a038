"""The output folder of a run: whether it can be written, and a lock that one launch at a time holds."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from app.tracking.errors import TrackingError

logger = logging.getLogger(__name__)

LOCK_FILE = ".frugal.lock"
_LOCKED_FOLDERS: set[int] = set()
"""Descriptors that forked data-loading workers must close, as they would hold the lock beyond the launch's death."""


def _close_locked_folders() -> None:
    while _LOCKED_FOLDERS:
        os.close(_LOCKED_FOLDERS.pop())


os.register_at_fork(after_in_child=_close_locked_folders)


def why_not_writable(folder: Path) -> str | None:
    """Why nothing can be written into a folder, which may be missing still; None if it can. Makes no folder."""
    try:
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=existing):
            return None
    except OSError as error:
        return error.strerror or str(error)


class FolderLock:
    """A lock of a folder that the system releases when its holder dies, however that happens.

    Two locks are taken. The one of the folder itself remains if somebody deletes the lock file, but network file
    systems do not have it. The one of the file works between hosts that share the folder; the file also names the
    holder.

    Args:
        folder: Made when the lock is taken, if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[Path] = []
        self._file: IO[str] | None = None
        self._folder_descriptor = -1

    def take(self) -> str:
        """Take the lock.

        Returns:
            Id of the run that held it last, whose process has therefore ended; empty if there was none, or if the file
            system has no locks.

        Raises:
            TrackingError: Another launch holds it; names the process.
        """
        self._made = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / LOCK_FILE).open("a+", encoding="utf-8")
        self._folder_descriptor = os.open(self.folder, os.O_RDONLY)
        _LOCKED_FOLDERS.add(self._folder_descriptor)
        holder = _holder(self._file)
        try:
            self._lock(fcntl.flock, self._folder_descriptor, holder)
            is_locked = self._lock(fcntl.lockf, self._file.fileno(), holder)
        except TrackingError:
            self.release()
            raise
        if not is_locked:
            logger.warning("%s cannot be locked: do not start a second launch in it", self.folder)
            return ""
        last = holder.get("run", "")
        self.sign(last)
        return last

    def sign(self, run_id: str) -> None:
        """Write the holder into the lock file; on a full disk the lock holds without it."""
        if self._file is None:
            return
        holder = {"run": run_id, "process": str(os.getpid()), "host": socket.gethostname()}
        try:
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f"{json.dumps(holder)}\n".encode())
        except OSError as error:
            logger.warning("cannot write the holder of the lock into %s: %s", self.folder / LOCK_FILE, error.strerror)

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._folder_descriptor in _LOCKED_FOLDERS:
            _LOCKED_FOLDERS.remove(self._folder_descriptor)
            os.close(self._folder_descriptor)

    def discard(self) -> None:
        """Give the lock of a launch back that did not start, and remove the folders that were made for it."""
        self.release()
        if self._made:
            (self.folder / LOCK_FILE).unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):  # something lies in it by now
                folder.rmdir()
        self._made = []

    def _lock(self, lock: Callable[[int, int], None], descriptor: int, holder: Mapping[str, str]) -> bool:
        """Take one of the two locks; False if the file system does not have it."""
        try:
            lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return False
            name = "process {process} on {host}".format_map(holder) if holder else "an unnamed process"
            run = f", run {holder['run']}" if holder.get("run") else ""
            raise TrackingError(
                f"another launch works in {self.folder}: {name}{run}. Wait for it, or name another folder: "
                "--output_dir DIR"
            ) from error
        return True


def _holder(file: IO[str]) -> dict[str, str]:
    """What the last holder wrote; empty if it died before it had written everything."""
    file.seek(0)
    try:
        content = json.loads(file.read())
        return {name: str(content[name]) for name in ("run", "process", "host")}
    except (ValueError, KeyError, TypeError):
        return {}
