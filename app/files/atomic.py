"""Files that appear under their name whole or not at all, even if the disk is full or the power fails."""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""Errors of file systems that cannot sync a folder."""


@contextmanager
def whole_file(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path to write to; the file is renamed to ``path`` when the block ends without an error.

    The temporary file lies beside ``path``, hidden and marked with the process and its thread. File and name are on the
    disk before this returns, so that a power failure leaves either the old file or the new one. A device or a pipe is
    written to directly.

    Args:
        path: The file. An older one is replaced.
        previous: Where the older file is moved instead. A power failure between the two moves leaves only that.

    Raises:
        OSError: The file cannot be written; names ``path`` and the reason. An older file is intact.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.csv"
        >>> with whole_file(path) as temporary:
        ...     _ = temporary.write_text("image,score")
        ...     path.exists()
        False
        >>> path.read_text()
        'image,score'
    """
    if path.exists() and not path.is_file():
        yield path
        return
    # Short, as the name itself may be as long as the file system allows. Not made by tempfile, whose files only their
    # owner can read.
    temporary = path.with_name(
        f".{os.getpid()}-{threading.get_native_id()}-{zlib.crc32(os.fsencode(path.name)):08x}.partial"
    )
    try:
        yield temporary
        _sync(temporary)
        if previous is not None and path.exists():
            path.replace(previous)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        raise OSError(
            error.errno, f"{os.strerror(error.errno)}: the file was not written, and an older one is intact", str(path)
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def opened_whole(path: Path) -> Iterator[TextIO]:
    """Open a table in UTF-8 that is written as `whole_file` does; what UTF-8 cannot hold is escaped."""
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file as `whole_file` does; text in UTF-8, with its line ends as they are."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_files(folder: Path, contents: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    """Write files, named by their paths below a folder, as `write_whole` does; folders are made."""
    paths = tuple(folder / name for name in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return paths


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write pixels (H, W) or (H, W, 3), blue first, of 8 or 16 bits, as PNG; the folder is made."""
    import cv2

    encoded, content = cv2.imencode(".png", pixels)
    if not encoded:
        raise OSError(f"{path}: OpenCV could not encode a picture of shape {pixels.shape} and type {pixels.dtype}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.tobytes())


def write_figure(path: Path, figure: Figure, dpi: int, tight: bool = False) -> None:
    """Write a figure in the format that the suffix names; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:] or "png", dpi=dpi, bbox_inches="tight" if tight else None)


def remove_partial(folder: Path) -> None:
    """Remove what killed writers left in a folder and its subfolders; call it only while nobody else writes there."""
    for pattern in (".*.partial", "*/.*.partial"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, if its file system can.

    Raises:
        OSError: The disk fails.
    """
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
