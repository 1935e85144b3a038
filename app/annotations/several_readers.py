"""Combine several readers into one: by vote, by boxes that agree, or from certainties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from app.annotations.voting import Rule
from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import bare_name
from app.findings import ABSENT, PRESENT, UNCERTAIN


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0 to 1.

    Example:
        >>> overlap(Box("Nodule", 0, 0, 2, 2), Box("Nodule", 1, 0, 2, 2))
        0.3333333333333333
    """
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / (first.width * first.height + second.width * second.height - shared)


def agreed_boxes(boxes: Sequence[Box], at_least: int, iou: float) -> list[Box]:
    """The boxes that at least k readers drew at the same place, each the mean of theirs.

    Source: Kim et al. 2023 take images on which two or more radiologists drew a nodule "in the same location" (k = 2).
    Boxes are joined pair by pair, those that overlap most first, as long as all boxes of a group overlap each other by
    at least ``iou`` and are of different readers. A group of k or more becomes its mean box.

    Args:
        boxes: Of one finding on one image, each with its reader.
        at_least: k, 1 or more; 1 keeps boxes that nobody shares.
        iou: Above 0, at most 1.

    Returns:
        The mean boxes, without a reader, in order of their first box.

    Example:
        >>> boxes = [Box("Nodule", 0, 0, 4, 4, "a"), Box("Nodule", 0, 0, 4, 3, "b"), Box("Nodule", 9, 9, 2, 2, "c")]
        >>> agreed_boxes(boxes, at_least=2, iou=0.5)
        [Box(finding='Nodule', x=0.0, y=0.0, width=4.0, height=3.5, reader='')]
    """
    _require_range(at_least, iou)
    group_of = list(range(len(boxes)))
    members = {index: [index] for index in group_of}
    pairs = [(overlap(boxes[one], boxes[two]), one, two) for one, two in combinations(range(len(boxes)), 2)]
    close = {(one, two) for share, one, two in pairs if share >= iou and boxes[one].reader != boxes[two].reader}
    for _, one, two in sorted(pairs, key=lambda pair: -pair[0]):
        first, second = sorted((group_of[one], group_of[two]))
        if first == second or not all((min(a, b), max(a, b)) in close for a in members[first] for b in members[second]):
            continue
        for index in members[second]:
            group_of[index] = first
        members[first] += members.pop(second)
    return [_mean([boxes[index] for index in group]) for group in members.values() if len(group) >= at_least]


def with_agreed_boxes(datalist: Datalist, at_least: int, iou: float, otherwise: float = UNCERTAIN) -> Datalist:
    """Boxes and labels of those findings that at least k readers drew at the same place.

    A finding that some drew, but not k at one place, gets the label ``otherwise``: absent (its location is then
    nowhere) or uncertain (its location then counts as not asked for). Findings that nobody drew stay as they are.

    Raises:
        ValueError: k or IoU is out of range, or a box does not say who drew it.
    """
    _require_range(at_least, iou)

    def change(item: Item) -> Item:
        unsigned = next((box for box in item.boxes if not box.reader), None)
        if unsigned is not None:
            raise ValueError(f"{item.image}: a box of {unsigned.finding!r} does not say who drew it ('reader').")
        boxes: list[Box] = []
        label: dict[str, float] = {}
        for finding in dict.fromkeys(box.finding for box in item.boxes):
            agreed = agreed_boxes([box for box in item.boxes if box.finding == finding], at_least, iou)
            boxes += agreed
            label[finding] = PRESENT if agreed else otherwise
        return _relabelled(item, datalist.findings, label, tuple(boxes)) if item.boxes else item

    return datalist.mapped(change)


def with_votes(datalist: Datalist, rule: Rule) -> Datalist:
    """Labels by a rule over the readers of each image, and the boxes of findings that are then present.

    The attribute ``readers`` names everybody who read an image, separated by blanks, so that those who saw nothing
    count too. A reader says present by drawing a box, and absent otherwise. Boxes keep their readers.

    Raises:
        ValueError: An item has no ``readers``, or a box by somebody who is not among them.
    """

    def change(item: Item) -> Item:
        readers = readers_of(item)
        label = {}
        for finding in datalist.findings:
            drew = {box.reader for box in item.boxes if box.finding == finding}
            label[finding] = rule([PRESENT if reader in drew else ABSENT for reader in readers])
        boxes = tuple(box for box in item.boxes if label[box.finding] == PRESENT)
        return _relabelled(item, datalist.findings, label, boxes)

    return datalist.mapped(change)


