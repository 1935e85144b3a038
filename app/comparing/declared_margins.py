"""The margins that ``--margin`` declares, and what comparisons show within them, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from app.comparing.calls import SHARES
from app.comparing.cases import MEASURES
from app.nearest import did_you_mean
from evaluation.cells import number

ANY = ""
"""Key of the margin of all measures that have none of their own."""
ONE_SIDED = 0.025
"""Level of each one-sided test: a 95% interval shows the same, as it excludes 2.5% on either side."""
MEANING = (
    f"Non-inferior: not worse by the margin or more. Equivalent: neither worse nor better by the margin or more (two "
    f"one-sided tests). Each one-sided test is at {ONE_SIDED:.1%}, so for a single finding the 95% interval of the "
    "difference shows the same. p (Holm) is corrected as for differences. A margin counts only if it was declared "
    "before the results were known."
)


def parse_margins(
    words: Sequence[str], known: Sequence[str] = ("auc", "afroc", *SHARES, *MEASURES)
) -> dict[str, float]:
    """Read margins: ``0.02`` for every measure, ``dice=0.05`` for one.

    Example:
        >>> parse_margins(["0.02", "dice=0.05"])
        {'': 0.02, 'dice': 0.05}

    Raises:
        ValueError: A margin is no number between 0 and 1, is given twice, or is of an unknown measure.
    """
    margins: dict[str, float] = {}
    for word in words:
        measure, _, text = word.rpartition("=")
        if measure and measure not in known:
            raise ValueError(
                f"--margin {word}: no measure {measure!r}; known are {', '.join(known)}.{did_you_mean(measure, known)}"
            )
        if measure in margins:
            raise ValueError(f"--margin {word}: a second margin of {measure or 'every measure'}")
        margins[measure] = _number(text, word)
    return margins


def margin_of(margins: Mapping[str, float], measure: str) -> float | None:
    """The margin of a measure, if one was declared."""
    return margins.get(measure, margins.get(ANY))


def within_words(names: tuple[str, str], margin: float, results: Mapping[str, tuple[float, float]]) -> str:
    """What is shown within the margin.

    Example:
        >>> within_words(("B", "A"), 0.02, {"Nodule": (0.001, 0.2), "Effusion": (0.3, 0.3)})
        'Margin 0.02: B is non-inferior to A for Nodule, not shown for Effusion; equivalence is not shown.'

    Args:
        names: Of the model and the reference.
        margin: As declared.
        results: By finding, p of non-inferiority and of equivalence after correction; NaN if it cannot be tested.
    """
    model, reference = names
    tested = {finding: p for finding, p in results.items() if not math.isnan(p[0])}
    untested = [finding for finding in results if finding not in tested]
    parts = []
    if tested:
        shown = [[finding for finding, p in tested.items() if p[kind] < ONE_SIDED] for kind in (0, 1)]
        parts.append(_shown(f"{model} is non-inferior to {reference}", "non-inferiority", shown[0], list(tested)))
        parts.append(_shown(f"{model} and {reference} are equivalent", "equivalence", shown[1], list(tested)))
    if untested:
        parts.append(f"{', '.join(untested)} cannot be tested")
    return f"Margin {margin:g}: {'; '.join(parts)}."


def _shown(claim: str, noun: str, shown: list[str], tested: list[str]) -> str:
    if not shown:
        return f"{noun} is not shown"
    others = [finding for finding in tested if finding not in shown]
    return f"{claim} for {', '.join(shown)}" + (f", not shown for {', '.join(others)}" if others else "")


def _number(text: str, word: str) -> float:
    margin = number(text)
    if not 0 < margin < 1:
        raise ValueError(
            f"--margin {word}: must be above 0 and below 1, on the scale of the measure: two points of AUC are 0.02"
        )
    return margin
