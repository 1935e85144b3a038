"""The raw annotations of NEATX: certainties of tubes by two annotators without medical training."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from app.annotations.voting import by_certainty
from app.datasets.rows import add_once, rows
from app.files.tables import one_of, read_table
from app.findings import NOT_SAID

TABLES = (
    "neatx_padchest_raw.csv",
    "raw.csv",
    "Annotations_raw.csv",
    "PadChest_TubeAnnotations_NonExperts_raw.csv",
)
_TUBES = ("Chest_drain_tube", "NSG_tube", "Endotracheal_tube", "Tracheostomy_tube")
_INVALID = "INVALID"
_CERTAINTIES = ("0", "0.0", "0.25", "0.5", "0.75", "1", "1.0", _INVALID)


class TubeAnnotation(NamedTuple):
    """What both annotators said about one image, in the order of ``app.findings.TUBES``; INVALID is not said."""

    image: str
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def combined(self) -> tuple[float, ...]:
        """Both together: present, absent or uncertain."""
        return tuple(map(by_certainty, zip(self.first, self.second, strict=True)))


def read_neatx(path: Path) -> list[TubeAnnotation]:
    """The raw annotations.

    Raises:
        TableError: A column is missing, a certainty is not allowed, or an image is named twice.
    """
    columns = [f"{tube}_a{annotator}" for annotator in (1, 2) for tube in _TUBES]
    annotations = []
    seen: set[str] = set()
    for where, (image, *cells) in rows(read_table(path, ("ImageID", *columns)), "ImageID", *columns):
        add_once(image, seen, where)
        values = [certainty(cell, column, where) for cell, column in zip(cells, columns, strict=True)]
        annotations.append(TubeAnnotation(image, tuple(values[: len(_TUBES)]), tuple(values[len(_TUBES) :])))
    return annotations


def certainty(cell: str, column: str, where: str) -> float:
    """An annotator's certainty, 0 to 1; INVALID is not said.

    Raises:
        TableError: The cell holds another text.
    """
    one_of(cell, _CERTAINTIES, column, where)
    return NOT_SAID if cell == _INVALID else float(cell)
