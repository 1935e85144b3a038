"""Turn SIGTERM into an exception, so that a run can be closed in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

EXIT_CODE = 128 + signal.SIGTERM
"""143, the exit code of a process that was ended by SIGTERM."""
AGAIN_SECONDS = 0.05
"""After how long a signal is sent again whose exception was lost."""


class Termination:
    """While installed, the first SIGTERM raises SystemExit(143) in the main thread.

    If it arrives while an object is being deleted (``__del__``, a callback of ``weakref``), Python drops the
    exception; the signal is then sent once more, a little later. So is that of Ctrl-C.

    Only the main thread may set signal handlers; in other threads installing does nothing.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._previous: Any = None
        self._is_raising = False
        self._raised: SystemExit | None = None
        self._previous_hook: Any = None
        self._again: threading.Timer | None = None

    def install(self) -> None:
        """Take SIGTERM over."""
        if threading.current_thread() is threading.main_thread():
            self._owner = os.getpid()
            self._is_raising = True
            self._previous = signal.signal(signal.SIGTERM, self._on_signal)
            self._previous_hook, sys.unraisablehook = sys.unraisablehook, self._on_lost

    def hold_off(self) -> None:
        """Ignore further signals, while the end of the run is being written."""
        self._is_raising = False
        if self._again is not None:
            self._again.cancel()

    def restore(self) -> None:
        """Restore the handler that SIGTERM had before."""
        if sys.unraisablehook == self._on_lost:
            sys.unraisablehook = self._previous_hook
        # signal.signal also returns None for a handler that was set outside Python, which cannot be restored.
        if self._previous is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous)
        self._previous = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A forked data-loading worker inherits the handler, but must die as it would without it.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        elif self._is_raising:
            self._is_raising = False
            self._raised = SystemExit(EXIT_CODE)
            raise self._raised

    def _on_lost(self, lost: Any) -> None:  # noqa: ANN401 - sys.UnraisableHookArgs, which exists for type checkers alone
        is_interrupt = isinstance(lost.exc_value, KeyboardInterrupt)
        if not is_interrupt and (self._raised is None or lost.exc_value is not self._raised):
            self._previous_hook(lost)
            return
        if not is_interrupt:
            self._raised, self._is_raising = None, True
        # Not at once, as the object being deleted would drop the next exception as well.
        number = signal.SIGINT if is_interrupt else signal.SIGTERM
        self._again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
        self._again.daemon = True
        self._again.start()
