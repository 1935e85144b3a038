"""Whether a disk has room for what is still to be prepared, and what to say where it has not."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from app.prepared.folders import DESCRIPTION

FULL = (errno.ENOSPC, errno.EDQUOT)


def check_space(folder: Path, each: int, count: int) -> None:
    """See that there is room for ``count`` times ``each`` bytes.

    Raises:
        OSError: saying how much is needed, where, and what could be deleted.
    """
    if each * count > shutil.disk_usage(folder).free:
        raise full_disk(folder, each, count)


def full_disk(folder: Path, each: int, count: int) -> OSError:
    """The error to raise where the disk is full."""
    needed, free = each * count, shutil.disk_usage(folder).free
    message = (
        f"{count} radiographs are still to be prepared, which takes {_gigabytes(needed)}, but the disk has "
        f"{_gigabytes(free)} left; make room or name another folder, and it goes on where it was"
    )
    rest = of_other_transforms(folder)
    message += f" ({rest})" if rest else ""
    return OSError(errno.ENOSPC, message, str(folder))


def of_other_transforms(folder: Path) -> str:
    """What is kept beside a folder, and how to be rid of it; empty where there is nothing."""
    others = [other for other in folder.parent.iterdir() if other != folder and (other / DESCRIPTION).is_file()]
    if not others:
        return ""
    size = sum(file.stat().st_size for other in others for file in other.iterdir())
    return (
        f"{_gigabytes(size)} are results of other transforms: `frugal prepared {folder.parent}` lists them, and "
        "--prune DAYS removes those not used for so long"
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3f} GB"
