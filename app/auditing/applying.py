"""Labels that were read again: back into the datalist with their source, and what they show about the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.auditing.rereading import CONTROL, KEY_COLUMNS, LIST_COLUMNS, SUSPICIOUS
from app.datalist.item import Datalist, Item
from app.files.tables import Table, number, read_table
from app.findings import ABSENT, PRESENT, UNCERTAIN
from app.label_words import WORDS
from evaluation.cases import Interval
from evaluation.cells import plain_cell
from evaluation.shares import share_interval

LEVEL = 0.95
_NUMBERS = {"1": PRESENT, "0": ABSENT, "-1": UNCERTAIN}


@dataclass(frozen=True)
class Reread:
    """A label that was read again.

    Attributes:
        image: Name in the datalist.
        patient: Pseudonym.
        finding: Name.
        given: The label before: 1 or 0.
        label: The new one: 1, 0 or -1.
        reader: Who read it.
        part: ``suspicious`` or ``control``.
    """

    image: str
    patient: str
    finding: str
    given: float
    label: int
    reader: str
    part: str


@dataclass(frozen=True)
class Rereading:
    """A list that came back.

    Attributes:
        read: The labels that were read.
        unread: How many were not.
        rest: How many labels the whole control sample represents.
    """

    read: list[Reread]
    unread: int
    rest: float


def read_rereading(path: Path, key: Path, reader: str) -> Rereading:
    """Read a list that came back.

    Args:
        path: The list, with labels 1, 0, -1 or words for them; empty where nobody read.
        key: Its key.
        reader: Who read where the column ``reader`` is empty.

    Raises:
        ValueError: A row is not in the key or there twice, a label is none, or nobody is named as its reader.
    """
    keys = _keyed(key)
    table = read_table(path, LIST_COLUMNS)
    read: dict[str, Reread] = {}
    for row, cells in enumerate(table.select(*LIST_COLUMNS)):
        n, image, finding, label, named = (plain_cell(cell.strip()) for cell in cells)
        where = table.where(row)
        if n not in keys or (keys[n]["image"], keys[n]["finding"]) != (image, finding):
            raise ValueError(f"{where}: number {n!r} with this image and finding is not in {key}; name the list's key.")
        if n in read:
            raise ValueError(f"{where}: number {n} is there twice; keep one row, or combine readers first.")
        if label:
            read[n] = _reread(keys[n], _label(label, where), named or reader, where)
    if not read:
        raise ValueError(f"{path}: no label is filled in.")
    rest = sum(float(row["stands_for"]) for row in keys.values() if row["part"] == CONTROL)
    return Rereading(list(read.values()), len(keys) - len(read), rest)


def apply(datalist: Datalist, rereads: Sequence[Reread]) -> Datalist:
    """A datalist with the new labels, and who read them in the images' source.

    Boxes and masks of a finding that is no longer present are removed; a finding that is present now, and was located
    nowhere, has an unknown location. Both are counted.

    Raises:
        ValueError: An image or finding is not in the datalist, or its label is no longer the one that was doubted.
    """
    by_image: dict[str, list[Reread]] = {}
    for each in rereads:
        by_image.setdefault(each.image, []).append(each)
    missing = by_image.keys() - {item.image for item in datalist.items()}
    if missing:
        raise ValueError(f"{datalist.name}: has no image {min(missing)}, which was read again ({len(missing)} in all).")
    counts: Counter[str] = Counter({"labels read again": len(rereads)})
    counts["labels changed by reading again"] = sum(each.label != each.given for each in rereads)
    result = datalist.mapped(lambda item: _changed(item, by_image.get(item.image, []), datalist.findings, counts))
    before = datalist.provenance.get("counts")
    known: Mapping[str, int] = before if isinstance(before, dict) else {}
    return result.with_counts({name: known.get(name, 0) + count for name, count in counts.items()})


@dataclass(frozen=True)
class Measured:
    """What re-reading shows.

    Attributes:
        precision: Share of wrong labels by part: suspicious and control.
        counts: By part, labels that were wrong, that were read for certain, and uncertain readings.
        total: Number of wrong labels among all: those found, and the control sample's share of the rest.
    """

    precision: dict[str, Interval]
    counts: dict[str, tuple[int, int, int]]
    total: Interval | None


def measure(reread: Rereading) -> Measured:
    """Measure precision with Wilson's intervals of 95%, patients taken together; uncertain readings are left out."""
    precision, counts = {}, {}
    for part in (SUSPICIOUS, CONTROL):
        chosen = [each for each in reread.read if each.part == part]
        sure = np.array([each.label != UNCERTAIN for each in chosen], dtype=bool)
        wrong = np.array([each.label != each.given for each in chosen], dtype=bool) & sure
        precision[part] = share_interval(wrong, sure, [each.patient for each in chosen] if chosen else None, LEVEL)
        counts[part] = int(wrong.sum()), int(sure.sum()), len(chosen) - int(sure.sum())
    found, control = counts[SUSPICIOUS][0], precision[CONTROL]
    total = None
    if counts[CONTROL][1]:
        total = Interval(*(found + reread.rest * share for share in (control.value, control.lower, control.upper)))
    return Measured(precision, counts, total)


