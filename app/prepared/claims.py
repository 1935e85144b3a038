"""Which process has taken on what: locks that the system takes back when a process dies."""

from __future__ import annotations

import errno
import fcntl
import logging
from pathlib import Path

TAKEN = (errno.EACCES, errno.EAGAIN)
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)

logger = logging.getLogger(__name__)


class Claims:
    """Locks on single bytes of a file, one byte a key.

    They only spare work: a shard has one writer, so where a file system has no locks the same is done twice, and that
    is all.
    """

    def __init__(self, folder: Path) -> None:
        self.file = open(folder / "claims.lock", "ab")  # noqa: SIM115  held until closed
        self.supported = True

    def take(self, key: bytes) -> bool:
        """Whether the key is now ours; not where another process has it."""
        if not self.supported:
            return True
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(key))
        except OSError as error:
            if error.errno in TAKEN:
                return False
            if error.errno not in UNSUPPORTED:
                raise
            self.supported = False
            logger.warning("%s: no locks on this file system; processes may do the same work twice", self.file.name)
        return True

    def give_back(self, key: bytes) -> None:
        """Let others have it."""
        if self.supported:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, _byte(key))

    def close(self) -> None:
        """Give all back."""
        self.file.close()


def _byte(key: bytes) -> int:
    return int.from_bytes(key[:7], "little")
