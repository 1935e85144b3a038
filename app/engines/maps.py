"""Save the maps of an evaluation, in the pixels of the stored radiographs."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.engines.evaluator import RadiographEvaluator
from app.files.atomic import write_png
from app.files.image_names import without_suffix
from app.findings import file_names
from transforms import restore_map

MAX_NAME = 255
"""Bytes of a file name on common file systems."""


class SaveMaps:
    """Handler that writes an 8-bit picture per image and finding: probability times 255, and 0 outside the crop.

    Args:
        folder: Created if missing; a picture is named after image and finding.
        findings: C names; see :func:`app.findings.file_names`.
    """

    def __init__(self, folder: Path, findings: Sequence[str]) -> None:
        self.folder = folder
        self.findings = file_names(findings)

    def attach(self, evaluator: RadiographEvaluator) -> None:
        """Write in every iteration of ``evaluator``."""
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        prediction, batch = engine.state.output[CommonKeys.PRED], engine.state.batch
        reading = engine.collected.reading
        maps = reading.probability(prediction.map)
        for row, index in enumerate(batch["index"].tolist()):
            region, size = batch["region"][row].numpy(), batch["original_size"][row].numpy()
            stored = restore_map(maps[row], region, size, patches=reading.patches).numpy()
            for finding, values in zip(self.findings.values(), stored, strict=True):
                path = below(self.folder, engine.dataset.samples[index]["name"], f".{finding}.png")
                write_png(path, np.round(values * 255).astype(np.uint8))


def picture_names(images: Sequence[str]) -> dict[str, str]:
    """A name for a picture of each image: the image's own without its suffix, or with it if two would be one.

    Example:
        >>> picture_names(["a/x.png", "b/x.png", "b/x.dcm", "scan.nii.gz", "1.2.840"])
        {'a/x.png': 'a/x', 'b/x.png': 'b/x.png', 'b/x.dcm': 'b/x.dcm', 'scan.nii.gz': 'scan', '1.2.840': '1.2.840'}
    """
    plain = {image: without_suffix(image) for image in images}
    # Some file systems take names that differ in capitals for one.
    count = Counter(name.casefold() for name in plain.values())
    named = {image: name if count[name.casefold()] == 1 else image for image, name in plain.items()}
    count = Counter(name.casefold() for name in named.values())
    return {
        image: name if count[name.casefold()] == 1 else f"{image}_{hashlib.sha256(os.fsencode(image)).hexdigest()[:8]}"
        for image, name in named.items()
    }


def below(folder: Path, name: str, ending: str = "") -> Path:
    """A path of its own inside ``folder`` for an image whose name may lead elsewhere, or be too long for a file.

    Args:
        folder: Of all pictures.
        name: Of the image, such as ``/data/a.png`` or ``../images/a.png``.
        ending: Appended to the name.

    Example:
        >>> below(Path("maps"), "../images/a.png", ".nodule.png").as_posix()
        'maps/up/images/a.png.nodule.png'
    """
    path = Path(name)
    parts = ["root" if part == path.anchor else "up" if part == ".." else part for part in path.parts]
    last = os.fsencode(parts[-1])
    if len(last) + len(ending.encode()) > MAX_NAME:
        start = last[: MAX_NAME - len(ending.encode()) - 17].decode(errors="ignore")
        parts[-1] = f"{start}_{hashlib.sha256(last).hexdigest()[:16]}"
    return folder.joinpath(*parts[:-1], f"{parts[-1]}{ending}")
