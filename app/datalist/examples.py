"""Choose a few items that show what a section holds: each finding, and each kind of annotation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from app.datalist.item import Item
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

KINDS = ("image label", "box", "mask", "uncertain", "certainty", "none present", "nothing said")
"""Kinds of annotation, in the order in which examples are shown. The last two are said of a whole item."""

_LABEL_KINDS: dict[float, str] = {PRESENT: "image label", UNCERTAIN: "uncertain"}
_REMARKS: dict[float, str] = {ABSENT: ", though labelled absent", UNCERTAIN: ", labelled uncertain"}

Cell = tuple[int, str]
"""Number of a finding, or ``_WHOLE``, and a kind of annotation."""
_WHOLE = -1
"""Instead of a finding's number, if something is said of a whole item."""


def chosen_examples(items: Sequence[Item], findings: Sequence[str], count: int, seed: int) -> list[int]:
    """Indices of items that together show every finding and kind of annotation about equally often.

    One item after another is drawn at random for the combination of finding and kind that is shown least so far; an
    item counts for all that it shows.

    Args:
        items: Of one section.
        findings: Names, in the order of every item's ``label``.
        count: How many indices are wanted; fewer if there are fewer items.
        seed: Seed of the draws. The same items and seed give the same indices.

    Returns:
        Distinct indices, ordered by kind and finding.

    Example:
        >>> items = [Item(str(number), "7", (label,)) for number, label in enumerate([0] * 9 + [1, -1])]
        >>> chosen_examples(items, ("Nodule",), 3, seed=0)[:2]  # one of each kind
        [9, 10]
    """
    cells_of = _cells_of_items(items, findings)
    waiting: dict[Cell, list[int]] = {}
    for index, cells in enumerate(cells_of):
        for cell in cells:
            waiting.setdefault(cell, []).append(index)
    generator = random.Random(seed)
    for indices in waiting.values():
        generator.shuffle(indices)
    shown: Counter[Cell | int | str] = Counter()  # of cells, of findings and of kinds
    chosen: dict[int, Cell] = {}
    while len(chosen) < count and waiting:
        cell = min(waiting, key=lambda each: _turn(each, shown))
        index = waiting[cell].pop()
        if not waiting[cell]:
            del waiting[cell]
        if index not in chosen:
            chosen[index] = cell
            for other in cells_of[index]:
                shown.update((other, *other))
    return sorted(chosen, key=lambda index: (KINDS.index(chosen[index][1]), chosen[index][0], index))


def annotation_words(item: Item, findings: Sequence[str]) -> list[str]:
    """How the findings of an item are annotated, in words: locations first, and nothing of what is absent.

    Example:
        >>> annotation_words(Item("1.png", "7", (1, -1, 1)), ("Nodule", "Mass", "Effusion"))
        ['image label: Nodule, Effusion', 'uncertain: Mass']
        >>> annotation_words(Item("1.png", "7", (0, 0, -2)), ("Nodule", "Mass", "Effusion"))
        ['none present']
    """
    words: dict[str, list[str]] = {}
    for finding, label in zip(findings, item.label, strict=False):
        kinds, alone = _location_kinds(item, finding), _label_kind(label)
        if kinds:
            remark = _REMARKS.get(label, "")
            words.setdefault(f"{' and '.join(kinds)}{remark}", []).append(finding)
        elif alone is not None:
            words.setdefault(f"{alone} {label:g}" if alone == "certainty" else alone, []).append(finding)
    located_first = sorted(words, key=lambda word: not word.startswith(("box", "mask")))
    return [f"{word}: {', '.join(words[word])}" for word in located_first] or [_kind_of_item(item.label)]


def _cells_of_items(items: Sequence[Item], findings: Sequence[str]) -> list[list[Cell]]:
    """The cells of each item; those of labels are worked out once for all items of the same labels."""
    by_label = {label: _label_cells(label) for label in {item.label for item in items}}
    return [_cells(item, findings, by_label[item.label]) if item.is_located else by_label[item.label] for item in items]


def _cells(item: Item, findings: Sequence[str], of_label: list[Cell]) -> list[Cell]:
    located = [(number, kind) for number, name in enumerate(findings) for kind in _location_kinds(item, name)]
    numbers = {number for number, _ in located}
    said = [(number, kind) for number, kind in of_label if number not in numbers or kind != "image label"]
    return located + [cell for cell in said if cell[0] != _WHOLE]


def _label_cells(label: Sequence[float]) -> list[Cell]:
    cells = [(number, kind) for number, value in enumerate(label) if (kind := _label_kind(value)) is not None]
    return cells or [(_WHOLE, _kind_of_item(label))]


def _location_kinds(item: Item, finding: str) -> list[str]:
    has_box = any(box.finding == finding for box in item.boxes)
    return ["box"] * has_box + ["mask"] * (finding in item.mask)


def _label_kind(value: float) -> str | None:
    """The kind of a label that stands alone; None if it is absent or not said."""
    if value in (ABSENT, NOT_SAID):
        return None
    return _LABEL_KINDS.get(value, "certainty")


def _kind_of_item(label: Sequence[float]) -> str:
    return "none present" if ABSENT in label else "nothing said"


def _turn(cell: Cell, shown: Counter[Cell | int | str]) -> tuple[int, ...]:
    """What the next cell is the minimum of: how often it, its finding and its kind are shown."""
    finding, kind = shown[cell[0]], shown[cell[1]]
    return shown[cell], max(finding, kind), min(finding, kind), KINDS.index(cell[1]), cell[0]
