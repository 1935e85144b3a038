"""What goes wrong with tracking, and how it is told without showing credentials."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class TrackingError(ValueError):
    """A tracking store or a run cannot be used; the message says what to do."""


def without_credentials(uri: str) -> str:
    """The URI without user name, password and query, fit for logs and tags."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def first_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, at most 200 characters, without credentials."""
    message = _CREDENTIALS.sub("//", str(error).strip().split("\n", 1)[0])
    name = type(error).__name__
    return (f"{name}: {message}" if message else name)[:200]