def readers_of(item: Item) -> list[str]:
    """Everybody who read an image, as its attribute ``readers`` says.

    Raises:
        ValueError: It has no such attribute, or a box by somebody who is not among them.
    """
    readers = str(item.attributes.get("readers", "")).split()
    strangers = {box.reader for box in item.boxes} - set(readers)
    if not readers or strangers:
        raise ValueError(
            f"{item.image}: the attribute 'readers' must name everybody who read it, separated by blanks; it is "
            f"{' '.join(readers)!r}, boxes are by {', '.join(sorted(strangers)) or 'nobody else'}."
        )
    return readers


def read_together(datalists: Sequence[Datalist], rule: Rule) -> Datalist:
    """Combine several readers' datalists for the images of the first: labels by a rule, the boxes of all.

    Images are matched by file name, findings by name. An image that a reader's datalist does not have counts as not
    said by that reader. Sections, studies, views and attributes are the first's. A finding was annotated if any reader
    was asked for it. Only the first datalist may have masks, since two outlines of one finding cannot be combined.

    Raises:
        ValueError: There are fewer than two datalists, their findings differ, they share no image, a later one has a
            mask, or a file name occurs twice.
    """
    if len(datalists) < 2:
        raise ValueError("reading together takes two datalists or more.")
    first, others = datalists[0], [by_name(datalist) for datalist in datalists[1:]]
    for datalist in datalists[1:]:
        if set(datalist.findings) != set(first.findings):
            raise ValueError(
                f"{datalist.name} and {first.name} have other findings: {', '.join(datalist.findings)} against "
                f"{', '.join(first.findings)}. Choose the same with --findings."
            )
    orders = [[datalist.findings.index(name) for name in first.findings] for datalist in datalists[1:]]
    shared = 0

    def combined(item: Item) -> Item:
        nonlocal shared
        name = bare_name(item.image)
        matches = [(other[name], order) for other, order in zip(others, orders, strict=True) if name in other]
        shared += bool(matches)
        labels = [item.label, *(tuple(other.label[column] for column in order) for other, order in matches)]
        readings = [item, *(other for other, _ in matches)]
        return replace(
            item,
            label=tuple(rule(list(column)) for column in zip(*labels, strict=True)),
            source="+".join(dict.fromkeys(filter(None, (one.source for one in readings)))),
            boxes=tuple(
                box if box.reader else box._replace(reader=one.source) for one in readings for box in one.boxes
            ),
            annotated=tuple(dict.fromkeys(name for one in readings for name in one.annotated)),
        )

    result = first.mapped(combined)
    if not shared:
        raise ValueError(f"{first.name}: none of the other datalists has an image of it, by file name.")
    result.name = f"{first.name} read together"
    result.description = f"{' and '.join(datalist.name for datalist in datalists)}, read together."
    counts = {"images read by more than one": shared}
    left_out = len({name for other in others for name in other} - {bare_name(item.image) for item in first.items()})
    if left_out:
        counts["left out: images that the first reader did not read"] = left_out
    return result.with_counts(counts)


def by_name(datalist: Datalist) -> dict[str, Item]:
    """The items of a reader's datalist by file name.

    Raises:
        ValueError: A file name occurs twice, or an item has a mask.
    """
    items = datalist.items()
    named = {bare_name(item.image): item for item in items}
    if len(named) < len(items):
        twice = Counter(bare_name(item.image) for item in items).most_common(1)[0][0]
        raise ValueError(f"{datalist.name}: two images are named {twice!r}; rename one of them.")
    masked = next((item for item in items if item.mask), None)
    if masked is not None:
        raise ValueError(f"{datalist.name}: {masked.image} has a mask; only the first datalist may have masks.")
    return named


def _require_range(at_least: int, iou: float) -> None:
    if at_least < 1 or not 0 < iou <= 1:
        raise ValueError(f"boxes agreed on by {at_least} readers at IoU {iou}: at least 1 reader, IoU in (0, 1].")


def _mean(boxes: Sequence[Box]) -> Box:
    x, y, width, height = (
        round(sum(values) / len(boxes), 3) for values in zip(*(box[1:5] for box in boxes), strict=True)
    )
    return Box(boxes[0].finding, x, y, width, height)


def _relabelled(item: Item, findings: Sequence[str], changed: Mapping[str, float], boxes: tuple[Box, ...]) -> Item:
    """Change labels and boxes; a finding that is now uncertain is no longer known to be nowhere."""
    label = tuple(changed.get(finding, value) for finding, value in zip(findings, item.label, strict=True))
    asked = tuple(finding for finding in item.annotated if changed.get(finding, PRESENT) >= ABSENT)
    return replace(item, label=label, boxes=boxes, annotated=asked)
