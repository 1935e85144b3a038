"""Several findings of a datalist taken as one, such as nodules and masses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import union
from app.datalist.stored_images import with_counts
from app.findings import ABSENT, NOT_SAID, UNCERTAIN, canonical, require_known

LOST = "left out: locations where one of the merged findings is present, but nobody was asked where"


def merged(datalist: Datalist, name: str, parts: Sequence[str]) -> Datalist:
    """A datalist in which one finding stands for several, in the place of the first of them.

    The one is present where any part is, absent where all are; else it is uncertain or, where nobody looked for all
    parts, not said. Its certainty is the largest. Boxes and masks of all parts are its own. Its location was asked for
    where that of some part was and every other part is absent; where one is present without a location, those of the
    others are left out and counted, since they would say that there is nothing elsewhere.

    Args:
        datalist: its items are left as they are.
        name: of the one; may be that of a part.
        parts: two findings of the datalist or more, in any spelling that the vocabulary knows.

    Raises:
        ValueError: an unknown finding, fewer than two, one named twice, a name that another finding has, or parts of
            which an image has mask files, which cannot be put together in a datalist.
    """
    names = tuple(part if part in datalist.findings else canonical(part) or part for part in parts)
    require_known(names, datalist.findings, datalist.name)
    if len(set(names)) < max(len(names), 2):
        raise ValueError(f"{datalist.name}: {name!r} must be made of two findings or more, not of {', '.join(parts)}.")
    if name in datalist.findings and name not in names:
        raise ValueError(f"{datalist.name} has a finding {name!r} of its own: give what is merged another name.")
    places = [datalist.findings.index(part) for part in names]
    first = min(places)
    kept = [place for place in range(len(datalist.findings)) if place not in places or place == first]
    findings = tuple(name if place == first else datalist.findings[place] for place in kept)
    lost = 0
    sections: dict[str, list[Item]] = {}
    for section, items in datalist.sections.items():
        sections[section] = made = []
        for item in items:
            value = merged_label([item.label[place] for place in places])
            label = tuple(value if place == first else item.label[place] for place in kept)
            asked = _asked(item, names, places)
            lost += not asked and any(part in item.annotated for part in names)
            made.append(_relocated(replace(item, label=label), name, names, asked))
    made_of = replace(datalist, findings=findings, sections=sections)
    made_of.description = f"{datalist.description} {name}: {' or '.join(names)}.".strip()
    return with_counts(made_of, {LOST: lost}) if lost else made_of


def merged_label(values: Sequence[float]) -> float:
    """What labels of several findings say of any of them.

    Example:
        >>> [merged_label(values) for values in ([0, 1], [0, 0], [0, -1], [-2, 0], [0, 0.75])]
        [1, 0, -1, -2, 0.75]
    """
    largest = max(values)
    if min(values) >= ABSENT or largest > 0.5:
        return largest
    return UNCERTAIN if UNCERTAIN in values else NOT_SAID


def _asked(item: Item, names: Sequence[str], places: Sequence[int]) -> bool:
    known = [name in item.annotated for name in names]
    absent = [item.label[place] == ABSENT for place in places]
    return any(known) and all(map(max, known, absent))


def _relocated(item: Item, name: str, names: Sequence[str], asked: bool) -> Item:
    if not (item.boxes or item.mask or item.annotated):
        return item
    others = tuple(box for box in item.boxes if box.finding not in names)
    item.annotated = tuple(finding for finding in item.annotated if finding not in names)
    masks = [mask for finding, mask in item.mask.items() if finding in names]
    item.mask = {finding: mask for finding, mask in item.mask.items() if finding not in names}
    if not asked:
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
