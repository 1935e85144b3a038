"""Labels of data sets whose tables name what a report mentions: a finding is present if named, else absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from app.datalist.item import Item
from app.findings import ABSENT, NOT_SAID, PRESENT, VOCABULARY

Names = frozenset[str] | None
"""What a report mentions, in the data set's words; None if it says nothing."""


def label_by_names(
    named: Sequence[tuple[Item, Names]], finding_of: Callable[[str], str | None], always: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Give items the labels that names mean.

    Args:
        named: Items, whose labels are set, and the names of each.
        finding_of: Gives the finding of the vocabulary that a name means, or None.
        always: Findings that are among the labels even if no item names them.

    Returns:
        The findings, in the order of the vocabulary, and how many items have each name that is no finding.

    Example:
        >>> items = [Item("1.png", "7", ()), Item("2.png", "8", ())]
        >>> label_by_names([(items[0], frozenset({"mass", "scoliosis"})), (items[1], None)], {"mass": "Mass"}.get, [])
        (('Mass',), {'scoliosis': 1})
        >>> items[0].label, items[1].label
        ((1,), (-2,))
    """
    counts = Counter(names for _, names in named)
    finding = {name: finding_of(name) for names in counts for name in names or ()}
    known = {*finding.values(), *always}
    findings = tuple(each for each in VOCABULARY if each in known)
    label_of: dict[Names, tuple[float, ...]] = {None: (NOT_SAID,) * len(findings)}
    for names in counts.keys() - {None}:
        present = {finding[name] for name in names or ()}
        label_of[names] = tuple(PRESENT if each in present else ABSENT for each in findings)
    for item, names in named:
        item.label = label_of[names]
    unmapped: Counter[str] = Counter()
    for names, count in counts.items():
        unmapped.update({name: count for name in names or () if finding[name] is None})
    return findings, dict(unmapped.most_common())