def measured_lines(measured: Measured, unread: int) -> list[str]:
    """What re-reading shows, in words."""
    lines = []
    for part, (wrong, sure, uncertain) in measured.counts.items():
        share = measured.precision[part]
        text = f"{part}: {wrong} of {sure} labels were wrong"
        if sure:
            text += f", {share.value:.0%} (95%: {share.lower:.0%} to {share.upper:.0%})"
        lines.append(text + (f"; {uncertain} readings were uncertain." if uncertain else "."))
    if measured.total is None:
        lines.append("No label of the control sample was read for certain: how many are wrong among the rest is open.")
    else:
        total = measured.total
        lines.append(
            f"Wrong labels in all, by the control sample: {total.value:.0f} (95%: {total.lower:.0f} to "
            f"{total.upper:.0f}), including those found."
        )
    if unread:
        lines.append(f"{unread} labels of the list were not read; if they were not left out at random, shares mislead.")
    return lines


def _keyed(key: Path) -> dict[str, dict[str, str]]:
    table: Table = read_table(key, KEY_COLUMNS)
    rows = [dict(zip(KEY_COLUMNS, map(plain_cell, cells), strict=True)) for cells in table.select(*KEY_COLUMNS)]
    for row, cells in enumerate(rows):
        number(cells["stands_for"], "stands_for", table.where(row))
        if cells["part"] not in (SUSPICIOUS, CONTROL) or cells["given"] not in ("0", "1"):
            raise ValueError(f"{table.where(row)}: not a row of a key that `frugal audit` wrote.")
    return {row["number"]: row for row in rows}


def _reread(key: Mapping[str, str], label: int, reader: str, where: str) -> Reread:
    if not reader:
        raise ValueError(f"{where}: who read it? Fill in the column 'reader', or give --reader NAME.")
    return Reread(key["image"], key["patient"], key["finding"], float(key["given"]), label, reader, key["part"])


def _label(text: str, where: str) -> int:
    value = _NUMBERS.get(text.removesuffix(".0"), WORDS.get(text.casefold()))
    if value is None:
        raise ValueError(f"{where}: label {text!r} must be 1, 0, -1 (uncertain), or empty if it was not read.")
    return value


def _changed(item: Item, rereads: Sequence[Reread], findings: Sequence[str], counts: Counter[str]) -> Item:
    if not rereads:
        return item
    label = list(item.label)
    for each in rereads:
        if each.finding not in findings:
            raise ValueError(f"{item.image}: the datalist has no finding {each.finding!r}, which was read again.")
        column = findings.index(each.finding)
        if label[column] != each.given:
            raise ValueError(
                f"{item.image}: {each.finding} is labelled {label[column]:g}, but {each.given:g} was doubted; apply "
                "the list to the datalist that was audited."
            )
        label[column] = float(each.label)
        item = _relocated(item, each, counts)
    by_reader: dict[str, list[str]] = {}
    for each in rereads:
        by_reader.setdefault(each.reader, []).append(each.finding)
    sources = [f"{', '.join(sorted(names))} read again by {reader}" for reader, names in sorted(by_reader.items())]
    return replace(item, label=tuple(label), source="; ".join(filter(None, [item.source, *sources])))


def _relocated(item: Item, each: Reread, counts: Counter[str]) -> Item:
    located = each.finding in item.mask or any(box.finding == each.finding for box in item.boxes)
    if each.label != PRESENT and located:
        counts["left out: locations of findings that are not present when read again"] += 1
        boxes = tuple(box for box in item.boxes if box.finding != each.finding)
        item = replace(item, boxes=boxes, mask={name: mask for name, mask in item.mask.items() if name != each.finding})
    elif located or each.finding not in item.annotated:
        return item
    if each.label == ABSENT:
        return item  # located nowhere, as it should be
    return replace(item, annotated=tuple(name for name in item.annotated if name != each.finding))
