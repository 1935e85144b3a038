"""The study that a planner wants: few images of each level, at four sizes, and mixtures, cut from one datalist."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.annotations.levels import LOCATED, images_by_level
from app.datalist.file import read_datalist
from app.datalist.item import Datalist

FEWEST = 16
_SIZES = (8, 4, 2, 1)
"""The sizes are the largest one divided by these."""
_PLANNED = ("outline", "box", "image", "nlp")


@dataclass(frozen=True)
class PilotStudy:
    """What the pilot is made of.

    Attributes:
        datalist: The file of the annotated radiographs.
        bundle: Name or path of the bundle that trains.
        images: Of the largest cells.
        epochs: At the largest size; smaller ones have as many more as make the same number of steps.
        seeds: How many.
        f1: Quality of the report labeller at the level ``nlp``.
    """

    datalist: Path
    bundle: str
    images: int
    epochs: int
    seeds: int
    f1: float


def pilot_study(asked: PilotStudy, name: str) -> dict[str, Any]:
    """The content of a study file.

    Raises:
        ValueError: The datalist cannot be read, or is too small, or has no section to measure on.
    """
    datalist = read_datalist(asked.datalist)
    count = len(datalist.sections["training"])
    if not FEWEST <= asked.images <= count:
        raise ValueError(
            f"--make-pilot {asked.images}: must be {FEWEST} to {count}, the training images of {asked.datalist}."
        )
    if not datalist.sections["test"]:
        raise ValueError(f"{asked.datalist}: no test section to measure on; `frugal split` makes one.")
    levels = _levels(datalist)
    cells = {}
    for level in levels:
        for part in _SIZES:
            images = asked.images // part
            cells[f"{level}-{images}"] = _cell(asked, images, {"images": images, **_at(level, asked.f1)})
    best, *others = levels
    for level in others:
        mix = {best: asked.images // 4, level: asked.images // 2}
        quality = {"f1": asked.f1} if level == "nlp" else {}
        cells[f"{best}-{mix[best]}-{level}-{mix[level]}"] = _cell(asked, sum(mix.values()), {"mix": mix, **quality})
    metrics = ["auc.macro", *(f"auc.{finding}" for finding in datalist.findings)]
    if best in LOCATED:
        metrics.append("dice.macro")
    return {
        "name": name,
        "bundle": asked.bundle,
        "data": {"datalist": str(asked.datalist)},
        "factors": {"annotations": cells},
        "seeds": list(range(asked.seeds)),
        "report": {"metrics": [*metrics, "seconds"]},
    }


def study_text(study: dict[str, Any]) -> str:
    """The content as YAML."""
    import yaml

    return str(yaml.safe_dump(study, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True))


def duration(seconds: float, cells: int, seeds: int) -> str:
    """How long a pilot takes, from the time of one cell: all cells make about as many steps.

    Example:
        >>> duration(90.0, cells=19, seeds=3)
        'about 1.4 hours for 57 runs of 90 s'
    """
    hours = seconds * cells * seeds / 3600
    return f"about {hours:.1f} hours for {cells * seeds} runs of {seconds:.0f} s"


def _levels(datalist: Datalist) -> Sequence[str]:
    """Levels that the training section can give, the most expensive first."""
    given = images_by_level(datalist)
    count = len(datalist.sections["training"])
    best = next((level for level in _PLANNED if given.get(level, 0) == count), None)
    if best is None or best == "nlp":
        there = ", ".join(f"{number} {level}" for level, number in given.items())
        raise ValueError(
            f"{datalist.name}: training has {there}. A pilot is cut from images that are all annotated alike, at "
            f"one of {', '.join(_PLANNED[:-1])}: keep only those."
        )
    return _PLANNED[_PLANNED.index(best) :]


def _at(level: str, f1: float) -> dict[str, Any]:
    return {"level": level, "f1": f1} if level == "nlp" else {"level": level}


def _cell(asked: PilotStudy, images: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"max_epochs": max(1, math.ceil(asked.epochs * asked.images / images)), "data": data}
