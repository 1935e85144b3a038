"""Claims by which processes that share a folder divide the work: locks that the system releases if a process dies."""

from __future__ import annotations

import errno
import fcntl
import logging
from pathlib import Path

HELD_ELSEWHERE = (errno.EACCES, errno.EAGAIN)
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)

logger = logging.getLogger(__name__)


class Claims:
    """Locks on single bytes of ``claims.lock`` in a folder, one byte for each key.

    They only save work. On a file system without locks, two processes may do the same work, and the results are
    the same.
    """

    def __init__(self, folder: Path) -> None:
        self.file = open(folder / "claims.lock", "ab")  # noqa: SIM115  open until closed
        self.supported = True

    def take(self, key: bytes) -> bool:
        """Claim a key; False if another process holds it."""
        if not self.supported:
            return True
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(key))
        except OSError as error:
            if error.errno in HELD_ELSEWHERE:
                return False
            if error.errno not in UNSUPPORTED:
                raise
            self.supported = False
            logger.warning("%s: no locks on this file system; processes may do the same work twice", self.file.name)
        return True

    def give_back(self, key: bytes) -> None:
        """Release a key for other processes."""
        if self.supported:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, _byte(key))

    def close(self) -> None:
        """Release all keys."""
        self.file.close()


def _byte(key: bytes) -> int:
    return int.from_bytes(key[:7], "little")
