"""One image as it is written for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.datalist.item import Box, RunLengths


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image with its annotations.

    Attributes:
        name: Its path, without folders above the datalist's.
        size: (height, width).
        boxes: Of findings without a mask.
        masks: By finding.
        labels: By finding: 1 present, 0 absent, -1 uncertain.
        is_annotated: Whether anybody was asked to locate anything.
        is_suggestion: Whether all this is a suggestion that a reader is to correct.
    """

    name: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    masks: Mapping[str, RunLengths]
    labels: Mapping[str, int]
    is_annotated: bool
    is_suggestion: bool = False

    @property
    def is_dicom(self) -> bool:
        """Whether its name is that of a DICOM file, as far as suffixes tell."""
        return self.name.lower().endswith((".dcm", ".dicom"))
