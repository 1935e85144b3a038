"""The folder that a launch leaves its results in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from app.tracking.folder import why_not_writable

REPORT = ("metrics.json", "predictions.csv", "cases.csv")
"""What every launch writes at its end."""
RESULTS = (*REPORT, "model.pt", "model.json", "last.pt", "previous.pt", "config.yaml", "parameters.json")
"""What a training writes, beside the folders ``pictures`` and ``maps``."""
FOLDERS = ("pictures", "maps")
EARLIER = "earlier"
"""Folder within the output folder for the results of the training before."""


def require_writable(folder: Path) -> None:
    """Make the folder where it is missing, and raise where nothing can be written there.

    Raises:
        PermissionError: names the folder and the reason.
    """
    reason = why_not_writable(folder)
    if reason is not None:
        raise PermissionError(
            f"{folder}: results cannot be written there ({reason}). Name another folder: --output_dir DIR"
        )


def set_aside(folder: Path) -> Path | None:
    """Move the results of an earlier training into the folder ``earlier``, in place of what is there.

    Returns:
        Where they are now; None where there were none.
    """
    found = [folder / name for name in (*RESULTS, *FOLDERS) if (folder / name).exists()]
    if not found:
        return None
    target = folder / EARLIER
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in found:
        path.rename(target / path.name)
    return target


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of an earlier launch, so that one that fails leaves nothing that passes for its own."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
