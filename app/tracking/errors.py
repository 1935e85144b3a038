"""Errors of tracking, and how they are shown without credentials."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class TrackingError(ValueError):
    """A tracking store or a run cannot be used; the message says what to do."""


def without_credentials(uri: str) -> str:
    """Remove user name, password and query from a URI, so that it can be logged.

    Example:
        >>> without_credentials("http://me:secret@host:5000/mlflow?token=1")
        'http://host:5000/mlflow'
    """
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def first_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, at most 200 characters, without credentials.

    Example:
        >>> first_line(OSError("http://me:secret@host failed"))
        'OSError: http://host failed'
    """
    message = _CREDENTIALS.sub("//", str(error).strip().split("\n", 1)[0])
    name = type(error).__name__
    return (f"{name}: {message}" if message else name)[:200]
