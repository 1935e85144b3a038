"""What the reading of radiographs raises, and how its messages name files."""

import os


class RadiographError(ValueError):
    """A file that is not one readable, grey, two-dimensional radiograph; the message names the file and the cause."""


class MissingFileError(RadiographError, FileNotFoundError):
    """A file that is not there: bad input, as every `RadiographError`, and what opening it would raise."""


def shown(name: str | os.PathLike[str]) -> str:
    r"""A file's name as text: what is no UTF-8 in it as escapes, such as ``r\xf6ntgen.png``.

    Example:
        >>> shown("r\udcf6ntgen.png")
        'r\\xf6ntgen.png'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
