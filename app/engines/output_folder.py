"""The folder that a launch leaves its results in."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.engines.outputs import Outputs
from app.findings import NOT_SAID

COLUMNS = ("image", "patient", "finding", "label", "score", "study", "view", "source")


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


def write_predictions(
    outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], path: Path
) -> None:
    """Write one row an image and finding; label is empty where nothing was said, -1 where uncertain.

    Attributes of the items (sex, age, drain, ...) follow as further columns.
    """
    attributes = sorted({name for sample in samples for name in sample["attributes"]} - set(COLUMNS))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *attributes])
        for row, index in enumerate(outputs.index):
            sample = samples[index]
            about = [sample["study"], sample["view"], sample["source"]]
            about += [sample["attributes"].get(name, "") for name in attributes]
            for c, finding in enumerate(findings):
                label = float(outputs.label[row, c])
                text = "" if label == NOT_SAID else f"{label:g}"
                score = f"{float(outputs.score[row, c]):.7g}"
                writer.writerow([sample["name"], sample["patient"], finding, text, score, *about])
