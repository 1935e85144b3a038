"""Labels as a program that reads reports would give them, with as many errors as a given F1 score means."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from app.datalist.item import Item
from app.findings import ABSENT, PRESENT, require_known


class Quality(NamedTuple):
    """How good a labeller is at one finding; both values are above 0 and at most 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def quality_at(f1: float, precision: float | None = None, recall: float | None = None) -> Quality:
    """Precision and recall of a labeller with a given F1: equal, unless one of them is given.

    Raises:
        ValueError: F1 is outside (0, 1], both are given, or no labeller with this F1 has the given one.

    Example:
        >>> quality_at(0.8), quality_at(0.75, precision=1.0)
        (Quality(precision=0.8, recall=0.8), Quality(precision=1.0, recall=0.6))
    """
    if not 0 < f1 <= 1:
        raise ValueError(f"F1 {f1:g}: must be above 0 and at most 1.")
    given = recall if precision is None else precision
    if precision is not None and recall is not None:
        raise ValueError(f"F1 {f1:g}: give precision or recall, not both; the other follows.")
    if given is None:
        return Quality(f1, f1)
    least = f1 / (2 - f1)
    if not least <= given <= 1:
        raise ValueError(f"F1 {f1:g} needs precision and recall between {least:.4f} and 1, not {given:g}.")
    other = min(1.0, f1 * given / (2 * given - f1))
    return Quality(given, other) if recall is None else Quality(other, given)


def labelled(
    items: Sequence[Item], findings: Sequence[str], quality: Mapping[str, Quality], seed: int
) -> tuple[list[Item], dict[str, dict[str, float]]]:
    """Items as a labeller of reports would label them.

    Source: the study of annotation cost models NLP labels ("NLP@F1 0.80") as random errors at a given F1. As many
    positives are missed and as many negatives are labelled present as precision and recall say, to the nearest image;
    which ones is drawn at random, for each finding separately. With one seed, the positives that a better labeller
    misses are among those that a worse one misses, and likewise its false positives. Like the study's errors, these are
    independent of each other and of the image; a real program's are not.

    Args:
        items: Their labels of -1, -2 or between 0 and 1 stay as they are.
        findings: In the order of the labels.
        quality: By finding; the labels of a finding without one stay as they are.
        seed: Seed of the draw; the order of the items does not matter.

    Returns:
        New items without any location, and the outcome by finding: ``positives``, ``missed``, ``claimed`` (false
        positives), and ``precision``, ``recall``, ``f1`` if they are defined.

    Raises:
        ValueError: A finding is unknown, or more false positives are needed than there are negatives.

    Example:
        >>> items = [Item(f"{number}.png", str(number), (number % 2,)) for number in range(10)]
        >>> labelled(items, ["Nodule"], {"Nodule": Quality(precision=0.75, recall=0.6)}, seed=0)[1]["Nodule"]["missed"]
        2
    """
    require_known(quality, findings, "labeller")
    order = sorted(range(len(items)), key=lambda index: items[index].image)
    labels = [list(item.label) for item in items]
    facts = {}
    for finding, asked in quality.items():
        column = findings.index(finding)
        present = [index for index in order if items[index].label[column] == PRESENT]
        absent = [index for index in order if items[index].label[column] == ABSENT]
        detected = round(asked.recall * len(present))
        claimed = round(detected * (1 - asked.precision) / asked.precision)
        if claimed > len(absent):
            raise ValueError(
                f"{finding}: precision {asked.precision:g} at recall {asked.recall:g} needs {claimed} false positives, "
                f"but only {len(absent)} images are without it."
            )
        for index in _drawn(present, len(present) - detected, f"{seed} {finding} missed"):
            labels[index][column] = ABSENT
        for index in _drawn(absent, claimed, f"{seed} {finding} claimed"):
            labels[index][column] = PRESENT
        facts[finding] = _facts(len(present), detected, claimed)
    shared: dict[tuple[float, ...], tuple[float, ...]] = {}
    new = (shared.setdefault(label, label) for label in map(tuple, labels))
    result = [
        replace(item, label=label, boxes=(), mask={}, annotated=()) for item, label in zip(items, new, strict=True)
    ]
    return result, facts


def _drawn(indices: list[int], count: int, seed: str) -> list[int]:
    """The first of a shuffled list, so that a smaller draw is part of a larger one."""
    shuffled = list(indices)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:count]


def _facts(positives: int, detected: int, claimed: int) -> dict[str, float]:
    labelled_present = detected + claimed
    facts: dict[str, float] = {"positives": positives, "missed": positives - detected, "claimed": claimed}
    measures = {
        "precision": (detected, labelled_present),
        "recall": (detected, positives),
        "f1": (2 * detected, positives + labelled_present),
    }
    return facts | {name: round(part / whole, 4) for name, (part, whole) in measures.items() if whole}
