"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path to write to; what was written takes the name ``path`` when the block ends, and nothing if it fails.

    An older file of that name is replaced. Until then the file lies beside ``path``, hidden, marked with the process.
    """
    # Opened by name, as a temporary file of the standard library would be readable by its owner alone.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
