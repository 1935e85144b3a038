"""The folder that a launch leaves its results in."""

from __future__ import annotations

import tempfile
from pathlib import Path


def require_writable(folder: Path) -> None:
    """Make the folder where it is missing, and raise where nothing can be written there.

    Raises:
        PermissionError: names the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise PermissionError(
            f"{folder}: results cannot be written there ({error.strerror}). Name another folder: --output_dir DIR"
        ) from error
