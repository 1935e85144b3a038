"""Open files that others name: regular ones alone, and none larger than any radiograph."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO

from transforms.errors import RadiographError

LARGEST_FILE = 2**31
"""Bytes; a radiograph of the most pixels that are believed, in 32 bits, is smaller."""
LONGEST_HEADER = 2**28
MOST_READS = 300_000
"""Bytes of a header, and pieces that it is read in, which take some seconds. Real ones have some hundred kilobytes, and
thousands of pieces."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, but no pipe, device or socket, which might never end or never begin.

    Raises:
        RadiographError: no regular file, empty, or larger than ``LARGEST_FILE``.
        OSError: it cannot be opened.
    """
    if "\0" in str(path):
        raise RadiographError("has a name that no file can have: it holds a NUL character")
    # Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever. On a regular file it changes nothing.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(state.st_mode):
            raise RadiographError("is no regular file but a pipe, a device or a socket, which is never read")
        if state.st_size == 0:
            raise RadiographError("is empty (0 bytes); copy it again from its source")
        if state.st_size > LARGEST_FILE:
            raise RadiographError(f"has {state.st_size} bytes, more than the {LARGEST_FILE} of any one radiograph")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


class HeaderStream(BufferedReader):
    """A file of which only a header's worth is read, so that nobody waits for one that claims to be endless."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(FileIO(os.dup(file.fileno()), closefd=True))
        self._left, self._calls = LONGEST_HEADER, MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does.

        Raises:
            RadiographError: more was read than headers have.
        """
        data = super().read(size)
        self._left -= len(data)
        self._calls -= 1
        if self._left < 0 or self._calls < 0:
            raise RadiographError("has a header without an end: damaged, or made to keep its reader busy")
        return data


def open_beside(header: Path, name: str) -> BinaryIO:
    """Open the file of pixels that a header names: a regular one in the header's own folder, however linked.

    Raises:
        RadiographError: the name leads out of the folder, there is no such file, or it is not a regular one.
    """
    file = header.parent / name
    if "\0" in name or Path(name).name != name or file.resolve().parent != header.parent.resolve():
        raise RadiographError(
            f"names {name!r} as the file of its pixels; only a file in its own folder is read, and no link out of it"
        )
    try:
        return open_regular(file)
    except OSError as error:
        raise RadiographError(
            f"names {name!r} as the file of its pixels, which cannot be opened ({error.strerror})"
        ) from error
    except RadiographError as error:
        raise RadiographError(f"names {name!r} as the file of its pixels, which {error}") from error
