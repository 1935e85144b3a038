"""Folders of prepared radiographs: their sizes, when they were last used, who uses them, and their removal."""

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
"""What the radiographs of a folder were prepared with."""
LOCK = "used.lock"
"""Locked by every process that uses a folder; its time of change is that of the last use."""
CANNOT_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class FolderUse:
    """Keeps a folder from being removed as long as this object lives, here or in a forked process.

    Args:
        folder: Made if it is not there. Nothing is kept from removal if it cannot be written to or locked.
    """

    def __init__(self, folder: Path) -> None:
        self._file = _shared_lock(folder)

    def close(self) -> None:
        """Allow the removal."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class PreparedFolder:
    """One folder of prepared radiographs.

    Attributes:
        path: Of the folder.
        size: Bytes of all its files.
        days: Since it was last used.
        transforms: Names of the transforms that made it.
        is_used: Whether a process uses it now.
    """

    path: Path
    size: int
    days: float
    transforms: str
    is_used: bool


def prepared_folders(parent: Path) -> list[PreparedFolder]:
    """All folders of prepared radiographs in ``parent``, the one used last first.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not parent.is_dir():
        raise FileNotFoundError(f"{parent}: no such folder of prepared radiographs")
    folders = [path for path in parent.iterdir() if (path / DESCRIPTION).is_file() or (path / LOCK).is_file()]
    return sorted(map(_prepared_folder, folders), key=lambda folder: folder.days)


def remove_unused(parent: Path, days: float) -> tuple[list[PreparedFolder], list[PreparedFolder]]:
    """Remove the folders that nobody has used for some days.

    Returns:
        Those that were removed, and those that were kept because a process uses them.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: One of them cannot be removed.
    """
    removed: list[PreparedFolder] = []
    used: list[PreparedFolder] = []
    for folder in prepared_folders(parent):
        if folder.days >= days:
            (removed if _remove(folder.path) else used).append(folder)
    return removed, used


def other_folders(folder: Path) -> str:
    """How much the folders beside this one take up, and how to remove them; empty if there are none."""
    others = [other for other in folder.parent.iterdir() if other != folder and (other / DESCRIPTION).is_file()]
    if not others:
        return ""
    size = sum(file.stat().st_size for other in others for file in other.iterdir())
    return (
        f"{size / 1e9:.3f} GB are results of other transforms: `frugal prepared {folder.parent}` lists them, and "
        "--prune DAYS removes those not used for so long"
    )


def _prepared_folder(path: Path) -> PreparedFolder:
    files = [file.stat() for file in path.iterdir()]
    last_use = max(status.st_mtime for status in files)
    days = max(0.0, time.time() - last_use) / 86400
    return PreparedFolder(path, sum(status.st_size for status in files), days, _transforms(path), _is_used(path))


def _transforms(path: Path) -> str:
    """Names of the transforms in a folder's description."""
    try:
        parts: Any = json.loads((path / DESCRIPTION).read_text())["transforms"]
    except FileNotFoundError:
        return "nothing prepared"
    except (ValueError, KeyError, TypeError):
        return f"{DESCRIPTION} is damaged"
    return ", ".join(str(part[0]).rpartition(".")[2] for part in parts if isinstance(part, list) and part)


def _is_used(path: Path) -> bool:
    if not (path / LOCK).is_file():
        return False
    with (path / LOCK).open("rb") as file:
        return not _lock_alone(file.fileno())


def _remove(path: Path) -> bool:
    """Remove a folder unless it is in use; nobody ever sees half of it."""
    with open(path / LOCK, "ab") as file:
        if not _lock_alone(file.fileno()):
            return False
        doomed = path.with_name(f".{path.name}.removed-{secrets.token_hex(4)}")
        path.rename(doomed)
    shutil.rmtree(doomed)
    return True


def _lock_alone(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shared_lock(folder: Path) -> int:
    """A descriptor that holds a shared lock, or -1 if there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.utime(file)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        return -1  # nothing can be prepared here, only read
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            os.close(file)
            raise
    return file
