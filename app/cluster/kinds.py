"""Kinds of failure, which decide whether a task is tried again."""

from __future__ import annotations

import errno

from app.failures import meant

DIED = "died"
MEMORY = "memory"
STORAGE = "storage"
OTHER = "other"

TRIES_AGAIN = {DIED: 3, STORAGE: 3, MEMORY: 1, OTHER: 0}
"""How often a task is tried again after a failure of each kind."""

_STORAGE = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENETDOWN)
"""What storage over a network reports while it is out of reach; a full disk or a missing file stays so."""


def kind_of(error: BaseException) -> str:
    """``memory``, ``storage`` or ``other``.

    Example:
        >>> kind_of(OSError(errno.ESTALE, "Stale file handle")), kind_of(FileNotFoundError(errno.ENOENT, "missing"))
        ('storage', 'other')
    """
    error = meant(error)
    # Torch's class for GPUs is known by its name, so that torch is not imported; on the CPU it raises a RuntimeError.
    is_torchs = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or is_torchs or number == errno.ENOMEM:
        return MEMORY
    return STORAGE if number in _STORAGE else OTHER
