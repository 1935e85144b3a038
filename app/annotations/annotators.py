"""Phantoms with the labels of simulated annotators without medical training instead of the true ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.annotations.voting import by_certainty
from app.datalist.item import Datalist, Item
from app.findings import ABSENT, PRESENT
from app.phantoms.opened import OpenedData, open_data

ANNOTATORS = ("combined", "1", "2")
CERTAINTIES = (1.0, 0.75, 0.5, 0.25, 0.0)
CHANCES: Mapping[float, tuple[float, ...]] = {
    PRESENT: (0.70, 0.12, 0.06, 0.04, 0.08),
    ABSENT: (0.03, 0.02, 0.03, 0.07, 0.85),
}
"""How often a simulated annotator gives each of `CERTAINTIES` to a present finding, and to an absent one."""

Change = Callable[[Datalist], Datalist]


def open_changed(
    datalist: str | Path | None,
    phantoms: Mapping[str, Any],
    folder: str | Path,
    change: Change,
    findings: Sequence[str] | None = None,
) -> OpenedData:
    """Open a named datalist as it is, or phantoms whose datalist is changed in memory.

    Args:
        datalist: See ``open_data``.
        phantoms: See ``open_data``.
        folder: See ``open_data``.
        change: Applied to the phantoms' datalist; ``path`` stays that of the unchanged one on disk.
        findings: See ``open_data``.
    """
    opened = open_data(datalist, phantoms, folder, findings)
    return opened if datalist is not None else OpenedData(change(opened.datalist), opened.path)


class Annotated:
    """Replace all labels by the certainties of simulated annotators without medical training, and remove locations.

    Two annotators label each finding of each image independently with 0, 0.25, 0.5, 0.75 or 1, as in NEATX; `CHANCES`
    gives the probabilities.

    Args:
        annotator: ``1`` or ``2`` for the certainties of one; ``combined`` for NEATX's combination of both into present,
            absent or uncertain.
        seed: Seed of the draws.

    Raises:
        ValueError: The annotator is unknown.

    Example:
        >>> item = Item("1.png", "7", (1,))
        >>> Annotated("1", seed=0)(Datalist.unsplit("wards", ("Nodule",), [item])).items()[0].label
        (1.0,)
    """

    def __init__(self, annotator: str = "1", seed: int = 0) -> None:
        if str(annotator) not in ANNOTATORS:
            raise ValueError(f"annotator {annotator!r}: must be one of {', '.join(ANNOTATORS)}")
        self.annotator = str(annotator)
        self.seed = seed

    def __call__(self, datalist: Datalist) -> Datalist:
        """The datalist with such labels, and the step in its description and provenance."""
        step = {"annotator": self.annotator, "seed": self.seed}
        return replace(
            datalist.mapped(lambda item: self._labelled(item, datalist.findings)),
            description=f"{datalist.description} Labels by simulated annotators: {self.annotator}.".strip(),
            provenance=datalist.provenance | {"simulated annotation": step},
        )

    def _labelled(self, item: Item, findings: Sequence[str]) -> Item:
        both = {name: [self._certainty(item, c, finding, name) for c, finding in enumerate(findings)] for name in "12"}
        if self.annotator == "combined":
            label = tuple(map(by_certainty, zip(*both.values(), strict=True)))
            source = "simulated annotators"
        else:
            label, source = tuple(both[self.annotator]), f"simulated annotator {self.annotator}"
        return replace(item, label=label, boxes=(), mask={}, annotated=(), source=source)

    def _certainty(self, item: Item, index: int, finding: str, annotator: str) -> float:
        truth = item.label[index]
        if truth not in CHANCES:
            return truth
        generator = random.Random(f"{self.seed} {annotator} {finding} {item.image}")
        return generator.choices(CERTAINTIES, CHANCES[truth])[0]
