"""Turn SIGTERM into an exception, so that what is open can be closed in order."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

EXIT_CODE = 128 + signal.SIGTERM
"""143, the exit code of a process that SIGTERM ended."""


class Termination:
    """While installed, the first SIGTERM raises SystemExit(143) in the main thread.

    Only the main thread may set signal handlers; elsewhere installing does nothing, and the main program decides.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._previous: Any = None
        self._is_raising = False

    def install(self) -> None:
        """Take SIGTERM over."""
        if threading.current_thread() is threading.main_thread():
            self._owner = os.getpid()
            self._is_raising = True
            self._previous = signal.signal(signal.SIGTERM, self._on_signal)

    def hold_off(self) -> None:
        """Let further signals pass unheard, while the last things are being written."""
        self._is_raising = False

    def restore(self) -> None:
        """Give SIGTERM back to whoever had it."""
        # None is also what signal.signal returns for a handler set outside Python, which cannot be put back.
        if self._previous is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous)
        self._previous = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A forked data-loading worker inherits the handler, but must die as it would have without us.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        elif self._is_raising:
            self._is_raising = False
            raise SystemExit(EXIT_CODE)
