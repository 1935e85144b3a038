"""Errors of reading radiographs, and how messages name files."""

import os


class RadiographError(ValueError):
    """A file that is not one readable, grey, two-dimensional radiograph; the message names the file and the cause."""


class MissingFileError(RadiographError, FileNotFoundError):
    """A file that does not exist: bad input like every `RadiographError`, and also a FileNotFoundError."""


class UnsuitedError(ValueError):
    """A readable radiograph that is not wanted, such as an inverted one; the message says why, and names no file."""


def shown(name: str | os.PathLike[str]) -> str:
    r"""A file's name as text, with escapes for bytes that are not UTF-8, such as ``r\xf6ntgen.png``.

    Example:
        >>> shown("r\udcf6ntgen.png")
        'r\\xf6ntgen.png'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
