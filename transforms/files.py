"""Opening of untrusted files: only regular ones, and none larger than any radiograph; many of them at once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from transforms.errors import RadiographError

LARGEST_FILE = 2**31
"""Bytes; the largest accepted radiograph with 32 bits per pixel is smaller."""
LONGEST_HEADER = 2**28
MOST_READS = 300_000
"""Largest header in bytes and in read calls, which take some seconds. Real headers have some hundred kilobytes and
thousands of reads."""
AT_ONCE, PORTION = 16, 1024
"""Headers read at once, and before the next ones are handed out."""

T = TypeVar("T")


def of_each(function: Callable[[Path], T], paths: Iterable[str | os.PathLike[str]]) -> list[T]:
    """What a function says of each file, in their order, by threads, since a disk or a network answers late.

    In portions: what a pool keeps of each task is more than all else that is known of a file.

    Raises:
        Exception: What the function raises, of the first file for which it does.

    Example:
        >>> of_each(lambda path: path.stem, ["a/1.png", "a/2.dcm"])
        ['1', '2']
    """
    files, results = list(map(Path, paths)), list[T]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(files), PORTION):
            results += pool.map(function, files[start : start + PORTION])
    return results


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, but not a pipe, device or socket, which might block or never end.

    Raises:
        RadiographError: It is not a regular file, is empty, or is larger than ``LARGEST_FILE``.
        OSError: It cannot be opened.
    """
    if "\0" in str(path):
        raise RadiographError("has a name that no file can have: it holds a NUL character")
    # Without O_NONBLOCK, opening a pipe without a writer blocks forever. For regular files it has no effect.
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
    """A file of which no more than a header is read, so that an endless one cannot block the reader."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(FileIO(os.dup(file.fileno()), closefd=True))
        self._left, self._calls = LONGEST_HEADER, MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like a file.

        Raises:
            RadiographError: More was read than any header has.
        """
        data = super().read(size)
        self._left -= len(data)
        self._calls -= 1
        if self._left < 0 or self._calls < 0:
            raise RadiographError("has a header without an end: damaged, or made to keep its reader busy")
        return data


def open_beside(header: Path, name: str) -> BinaryIO:
    """Open the pixel file that a header names, which must be a regular file in the header's own folder.

    Raises:
        RadiographError: The name or a link leads out of the folder, or there is no such regular file.
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
