"""The samples of a section: the dictionaries that transforms start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.datalist.item import SECTIONS, Box, Datalist, Item, RunLengths
from app.datalist.validate import DatalistError

if TYPE_CHECKING:
    import numpy as np


def samples(datalist: Datalist, section: str, root: Path) -> list[dict[str, Any]]:
    """One dictionary an item of a section: what dictionary transforms start from.

    Args:
        datalist: as read.
        section: ``training``, ``validation`` or ``test``.
        root: the folder that the datalist's paths are relative to.

    Returns:
        Dictionaries with ``image`` (absolute path), ``name``, ``patient``, ``study``, ``view``, ``source`` (text),
        ``attributes`` (dict), ``label`` float32 (C,) of 1, 0, -1 uncertain, -2 not said or a certainty, ``annotated``
        bool (C,), ``boxes`` float32 (N, 4) as x, y, width, height in pixels of the stored image, ``box_finding`` int64
        (N,), ``mask`` a list of (index of the finding, absolute path or RunLengths).

    Raises:
        DatalistError: no such section, or nothing in it.
    """
    if section not in SECTIONS:
        raise DatalistError(f"{datalist.name}: no section {section!r}; there are {', '.join(SECTIONS)}.")
    items = datalist.sections.get(section, [])
    if not items:
        counts = ", ".join(f"{name} {len(datalist.sections.get(name, []))}" for name in SECTIONS)
        raise DatalistError(f"{datalist.name}: section {section!r} holds no item (items: {counts}).")
    place = {finding: index for index, finding in enumerate(datalist.findings)}
    base = root.resolve()
    return [_sample(item, place, base) for item in items]


def _sample(item: Item, place: dict[str, int], root: Path) -> dict[str, Any]:
    import numpy as np

    annotated = np.zeros(len(place), dtype=bool)
    annotated[[place[finding] for finding in item.annotated]] = True
    masks: list[tuple[int, str | RunLengths]] = [
        (place[finding], os.path.join(root, mask) if isinstance(mask, str) else mask)  # noqa: PTH118 - 10 times faster
        for finding, mask in item.mask.items()
    ]
    return {
        "image": os.path.normpath(os.path.join(root, item.image)),  # noqa: PTH118
        "name": item.image,
        "patient": item.patient,
        "study": item.study,
        "view": item.view,
        "source": item.source,
        "attributes": dict(item.attributes),
        "label": np.array(item.label, dtype=np.float32),
        "annotated": annotated,
        "boxes": _corners(item.boxes),
        "box_finding": np.array([place[box.finding] for box in item.boxes], dtype=np.int64),
        "mask": masks,
    }


def _corners(boxes: tuple[Box, ...]) -> np.ndarray:
    import numpy as np

    return np.array([box[1:5] for box in boxes], dtype=np.float32).reshape(-1, 4)
