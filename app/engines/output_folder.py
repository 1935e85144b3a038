"""The folder that a launch leaves its results in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from app.tracking.folder import why_not_writable

REPORT = ("metrics.json", "predictions.csv", "cases.csv")
"""What every launch writes at its end."""
FINAL = (*REPORT, "model.json")
"""What a training writes at its end: of no use, or wrong, beside the weights of one that goes on."""
STAGE_ONE = "stage_one.pt"
"""The best weights of the first of two stages, from which the second started."""
CHECKPOINTS = (STAGE_ONE, "last.pt", "previous.pt", "last.damaged.pt", "previous.damaged.pt")
RESULTS = (*FINAL, "model.pt", *CHECKPOINTS, "config.yaml", "parameters.json")
"""What a training writes, beside the folders ``pictures`` and ``maps``."""
FOLDERS = ("pictures", "maps")
WORTH_KEEPING = ("model.pt", "metrics.json")
EARLIER = "earlier"
"""Folder within the output folder for the results of the training before."""
MOVING = ".earlier"
"""The same while it is being filled; what dies then leaves it to the next."""


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

    What a training left that had neither weights (``model.pt``) nor results to show yet is removed: it is not worth
    the place of one that had.

    Returns:
        Where they are now; None where there were none.
    """
    found = [folder / name for name in (*RESULTS, *FOLDERS) if (folder / name).exists()]
    moving, target = folder / MOVING, folder / EARLIER
    if not found and not moving.exists():
        return None
    moving.mkdir(exist_ok=True)
    for path in found:
        path.replace(moving / path.name) if path.is_file() else _replace_folder(path, moving / path.name)
    if not any((moving / name).exists() for name in WORTH_KEEPING):
        shutil.rmtree(moving)
        return None
    _replace_folder(moving, target)
    return target


def _replace_folder(folder: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of an earlier launch, so that one that fails leaves nothing that passes for its own."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
