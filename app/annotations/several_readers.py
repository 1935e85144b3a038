"""Make one reader of several: by vote, by boxes that agree, or from certainties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import stem, with_counts
from app.files.image_names import last_parts
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

Rule = Callable[[Sequence[float]], float]
"""What several readers say of one finding, as states or certainties, to what they say together."""


def majority(values: Sequence[float]) -> float:
    """Present or absent where more than half of those who said anything say so; uncertain where neither is the case.

    Certainties above 0.5 count as present, below as absent, 0.5 as uncertain; not said where no reader said anything.
    """
    present, absent, said = _votes(values)
    if 2 * present > said:
        return PRESENT
    if 2 * absent > said:
        return ABSENT
    return UNCERTAIN if said else NOT_SAID


def any_of(at_least: int, otherwise: float = ABSENT) -> Rule:
    """A rule: present where at least n readers say so; ``otherwise`` where some do, but fewer; absent where none does.

    A reader who is uncertain is not one who says present; where nobody says present or absent, it is uncertain or,
    where nobody said anything, not said.
    """

    def rule(values: Sequence[float]) -> float:
        present, absent, said = _votes(values)
        if present >= at_least:
            return PRESENT
        if present:
            return otherwise
        return ABSENT if absent else UNCERTAIN if said else NOT_SAID

    return rule


def by_certainty(values: Sequence[float]) -> float:
    """What NEATX made of its two annotators' certainties: all above 0.5 present, all below absent, else uncertain.

    Source: the rule that gives the published combination of all 1,011 PadChest images from the raw annotations
    (Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations"). 0.5 is on neither side, so that
    it makes the whole uncertain. Departure: INVALID, which occurs in no published row, is not said, and an image that
    any annotator calls invalid is so as a whole.
    """
    if not values or NOT_SAID in values:
        return NOT_SAID
    if min(values) > 0.5:
        return PRESENT
    return ABSENT if min(values) >= 0 and max(values) < 0.5 else UNCERTAIN


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / (first.width * first.height + second.width * second.height - shared)


def agreed_boxes(boxes: Sequence[Box], at_least: int, iou: float) -> list[Box]:
    """Boxes of one finding that at least k readers drew at the same place, each the mean of theirs.

    Source: Kim et al. 2022 take images on which two or more radiologists drew a nodule "in the same location" (k = 2).
    Boxes are put together pair by pair, those that overlap most first, as long as all boxes of a group overlap each
    other by at least ``iou`` and come from different readers; a group of k or more becomes its mean box. With k = 1
    boxes that nobody shares are kept as well.

    Args:
        boxes: of one finding on one image, each with its reader.
        at_least: k, 1 or more.
        iou: above 0, at most 1.

    Returns:
        The mean boxes, without a reader, in order of their first box.
    """
    _require_range(at_least, iou)
    group_of = list(range(len(boxes)))
    members = {place: [place] for place in group_of}
    pairs = [(overlap(boxes[one], boxes[two]), one, two) for one, two in combinations(range(len(boxes)), 2)]
    close = {(one, two) for share, one, two in pairs if share >= iou and boxes[one].reader != boxes[two].reader}
    for _, one, two in sorted(pairs, key=lambda pair: -pair[0]):
        first, second = sorted((group_of[one], group_of[two]))
        if first == second or not all((min(a, b), max(a, b)) in close for a in members[first] for b in members[second]):
            continue
        for place in members[second]:
            group_of[place] = first
        members[first] += members.pop(second)
    return [_mean([boxes[place] for place in group]) for group in members.values() if len(group) >= at_least]


def with_agreed_boxes(datalist: Datalist, at_least: int, iou: float, otherwise: float = UNCERTAIN) -> Datalist:
    """Boxes and labels of those findings that at least k readers drew at the same place.

    A finding that some drew, but no k at one place, gets the label ``otherwise``: absent (then its location is:
    nowhere) or uncertain (then its location was not asked for). Findings that nobody drew stay as they are.

    Raises:
        ValueError: k or IoU outside their range, or a box that does not say who drew it.
    """
    _require_range(at_least, iou)
    return _each_item(datalist, lambda item: _agreed_item(item, datalist.findings, at_least, iou, otherwise))


def with_votes(datalist: Datalist, rule: Rule) -> Datalist:
    """Labels by a rule over the readers of each image's boxes; boxes of a finding that is then not present go.

    Who read an image stands in its attribute ``readers``, between blanks, so that those who saw nothing count as well.
    A reader says present by a box and else absent. Boxes that stay keep their readers.

    Raises:
        ValueError: an item without ``readers``, or a box by somebody who is not among them.
    """
    return _each_item(datalist, lambda item: _voted_item(item, datalist.findings, rule))


def read_together(datalists: Sequence[Datalist], rule: Rule) -> Datalist:
    """One datalist of several readers' datalists: labels by a rule, boxes of all, for the images of the first.

    Images are matched by file name, findings by name. An image or finding that a reader's datalist does not have counts
    as not said by that reader. Sections, studies, views and attributes are the first's. A finding was annotated where
    any reader was asked for it. Masks must stand in the first datalist alone, since two outlines of one finding are not
    one.

    Raises:
        ValueError: fewer than two datalists, findings that differ, no image in common, a mask in a later one, one file
            name twice.
    """
    if len(datalists) < 2:
        raise ValueError("reading together takes two datalists or more.")
    first, others = datalists[0], [_by_name(datalist) for datalist in datalists[1:]]
    for datalist in datalists[1:]:
        if set(datalist.findings) != set(first.findings):
            raise ValueError(
                f"{datalist.name} and {first.name} have other findings: {', '.join(datalist.findings)} against "
                f"{', '.join(first.findings)}. Choose the same with --findings."
            )
    places = [[datalist.findings.index(name) for name in first.findings] for datalist in datalists[1:]]
    shared = 0

    def combined(item: Item) -> Item:
        nonlocal shared
        named = last_parts(stem(item.image), 1)
        found = [(other[named], place) for other, place in zip(others, places, strict=True) if named in other]
        shared += bool(found)
        labels = [item.label, *(tuple(other.label[at] for at in place) for other, place in found)]
        made = replace(item, label=tuple(rule(list(column)) for column in zip(*labels, strict=True)))
        made.source = "+".join(dict.fromkeys(filter(None, (item.source, *(other.source for other, _ in found)))))
        made.boxes = tuple(box for one in (item, *(other for other, _ in found)) for box in _signed(one))
        made.annotated = tuple(
            dict.fromkeys(name for one in (item, *(other for other, _ in found)) for name in one.annotated)
        )
        return made

    made = _each_item(first, combined)
    if not shared:
        raise ValueError(f"{first.name}: none of the other datalists has an image of it, by file name.")
    ours = {last_parts(stem(item.image), 1) for items in first.sections.values() for item in items}
    names = " and ".join(datalist.name for datalist in datalists)
    made = replace(made, name=f"{first.name} read together", description=f"{names}, read together.")
    left_out = len({name for other in others for name in other} - ours)
    counts = {"images read by more than one": shared}
    if left_out:
        counts["left out: images that the first reader did not read"] = left_out
    return with_counts(made, counts)


def _require_range(at_least: int, iou: float) -> None:
    if at_least < 1 or not 0 < iou <= 1:
        raise ValueError(f"boxes agreed on by {at_least} readers at IoU {iou}: at least 1 reader, IoU in (0, 1].")


def _votes(values: Sequence[float]) -> tuple[int, int, int]:
    """How many say present, how many absent, how many anything (uncertain among them)."""
    present = sum(value > 0.5 for value in values)
    absent = sum(0 <= value < 0.5 for value in values)
    return present, absent, sum(value != NOT_SAID for value in values)


def _mean(boxes: Sequence[Box]) -> Box:
    x, y, width, height = (
        round(sum(values) / len(boxes), 3) for values in zip(*(box[1:5] for box in boxes), strict=True)
    )
    return Box(boxes[0].finding, x, y, width, height)


def _agreed_item(item: Item, findings: Sequence[str], at_least: int, iou: float, otherwise: float) -> Item:
    if not item.boxes:
        return item
    unsigned = next((box for box in item.boxes if not box.reader), None)
    if unsigned is not None:
        raise ValueError(f"{item.image}: a box of {unsigned.finding!r} does not say who drew it ('reader').")
    kept: list[Box] = []
    changed: dict[str, float] = {}
    for finding in dict.fromkeys(box.finding for box in item.boxes):
        agreed = agreed_boxes([box for box in item.boxes if box.finding == finding], at_least, iou)
        kept += agreed
        changed[finding] = PRESENT if agreed else otherwise
    return _relabelled(item, findings, changed, tuple(kept))


def _voted_item(item: Item, findings: Sequence[str], rule: Rule) -> Item:
    readers = str(item.attributes.get("readers", "")).split()
    strangers = {box.reader for box in item.boxes} - set(readers)
    if not readers or strangers:
        raise ValueError(
            f"{item.image}: the attribute 'readers' must name everybody who read it, between blanks; it says "
            f"{' '.join(readers)!r}, boxes are by {', '.join(sorted(strangers)) or 'nobody else'}."
        )
    who = {finding: {box.reader for box in item.boxes if box.finding == finding} for finding in findings}
    changed = {
        finding: rule([PRESENT if reader in drew else ABSENT for reader in readers]) for finding, drew in who.items()
    }
    return _relabelled(item, findings, changed, tuple(box for box in item.boxes if changed[box.finding] == PRESENT))


def _relabelled(item: Item, findings: Sequence[str], changed: Mapping[str, float], boxes: tuple[Box, ...]) -> Item:
    """Where the label is now uncertain, the location is no longer known to be nowhere."""
    label = tuple(changed.get(finding, value) for finding, value in zip(findings, item.label, strict=True))
    asked = tuple(finding for finding in item.annotated if changed.get(finding, PRESENT) >= ABSENT)
    return replace(item, label=label, boxes=boxes, annotated=asked)


def _each_item(datalist: Datalist, change: Callable[[Item], Item]) -> Datalist:
    sections = {section: [change(item) for item in items] for section, items in datalist.sections.items()}
    return replace(datalist, sections=sections)


def _by_name(datalist: Datalist) -> dict[str, Item]:
    items = [item for items in datalist.sections.values() for item in items]
    named = {last_parts(stem(item.image), 1): item for item in items}
    if len(named) < len(items):
        twice = Counter(last_parts(stem(item.image), 1) for item in items).most_common(1)[0][0]
        raise ValueError(f"{datalist.name}: two images are named {twice!r}; which is meant cannot be known.")
    masked = next((item for item in items if item.mask), None)
    if masked is not None:
        raise ValueError(f"{datalist.name}: {masked.image} has a mask; masks may stand in the first datalist alone.")
    return named


def _signed(item: Item) -> list[Box]:
    """Boxes with a reader: their own or, where they have none, who the item says is its source."""
    return [box if box.reader else box._replace(reader=item.source) for box in item.boxes]
