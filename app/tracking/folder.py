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

from app.tracking.errors import TrackingError

logger = logging.getLogger(__name__)

LOCK_FILE = ".frugal.lock"


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

    It works between hosts that share the folder as well, which process numbers do not. Forked data-loading workers
    have no part in it.

    Args:
        folder: that exists.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._file: IO[str] | None = None

    def take(self) -> str:
        """Take it.

        Returns:
            The id of the run that held it last, whose process is gone therefore; empty where there was none, or where
            the file system has no locks.

        Raises:
            TrackingError: another launch works in the folder; names its process.
        """
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                logger.warning("%s cannot be locked (%s): start no second launch there", self.path, error.strerror)
                return ""
            run = f", run {holder['run']}" if holder.get("run") else ""
            raise TrackingError(
                f"another launch works in {self.path.parent}: process {holder.get('process', 'unknown')} on "
                f"{holder.get('host', 'another host')}{run}. Wait for it, or name another "
                "folder: --output_dir DIR"
            ) from error
        self._file = file
        last = _holder(file).get("run", "")
        self.sign(last)
        return last

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


def _holder(file: IO[str]) -> dict[str, str]:
    """What the last holder wrote; empty where it died before it could."""
    file.seek(0)
    try:
        content = json.loads(file.read())
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
