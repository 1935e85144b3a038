"""The output folder of a launch."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from app.tracking.folder_lock import why_not_writable

LESIONS = "lesions.csv"
REPORT = (
    *("metrics.json", "predictions.csv", "cases.csv", "reliability.csv", "decision_curve.csv"),
    LESIONS,
)
"""Files that a launch writes at its end; the last one if there are lesions and normal images."""
HISTORY = "history.csv"
"""Losses, learning rate and validation metrics, a row an epoch."""
FINAL = (*REPORT, "model.json", HISTORY)
"""Files that a training writes at its end, which are outdated if it is resumed."""
STAGE_ONE = "stage_one.pt"
"""The best weights of the first of two stages, from which the second started."""
CHECKPOINTS = (STAGE_ONE, "last.pt", "previous.pt", "last.damaged.pt", "previous.damaged.pt")
RESULTS = (*FINAL, "model.pt", *CHECKPOINTS, "config.yaml", "data.json")
"""Files that a training writes, beside the folders `FOLDERS`."""
FOLDERS = ("pictures", "maps", "mlflow_model")
WORTH_KEEPING = ("model.pt", "metrics.json")
EARLIER = "earlier"
"""Folder within the output folder for the results of the training before."""
MOVING = ".earlier"
"""The same while it is being filled; if that is interrupted, the next launch goes on with it."""


def require_writable(folder: Path) -> None:
    """Raise if nothing can be written into a folder, which may be missing still and is not made.

    Raises:
        PermissionError: Names the folder and the reason.
    """
    reason = why_not_writable(folder)
    if reason is not None:
        raise PermissionError(
            f"{folder}: results cannot be written there ({reason}). Name another folder: --output_dir DIR"
        )


def set_aside(folder: Path) -> Path | None:
    """Move the results of an earlier training into the folder ``earlier``, replacing its content.

    Results without weights (``model.pt``) and metrics are removed instead: they are not worth replacing others.

    Returns:
        Where the results are now; None if there were none.
    """
    results = [folder / name for name in (*RESULTS, *FOLDERS) if (folder / name).exists()]
    moving, target = folder / MOVING, folder / EARLIER
    if not results and not moving.exists():
        return None
    moving.mkdir(exist_ok=True)
    for path in results:
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
    """Remove files of an earlier launch, so that none passes for a result of one that fails."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
