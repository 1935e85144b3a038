"""A planned study: what it shall show, and how its power, or the width of its interval, grows with its patients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from evaluation.power import fewest

POWERS = (0.5, 0.7, 0.8, 0.9, 0.95)
WIDTHS = (2.0, 1.5, 1.0, 0.75, 0.5)
"""Rows of a table: powers, and multiples of the width that is wanted."""


@dataclass(frozen=True)
class Plan:
    """What is planned.

    Attributes:
        aim: In words, as in "to show that ...".
        counted: Which patients count: ``with`` the finding (those without follow), or ``without`` it.
        others: Patients of the other kind for each that counts; None if they do not matter and are not known.
        at: Power, or width of the interval, with so many patients with and without the finding.
        cautious_at: The same with the upper limit of the pilot's variance; None without a pilot.
        target: The wanted power or width.
        is_width: Whether the target is a width, which more patients make smaller.
        facts: What was stated or taken from a pilot, for JSON.
        notes: What the numbers rest on.
    """

    aim: str
    counted: str
    others: float | None
    at: Callable[[int, int], float]
    cautious_at: Callable[[int, int], float] | None
    target: float
    is_width: bool
    facts: dict[str, object]
    notes: tuple[str, ...]

    def split(self, count: int) -> tuple[int, int]:
        """Patients with and without the finding, if so many of those that count are taken."""
        other = 0 if self.others is None else math.ceil(round(count * self.others, 6))
        return (count, other) if self.counted == "with" else (other, count)

    def reached(self, count: int, is_cautious: bool = False) -> float:
        """Power or width with so many patients of those that count."""
        at = self.cautious_at if is_cautious and self.cautious_at is not None else self.at
        return at(*self.split(count))

    def patients(self, target: float, is_cautious: bool = False) -> tuple[int, int]:
        """The fewest patients with and without the finding that reach a power or width.

        Raises:
            ValueError: No study of a thinkable size does.
        """

        def is_enough(count: int) -> bool:
            value = self.reached(count, is_cautious)
            return value <= target if self.is_width else value >= target

        return self.split(fewest(is_enough))

    @cached_property
    def needed(self) -> tuple[int, int]:
        """Patients with and without the finding for the wanted power or width."""
        return self.patients(self.target)

    @property
    def targets(self) -> tuple[float, ...]:
        """The wanted power or width among others, from the cheapest."""
        if self.is_width:
            return tuple(round(self.target * factor, 6) for factor in WIDTHS if self.target * factor < 1)
        return tuple(sorted({*POWERS, self.target}))
