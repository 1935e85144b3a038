"""What readers get of a selection: files for Label Studio and CVAT, apart for each level."""

from __future__ import annotations

from collections import Counter

from app.annotation_formats.exporting import SUGGESTED, export
from app.datalist.item import Datalist
from app.selection.selection import Selection
from app.selection.used import Used


def reader_files(selection: Selection, pool: Used, blind: bool) -> tuple[dict[str, str], dict[str, int]]:
    """Texts by name, such as ``box/cvat/annotations.xml``, and what to know of them, counted.

    Args:
        selection: What was chosen.
        pool: The datalist of the pool.
        blind: Whether readers see no suggestions.

    Raises:
        ValueError: The header of a chosen image cannot be read.
    """
    files: dict[str, str] = {}
    known: Counter[str] = Counter()
    for level in selection.levels:
        datalist = Datalist.unsplit(pool.datalist.name, pool.datalist.findings, selection.at(level, blind))
        for kind in SUGGESTED:
            written = export(datalist, pool.path.parent, kind, suggestions=True)
            files |= {f"{level}/{kind}/{name}": text for name, text in written.files.items()}
        told = {reason: count for reason, count in written.counts.items() if reason.startswith(("lost", "DICOM"))}
        known.update(told)
    return files, dict(known)
