"""How a bundle's run that fails or is interrupted is told of: by the error itself, not by an expression of MONAI's."""

from __future__ import annotations

_MONAIS = ("Failed to evaluate ", "Failed to instantiate component ")
# Their messages are written for users and need no class name in front.
_PLAIN = (ValueError, OSError)


def meant(error: BaseException) -> BaseException:
    """The original error: MONAI raises another one from it for each component and expression around it."""
    while isinstance(error, RuntimeError) and str(error).startswith(_MONAIS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def described(error: BaseException) -> str:
    """What went wrong, with the name of the error's class unless its message is written for users.

    Example:
        >>> described(FileNotFoundError("model.pt: no such checkpoint")), described(KeyError("name"))
        ('model.pt: no such checkpoint', "KeyError: 'name'")
    """
    error = meant(error)
    text, kind = str(error), type(error)
    if isinstance(error, _PLAIN) or kind.__module__.startswith(("app.", "transforms.")):
        return text
    return f"{kind.__name__}: {text}" if text else kind.__name__


def interrupted(is_training: bool) -> str:
    """What a run says at its end that was stopped by Ctrl-C."""
    resuming = "; the same command with --resume True continues from the last complete epoch" if is_training else ""
    return f"interrupted{resuming}"
