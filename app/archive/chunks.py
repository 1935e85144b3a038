"""Chunks of a list of images, and the files that hold their results."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from app.files.own_json import read_record
from app.files.score_tables import ChunkResult

FOLDER = "chunks"
"""Folder within the output folder for the results of chunks."""
USUAL_SIZE = 512
"""Images in a chunk, or a few more: half a minute of one core."""


@dataclass(frozen=True)
class Chunk:
    """A range of a list of images.

    Attributes:
        number: Of the chunk, from 0.
        root: Absolute; names are below it or beside it.
        names: Of the images.
    """

    number: int
    root: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def file(self, folder: Path, settings: str) -> Path:
        """Where the chunk's result belongs, by its number and all that it depends on.

        Args:
            folder: Of all chunks.
            settings: A digest of everything else that the result depends on.
        """
        held = [each.name for each in fields(ChunkResult)]
        known = [settings, held, [[name, *_state(os.path.join(self.root, name))] for name in self.names]]  # noqa: PTH118
        text = repr(known).encode()  # not JSON: names need not be UTF-8
        return folder / f"{self.number:06d}-{hashlib.blake2b(text, digest_size=16).hexdigest()}.json"


def chunks(root: Path, names: Sequence[str], size: int) -> Iterator[Chunk]:
    """Cut a list of images into chunks.

    Example:
        >>> [list(chunk.names) for chunk in chunks(Path("/"), ["a", "b", "c"], 2)]
        [['a', 'b'], ['c']]
    """
    for number, first in enumerate(range(0, len(names), size)):
        yield Chunk(number, root, names[first : first + size])


def chunk_size(wanted: int | None, batch_size: object) -> int:
    """Images in a chunk: whole batches, so that the network sees the batches that it sees without chunks.

    Args:
        wanted: At least so many; None for `USUAL_SIZE`.
        batch_size: Of the network.

    Raises:
        ValueError: The batch size is no whole number of 1 or more.

    Example:
        >>> chunk_size(None, 16), chunk_size(100, 16)
        (512, 112)
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"--batch_size {batch_size}: must be a whole number, 1 or more.")
    return -(-(wanted or USUAL_SIZE) // batch_size) * batch_size


def read_result(path: Path) -> ChunkResult:
    """Read a chunk's result.

    Raises:
        ValueError: The file is damaged; names it.
    """
    record: dict[str, Any] = read_record(path, "the result of a chunk", "Remove it and start the same command again.")
    return ChunkResult(**record)


def result_text(result: ChunkResult) -> str:
    """A chunk's result as `read_result` reads it; names and errors may hold what UTF-8 cannot."""
    return json.dumps(asdict(result))


def _state(path: str) -> tuple[int, int]:
    """Size and time of change of a file; (-1, 0) if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  several times as fast
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns
