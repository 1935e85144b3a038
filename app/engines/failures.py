"""What a user reads last when a bundle's run fails: what went wrong, not the expression that MONAI was evaluating."""

from __future__ import annotations

import sys
from types import TracebackType

from app.checking import CheckError

_MONAIS = ("Failed to evaluate ", "Failed to instantiate component ")
# Their messages are written for users, and need no class in front.
_PLAIN = (ValueError, OSError)


def meant(error: BaseException) -> BaseException:
    """The error beneath those that MONAI raises from it, one for each component and expression around it."""
    while isinstance(error, RuntimeError) and str(error).startswith(_MONAIS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def last_words(error: BaseException) -> str:
    """The last lines on the screen."""
    error = meant(error)
    text = str(error)
    if isinstance(error, _PLAIN) or type(error).__module__.startswith(("app.", "transforms.")):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text}" if text else f"error: {type(error).__name__}"


def tell_last() -> None:
    """Where MONAI's command line runs, end with `last_words` whatever ends it; tracebacks stay above.

    What a check lists needs no traceback, and gets none.
    """
    started = getattr(sys.modules["__main__"], "__spec__", None)
    if started is not None and started.name == "monai.bundle.__main__" and sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(meant(error), CheckError):
        sys.__excepthook__(kind, error, trace)
    if not isinstance(error, KeyboardInterrupt):
        sys.stderr.write(f"{last_words(error)}\n")
