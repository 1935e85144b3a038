"""A file of JSON lines that holds what a tracking store could not take: a head, then operations."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.atomic import write_whole
from app.tracking.errors import TrackingError, first_line
from app.tracking.operations import Operation, from_line, to_line
from app.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

_NAME = re.compile(r"tracking-(?P<run>[0-9a-f]{32})\.(refused\.)?jsonl")


class Journal:
    """Appends operations to a file that is made when the first one comes.

    Every line is on the disk before `keep` returns, and a line that could not be written as a whole is taken back, so
    that the next one does not go on in the middle of it.

    Args:
        path: the file.
        head: its first line: ``run`` and ``store`` say where the operations belong.
    """

    def __init__(self, path: Path, head: Mapping[str, str]) -> None:
        self.path = path
        self.head = dict(head)

    def keep(self, operations: Sequence[Operation]) -> None:
        """Append operations, after the head in a new file: all of them, or none.

        Raises:
            OSError: They could not be written; what was kept before is intact.
        """
        lines = "".join(f"{to_line(operation)}\n" for operation in operations)
        if self.path.exists():
            _append(self.path, lines.encode())
        else:
            write_whole(self.path, f"{json.dumps(self.head)}\n{lines}")

    def remove(self) -> None:
        """Remove the file, everything in it being written."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning(
                "cannot remove %s (%s): all that it holds is written, and writing it again changes nothing",
                self.path,
                error.strerror,
            )


@dataclass(frozen=True)
class Kept:
    """What a journal holds.

    Attributes:
        run: id of the run that it belongs to.
        store: its store's address, without credentials; empty where the file does not say.
        operations: with the numbers of their lines.
        damaged: numbers of the lines that are cut short or otherwise unreadable, in part at least.
        lost: bytes of them that are no operation.
    """

    run: str
    store: str
    operations: tuple[tuple[int, Operation], ...]
    damaged: tuple[int, ...]
    lost: int


def read_journal(path: Path) -> Kept:
    """Read a journal, leaving out what a full disk or a power failure has cut.

    Raises:
        FileNotFoundError: There is no such file.
        TrackingError: The file is no journal: neither its head nor its name tells of a run.
    """
    lines = path.read_bytes().split(b"\n")
    operations, damaged, lost = [], [], 0
    try:
        run, store = _read_head(lines[0])
    except ValueError:
        named = _NAME.fullmatch(path.name)
        if named is None:
            raise TrackingError(f"{path} is no file of kept tracking operations: its first line names no run") from None
        run, store = named["run"], ""
        damaged, lost = [1], len(lines[0])
    for number, line in enumerate(lines[1:], start=2):
        operation, cut = _whole_part(line)
        if operation is not None:
            operations.append((number, operation))
        if cut:
            damaged.append(number)
            lost += cut
    return Kept(run, store, tuple(operations), tuple(damaged), lost)


def replay(path: Path, client: MlflowClient, store: Store) -> int:
    """Write a journal's operations to their run, then remove the file.

    Lines that are damaged are left out with a warning, and a file with such lines is not removed but renamed, its name
    ending in ``.damaged``.

    Returns:
        How many operations were written; files that are gone since are named in the log and left out.

    Raises:
        TrackingError: The file is no journal, or the store refuses a line; the file stays, and can be replayed again,
            as writing an operation twice changes nothing.
    """
    from mlflow.exceptions import MlflowException

    kept = read_journal(path)
    written = 0
    for number, operation in kept.operations:
        try:
            operation.write(client, kept.run)
            written += 1
        except FileNotFoundError as error:
            logger.warning("%s, line %d: %s; left out", path, number, error)
        except (MlflowException, OSError) as error:
            raise TrackingError(f"{path}, line {number}: {store.shown} did not take it: {first_line(error)}") from error
    if not kept.damaged:
        path.unlink()
        return written
    aside = path.replace(path.with_name(f"{path.name}.damaged"))
    logger.warning(
        "%s: %s, as by a full disk or a power failure (%d bytes). What stood there is lost; the other %d entries are "
        "written to run %s. The file is now %s",
        path,
        _in_words(kept),
        kept.lost,
        written,
        kept.run,
        aside.name,
    )
    return written


def _append(path: Path, content: bytes) -> None:
    """Append and write through; take back what was written of it where that fails."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            # A line that another process, killed, had begun, or that could not be taken back.
            content = b"\n" + content
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def _read_head(line: bytes) -> tuple[str, str]:
    """Run and store that a first line names.

    Raises:
        ValueError: It names none.
    """
    try:
        head = json.loads(line)
        return str(head["run"]), str(head["store"])
    except (KeyError, TypeError) as error:
        raise ValueError("no head of a journal") from error


def _whole_part(line: bytes) -> tuple[Operation | None, int]:
    """The operation in a line, and how many bytes are not of it.

    A line that was cut short may run on into the next one, which is whole.
    """
    for start in (0, max(0, line.rfind(b'{"kind": '))):
        try:
            return from_line(line[start:].decode()), start
        except ValueError:
            continue
    return None, len(line)


def _in_words(kept: Kept) -> str:
    """Which lines are damaged."""
    lines = kept.damaged
    if len(lines) == 1 and lines[0] > max((number for number, _ in kept.operations), default=1):
        return "the last line is cut short"
    shown = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"line {shown} is cut short or damaged" if len(lines) == 1 else f"lines {shown} are cut short or damaged"
