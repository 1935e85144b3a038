"""Rules that combine what several readers say about one finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

Rule = Callable[[Sequence[float]], float]
"""From the readers' states or certainties of one finding to their common one."""
OTHERWISE = {"absent": ABSENT, "uncertain": UNCERTAIN}
"""What a finding may become that some readers saw, but too few."""


def majority(values: Sequence[float]) -> float:
    """Present or absent if more than half of those who said anything say so; uncertain otherwise.

    Certainties above 0.5 count as present, below as absent, 0.5 as uncertain. Not said if no reader said anything.

    Example:
        >>> majority([1, 1, 0]), majority([1, 0]), majority([-2, -2])
        (1, -1, -2)
    """
    present, absent, answers = _votes(values)
    if 2 * present > answers:
        return PRESENT
    if 2 * absent > answers:
        return ABSENT
    return UNCERTAIN if answers else NOT_SAID


def any_of(at_least: int, otherwise: float = ABSENT) -> Rule:
    """A rule: present if at least n readers say so, ``otherwise`` if fewer do, absent if none does.

    An uncertain reader does not say present. If nobody says present or absent, the finding is uncertain or, if nobody
    said anything, not said.

    Example:
        >>> rule = any_of(2, otherwise=-1)
        >>> rule([1, 1, 0]), rule([1, 0, 0]), rule([0, 0, 0])
        (1, -1, 0)
    """

    def rule(values: Sequence[float]) -> float:
        present, absent, answers = _votes(values)
        if present >= at_least:
            return PRESENT
        if present:
            return otherwise
        return ABSENT if absent else UNCERTAIN if answers else NOT_SAID

    return rule


def by_certainty(values: Sequence[float]) -> float:
    """NEATX's combination of its two annotators: all above 0.5 present, all below absent, else uncertain.

    Source: the rule that gives the published combination of all 1,011 PadChest images from the raw annotations
    (Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations"). 0.5 is on neither side, and so
    makes the combination uncertain. Departure: INVALID, which occurs in no published row, is not said, and an image
    that any annotator calls invalid is not said as a whole.

    Example:
        >>> by_certainty([1, 0.75]), by_certainty([0.75, 0.25]), by_certainty([0, -2])
        (1, -1, -2)
    """
    if not values or NOT_SAID in values:
        return NOT_SAID
    if min(values) > 0.5:
        return PRESENT
    return ABSENT if min(values) >= 0 and max(values) < 0.5 else UNCERTAIN


def _votes(values: Sequence[float]) -> tuple[int, int, int]:
    """How many say present, how many absent, and how many anything, uncertain included."""
    present = sum(value > 0.5 for value in values)
    absent = sum(0 <= value < 0.5 for value in values)
    return present, absent, sum(value != NOT_SAID for value in values)
