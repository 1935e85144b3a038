"""What is written of a scored radiograph beside its row of the table, such as a picture in its own pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.engines.maps import below
from app.engines.overlay import Region, colour_of, overlay
from app.engines.record import ModelRecord
from app.files.atomic import write_png


@dataclass(frozen=True)
class ScoredRadiograph:
    """One radiograph with what the network says of its C findings.

    Attributes:
        path: Of the file.
        name: Of its pictures, without suffix.
        image: (H, W) of the stored radiograph in [0, 1].
        meta: As `transforms.read_radiograph` gives it.
        scores: (C,) probabilities.
        is_called: (C,) bool.
        maps: (H, W) probabilities of each finding that is shown, by its number; the highest score first.
        map_thresholds: (C,) probabilities from which a map is outlined.
        is_doubtful: Whether it hardly looks like a frontal radiograph of the chest (`app.views`), or its lungs are in
            doubt (`transforms.CropLungsd`).
    """

    path: Path
    name: str
    image: np.ndarray
    meta: Mapping[str, Any]
    scores: np.ndarray
    is_called: np.ndarray
    maps: Mapping[int, np.ndarray]
    map_thresholds: Sequence[float]
    is_doubtful: bool = False


class FurtherResults(Protocol):
    """What an inference writes beside its table, radiograph by radiograph, each of which is read once more for it.

    Attributes:
        is_wanted: False if it would write nothing.
    """

    is_wanted: bool

    def begin(self, output_dir: Path, weights: Path, record: ModelRecord | None) -> None:
        """Prepare for radiographs; ``record`` is None if none is kept beside the weights."""

    def write(self, radiograph: ScoredRadiograph) -> None:
        """Write the results of one radiograph."""

    def end(self) -> None:
        """Log what was written and what was not."""


class Overlays:
    """A picture of each radiograph with the findings that are called, or with all if there are no thresholds.

    Args:
        findings: C names, in the network's order.
    """

    is_wanted = True

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = parsed_names(findings)
        self._folder = Path()

    def begin(self, output_dir: Path, weights: Path, record: ModelRecord | None) -> None:
        """Choose the folder."""
        self._folder = output_dir / "overlays"

    def write(self, radiograph: ScoredRadiograph) -> None:
        """Draw the maps that are shown, in the pixels of the file."""
        regions = [
            Region(f"{self.findings[c]} {radiograph.scores[c]:.2f}", map, radiograph.map_thresholds[c], colour_of(c))
            for c, map in radiograph.maps.items()
        ]
        picture = overlay(radiograph.image, regions, "" if regions else "nothing called")
        write_png(below(self._folder, radiograph.name, ".png"), picture)

    def end(self) -> None:
        """Nothing: pictures are not counted."""


def parsed_names(findings: Sequence[str]) -> list[str]:
    """Names of findings in a config; MONAI's parser replaces each "#" of a name by "::"."""
    return [name.replace("::", "#") for name in findings]
