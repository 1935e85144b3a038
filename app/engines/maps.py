"""Keep the maps of an evaluation, in the pixels of the stored radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.data.whole import write_png
from app.engines.collect import as_probability
from app.engines.evaluator import RadiographEvaluator
from transforms import restore_map


class SaveMaps:
    """Handler that writes one 8-bit picture an image and finding: probability times 255, 0 outside the crop.

    Args:
        folder: made where missing; a picture is named for the image's name and the finding.
        findings: names, C.
    """

    def __init__(self, folder: Path, findings: Sequence[str]) -> None:
        self.folder = folder
        self.findings = list(findings)

    def attach(self, evaluator: RadiographEvaluator) -> None:
        """Write in every iteration of ``evaluator``."""
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        prediction, batch = engine.state.output[CommonKeys.PRED], engine.state.batch
        maps = as_probability(prediction.map, engine.collected.activation_maps).cpu().numpy()
        for row, index in enumerate(batch["index"].tolist()):
            stored = restore_map(maps[row], batch["region"][row].numpy(), batch["original_size"][row].numpy()).numpy()
            for finding, values in zip(self.findings, stored, strict=True):
                name = f"{engine.dataset.samples[index]['name']}.{finding.lower().replace(' ', '_')}.png"
                write_png(below(self.folder, name), np.round(values * 255).astype(np.uint8))


def below(folder: Path, name: str) -> Path:
    """A place of its own below ``folder`` for a name that may lead elsewhere: /data/a.png, ../images/a.png."""
    path = Path(name)
    parts = ("root" if part == path.anchor else "up" if part == ".." else part for part in path.parts)
    return folder.joinpath(*parts)
