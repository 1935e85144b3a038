"""Phantoms with other labels than the true ones: those of simulated annotators without medical training."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.annotations.several_readers import by_certainty
from app.datalist.item import Datalist, Item
from app.findings import ABSENT, PRESENT
from app.phantoms.opened import OpenedData, open_data

ANNOTATORS = ("combined", "1", "2")
CERTAINTIES = (1.0, 0.75, 0.5, 0.25, 0.0)
CHANCES: Mapping[float, tuple[float, ...]] = {
    PRESENT: (0.70, 0.12, 0.06, 0.04, 0.08),
    ABSENT: (0.03, 0.02, 0.03, 0.07, 0.85),
}
"""How often a simulated annotator gives each of `CERTAINTIES` to what is present, and to what is absent."""

Change = Callable[[Datalist], Datalist]


def open_changed(
    datalist: str | Path | None, phantoms: Mapping[str, Any], folder: str | Path, change: Change
) -> OpenedData:
    """A named datalist as it is; or phantoms, changed in memory. ``path`` stays that of the datalist on disk.

    Args:
        datalist: see ``open_data``.
        phantoms: see ``open_data``.
        folder: see ``open_data``.
        change: what is done to the phantoms' datalist, and to that alone.
    """
    opened = open_data(datalist, phantoms, folder)
    return opened if datalist is not None else OpenedData(change(opened.datalist), opened.path)


class Annotated:
    """Replace labels by the certainties of simulated annotators without medical training, in every section.

    Two annotators look at each finding of each image, each for themselves, and say 0, 0.25, 0.5, 0.75 or 1 as in NEATX;
    how often which is `CHANCES`. Locations are forgotten: nobody was asked for them.

    Args:
        annotator: ``1`` or ``2`` for the certainties of one; ``combined`` for both as one, as NEATX combined them:
            present, absent or uncertain.
        seed: of the draws.

    Raises:
        ValueError: an unknown annotator.
    """

    def __init__(self, annotator: str = "1", seed: int = 0) -> None:
        if str(annotator) not in ANNOTATORS:
            raise ValueError(f"annotator {annotator!r}: must be one of {', '.join(ANNOTATORS)}")
        self.annotator = str(annotator)
        self.seed = seed

    def __call__(self, datalist: Datalist) -> Datalist:
        """The datalist with such labels; the step is told in description and provenance."""
        changed = {
            section: [self._labelled(item, datalist.findings) for item in items]
            for section, items in datalist.sections.items()
        }
        step = {"annotator": self.annotator, "seed": self.seed}
        return replace(
            datalist,
            sections=changed,
            description=f"{datalist.description} Labels by simulated annotators: {self.annotator}.".strip(),
            provenance=datalist.provenance | {"simulated annotation": step},
        )

    def _labelled(self, item: Item, findings: Sequence[str]) -> Item:
        readers = {name: [self._said(item, c, finding, name) for c, finding in enumerate(findings)] for name in "12"}
        if self.annotator == "combined":
            label = tuple(map(by_certainty, zip(*readers.values(), strict=True)))
        else:
            label = tuple(readers[self.annotator])
        source = "simulated annotators" if self.annotator == "combined" else f"simulated annotator {self.annotator}"
        return replace(item, label=label, boxes=(), mask={}, annotated=(), source=source)

    def _said(self, item: Item, finding: int, name: str, annotator: str) -> float:
        truth = item.label[finding]
        if truth not in CHANCES:
            return truth
        generator = random.Random(f"{self.seed} {annotator} {name} {item.image}")
        return generator.choices(CERTAINTIES, CHANCES[truth])[0]
