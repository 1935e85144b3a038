"""The last line on the screen if a run of MONAI's command line fails or is interrupted."""

from __future__ import annotations

import sys
from types import TracebackType

from app.checking import CheckError
from app.engines.configuration import Configuration, monai_words
from app.failures import described, interrupted, meant


def tell_last(configuration: Configuration | None = None) -> None:
    """Make MONAI's command line end in a line that says what went wrong, below the traceback.

    The list of a failed check gets no traceback, as it needs none, nor does Ctrl-C.

    Args:
        configuration: Of the run, which says whether it is a training that can be resumed.
    """
    if monai_words() is None or sys.excepthook is not sys.__excepthook__:
        return

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.stderr.write(f"{interrupted(configuration is not None and configuration.is_training)}\n")
            return
        if not isinstance(meant(error), CheckError):
            sys.__excepthook__(kind, error, trace)
        sys.stderr.write(f"error: {described(error)}\n")

    sys.excepthook = tell
