"""The last line on the screen if a bundle's run fails: the error itself, not the expression that MONAI evaluated."""

from __future__ import annotations

import sys
from types import TracebackType

from app.checking import CheckError
from app.engines.configuration import monai_words

_MONAIS = ("Failed to evaluate ", "Failed to instantiate component ")
# Their messages are written for users and need no class name in front.
_PLAIN = (ValueError, OSError)


def meant(error: BaseException) -> BaseException:
    """The original error: MONAI raises another one from it for each component and expression around it."""
    while isinstance(error, RuntimeError) and str(error).startswith(_MONAIS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def last_words(error: BaseException) -> str:
    """The last lines on the screen.

    Example:
        >>> last_words(FileNotFoundError("model.pt: no such checkpoint"))
        'error: model.pt: no such checkpoint'
    """
    error = meant(error)
    text = str(error)
    if isinstance(error, _PLAIN) or type(error).__module__.startswith(("app.", "transforms.")):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text}" if text else f"error: {type(error).__name__}"


def tell_last() -> None:
    """Make MONAI's command line end with `last_words` after any error, below the traceback.

    The list of a failed check gets no traceback, as it needs none.
    """
    if monai_words() is not None and sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(meant(error), CheckError):
        sys.__excepthook__(kind, error, trace)
    if not isinstance(error, KeyboardInterrupt):
        sys.stderr.write(f"{last_words(error)}\n")
