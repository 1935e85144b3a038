"""Share items out by patient so that every part gets its share of every finding."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from app.datalist.item import Item
from app.datalist.people import normalised
from app.findings import PRESENT


def stratified(items: Iterable[Item], shares: Sequence[float], seed: int) -> list[list[Item]]:
    """Share items out, whole patients at a time, so that every part gets its share of every finding.

    Patients are compared as :func:`app.datalist.people.normalised` writes them: "1" and "1 " are one.

    Source: iterative stratification, Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data"
    (2011), algorithm 1: the finding with the fewest items left is distributed first, each patient to the part that
    lacks most of it. Departures: patients are distributed, not items, those with most items first; what a part lacks is
    relative to its share, so that large and small parts fill at the same pace; locations and views count like findings.

    Returns:
        One list of items per share, each in the items' order.

    Example:
        >>> items = [Item(f"{number}.png", str(number // 2), (number // 2 % 2,)) for number in range(8)]
        >>> [[item.patient for item in part] for part in stratified(items, (0.5, 0.5), seed=0)]
        [['1', '1', '2', '2'], ['0', '0', '3', '3']]
    """
    items = list(items)
    counts = _counts_by_patient(items)
    order = sorted(counts)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda patient: -counts[patient][0])
    part_of = _distribute(order, counts, shares)
    parts: list[list[Item]] = [[] for _ in shares]
    for item in items:
        parts[part_of[normalised(item.patient)]].append(item)
    return parts


def _counts_by_patient(items: Sequence[Item]) -> dict[str, list[int]]:
    """By patient: items, then items of each stratum (finding present, finding located or nowhere, view)."""
    strata_of = [_strata(item) for item in items]
    strata = sorted({stratum for strata in strata_of for stratum in strata}, key=str)
    column = {stratum: number for number, stratum in enumerate(strata, start=1)}
    counts: dict[str, list[int]] = {}
    for item, own in zip(items, strata_of, strict=True):
        count = counts.setdefault(normalised(item.patient), [0] * (1 + len(column)))
        count[0] += 1
        for stratum in own:
            count[column[stratum]] += 1
    return counts


def _strata(item: Item) -> list[tuple[str, object]]:
    strata: list[tuple[str, object]] = [("present", at) for at, value in enumerate(item.label) if value == PRESENT]
    if item.view:
        strata.append(("view", item.view))
    if item.annotated:
        located = {*(box.finding for box in item.boxes), *item.mask}
        strata += [("located" if finding in located else "nowhere", finding) for finding in item.annotated]
    return strata


def _distribute(order: list[str], counts: dict[str, list[int]], shares: Sequence[float]) -> dict[str, int]:
    """The part of each patient."""
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    left = list(totals)
    # lacking[part][stratum] is 1 while the part has nothing of its share, and 0 when it is full.
    scale = [[1 / (share * total) if share * total else 0.0 for total in totals] for share in shares]
    lacking = [[1.0 if weight else 0.0 for weight in weights] for weights in scale]
    open_parts = [part for part, share in enumerate(shares) if share > 0]
    part_of: dict[str, int] = {}
    holders: dict[int, list[str]] = defaultdict(list)
    for patient in order:
        for stratum, count in enumerate(counts[patient]):
            if count:
                holders[stratum].append(patient)
    while any(left):
        # Stratum 0, the items themselves, comes last and evens out the sizes of the parts.
        stratum = min((index for index, count in enumerate(left) if count), key=lambda index: (index == 0, left[index]))
        for patient in holders[stratum]:
            if patient in part_of:
                continue
            part = max(open_parts, key=lambda part: (lacking[part][stratum], lacking[part][0]))
            part_of[patient] = part
            for index, count in enumerate(counts[patient]):
                if count:
                    left[index] -= count
                    lacking[part][index] -= count * scale[part][index]
    return part_of
