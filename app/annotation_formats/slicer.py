"""The segments that 3D Slicer describes in the header of a .seg.nrrd file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from app.annotation_formats.marks import AnnotationError

_KEY = re.compile(r"Segment(\d+)_Name")
_OFFSET = "Segmentation_ReferenceImageExtentOffset"


class Segment(NamedTuple):
    """One segment.

    Attributes:
        name: As the reader called it.
        layer: Index of the layer that it is in.
        value: Its value there.
        offset: (row, column) of the file's first pixel in the radiograph, as stored; None if the file does not say.
    """

    name: str
    layer: int
    value: int
    offset: tuple[int, int] | None


def segments(pairs: Mapping[str, str], where: str) -> list[Segment]:
    """The segments of a header; empty if it describes none.

    Source: "Segmentation labelmap file format" in 3D Slicer's developer guide. Files before version 4.11 have one layer
    for each segment, and no values.

    Raises:
        AnnotationError: A value, a layer or the offset is no whole number.
    """
    numbers = sorted(int(match[1]) for match in map(_KEY.fullmatch, pairs) if match)
    offset = None
    if numbers and _OFFSET in pairs:
        parts = [_whole(part, _OFFSET, where) for part in pairs[_OFFSET].split()]
        offset = (parts[1], parts[0]) if len(parts) > 1 else None
    return [
        Segment(
            pairs[f"Segment{number}_Name"],
            _whole(pairs.get(f"Segment{number}_Layer", str(index)), f"Segment{number}_Layer", where),
            _whole(pairs.get(f"Segment{number}_LabelValue", "1"), f"Segment{number}_LabelValue", where),
            offset,
        )
        for index, number in enumerate(numbers)
    ]


def _whole(text: str, name: str, where: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise AnnotationError(f"{where}: {name} must be a whole number, not {text[:40]!r}.") from error
