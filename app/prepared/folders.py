"""Folders of prepared radiographs: who uses one, how large it is, when it was last used, and its removal."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DESCRIPTION = "transform.json"
"""What a folder's radiographs were prepared with."""
LOCK = "used.lock"
"""Held by every process that uses a folder; its time of change is that of the last use."""
CANNOT_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class Use:
    """Says, as long as it lives, in this process or in one forked from it, that a folder is in use.

    Args:
        folder: made where it is not there; where that cannot be, or nothing can be locked there, nothing is said.
    """

    def __init__(self, folder: Path) -> None:
        self._file = _locked(folder)

    def close(self) -> None:
        """Use it no longer."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()


def _locked(folder: Path) -> int:
    """A descriptor with a shared lock, -1 where there can be none."""
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            os.utime(file)
        except OSError as error:
            if error.errno not in CANNOT_WRITE:
                raise
            return -1  # who may not write here prepares nothing, and need not tell those who may
        try:
            fcntl.flock(file, fcntl.LOCK_SH)  # waits for who is about to remove it
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError as error:
            if error.errno in NO_LOCKS:
                return file
            os.close(file)
            raise
        os.close(file)  # it was removed in the meantime: begin anew


@dataclass(frozen=True, slots=True)
class PreparedFolder:
    """One folder of prepared radiographs.

    Attributes:
        path: of the folder.
        size: bytes of all that is in it.
        days: since it was last used.
        transforms: what made it, in short.
        is_used: whether a process uses it now.
    """

    path: Path
    size: int
    days: float
    transforms: str
    is_used: bool


def prepared_folders(parent: Path) -> list[PreparedFolder]:
    """All folders of prepared radiographs in ``parent``, the one used last first.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not parent.is_dir():
        raise FileNotFoundError(f"{parent}: no such folder of prepared radiographs")
    folders = [path for path in parent.iterdir() if (path / DESCRIPTION).is_file() or (path / LOCK).is_file()]
    return sorted(map(_looked_at, folders), key=lambda folder: folder.days)


def remove_unused(parent: Path, days: float) -> tuple[list[PreparedFolder], list[PreparedFolder]]:
    """Remove folders that were not used for so many days.

    Returns:
        Those that were removed, and those that would have been if no process used them.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: one of them cannot be removed.
    """
    removed: list[PreparedFolder] = []
    used: list[PreparedFolder] = []
    for folder in prepared_folders(parent):
        if folder.days >= days:
            (removed if _remove(folder.path) else used).append(folder)
    return removed, used


def _looked_at(path: Path) -> PreparedFolder:
    files = {file.name: file.stat() for file in path.iterdir()}
    last = max(files[LOCK].st_mtime if LOCK in files else 0.0, *(state.st_mtime for state in files.values()))
    size = sum(state.st_size for state in files.values())
    return PreparedFolder(path, size, max(0.0, time.time() - last) / 86400, _transforms(path), _is_used(path))


def _is_used(path: Path) -> bool:
    lock = path / LOCK
    if not lock.is_file():
        return False
    with lock.open("rb") as file:
        return not _taken(file.fileno())


def _remove(path: Path) -> bool:
    """Remove a folder unless it is in use, so that nobody ever sees half of it."""
    with open(path / LOCK, "ab") as file:
        if not _taken(file.fileno()):
            return False
        doomed = path.with_name(f".{path.name}.removed-{secrets.token_hex(4)}")
        path.rename(doomed)
    shutil.rmtree(doomed)
    return True


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _transforms(path: Path) -> str:
    """Names of the transforms in a folder's description."""
    file = path / DESCRIPTION
    if not file.is_file():
        return "nothing prepared"
    try:
        parts: Any = json.loads(file.read_text())["transforms"]
    except (ValueError, KeyError, TypeError):
        return f"{DESCRIPTION} is damaged"
    names = [part[0] for part in parts[1:] if isinstance(part, list) and part and isinstance(part[0], str)]
    return ", ".join(name.rpartition(".")[2] for name in names)
