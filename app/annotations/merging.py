"""Merge several findings of a datalist into one, such as nodules and masses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.datalist.choosing import named_findings
from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import union
from app.findings import ABSENT, NOT_SAID, UNCERTAIN

LOST = "left out: locations where one of the merged findings is present, but nobody was asked where"


def merged(datalist: Datalist, name: str, parts: Sequence[str]) -> Datalist:
    """A datalist in which one finding stands for several, in the place of the first of them.

    The merged finding is present if any part is, and absent if all are; otherwise it is uncertain or, if nobody looked
    for all parts, not said. Its certainty is the largest. It has the boxes and masks of all parts. Its location was
    asked for if that of some part was and every other part is absent. If a part is present without a location, the
    locations of the others are left out and counted, as they would say that there is nothing elsewhere.

    Args:
        datalist: A datalist.
        name: Of the merged finding; may be that of a part.
        parts: Two or more findings of the datalist, in any spelling that the vocabulary knows.

    Raises:
        ValueError: A finding is unknown or named twice, there are fewer than two, another finding has the name, or an
            image has mask files of several parts, which a datalist cannot merge.

    Example:
        >>> datalist = Datalist.unsplit("wards", ("Nodule", "Mass"), [Item("1.png", "7", (1, 0))])
        >>> merged(datalist, "Nodule or Mass", ["Nodule", "Mass"]).items()[0].label
        (1,)
    """
    names = named_findings(datalist, parts)
    if len(names) < 2:
        raise ValueError(f"{datalist.name}: {name!r} must be made of two findings or more, not of {', '.join(parts)}.")
    if name in datalist.findings and name not in names:
        raise ValueError(f"{datalist.name} has a finding {name!r} of its own: give what is merged another name.")
    columns = [datalist.findings.index(part) for part in names]
    first = min(columns)
    others = [column for column in range(len(datalist.findings)) if column not in columns or column == first]
    lost = 0

    def change(item: Item) -> Item:
        nonlocal lost
        value = merged_label([item.label[column] for column in columns])
        label = tuple(value if column == first else item.label[column] for column in others)
        is_asked = _is_asked(item, names, columns)
        lost += not is_asked and any(part in item.annotated for part in names)
        return _relocated(replace(item, label=label), name, names, is_asked)

    result = datalist.mapped(change)
    result.findings = tuple(name if column == first else datalist.findings[column] for column in others)
    result.description = f"{datalist.description} {name}: {' or '.join(names)}.".strip()
    return result.with_counts({LOST: lost}) if lost else result


def merged_label(values: Sequence[float]) -> float:
    """The label of a finding that is present if any of several is.

    Example:
        >>> [merged_label(values) for values in ([0, 1], [0, 0], [0, -1], [-2, 0], [0, 0.75])]
        [1, 0, -1, -2, 0.75]
    """
    largest = max(values)
    if min(values) >= ABSENT or largest > 0.5:
        return largest
    return UNCERTAIN if UNCERTAIN in values else NOT_SAID


def _is_asked(item: Item, names: Sequence[str], columns: Sequence[int]) -> bool:
    known = [name in item.annotated for name in names]
    absent = [item.label[column] == ABSENT for column in columns]
    return any(known) and all(map(max, known, absent))


def _relocated(item: Item, name: str, names: Sequence[str], is_asked: bool) -> Item:
    if not (item.boxes or item.mask or item.annotated):
        return item
    others = tuple(box for box in item.boxes if box.finding not in names)
    item.annotated = tuple(finding for finding in item.annotated if finding not in names)
    masks = [mask for finding, mask in item.mask.items() if finding in names]
    item.mask = {finding: mask for finding, mask in item.mask.items() if finding not in names}
    if not is_asked:
        item.boxes = others
        return item
    item.boxes = (*others, *(box._replace(finding=name) for box in item.boxes if box.finding in names))
    item.annotated = (*item.annotated, name)
    if masks:
        item.mask = {**item.mask, name: _one_mask(masks, item.image)}
    return item


def _one_mask(masks: Sequence[str | RunLengths], image: str) -> str | RunLengths:
    if len(masks) == 1:
        return masks[0]
    lengths = [mask for mask in masks if isinstance(mask, RunLengths)]
    if len(lengths) < len(masks):
        raise ValueError(f"{image}: has mask files of several findings that are merged; put them into one file first.")
    return union(lengths)
