"""Split a datalist by patient, every finding evenly at once, or into folds; the same seed gives the same split."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from app.datalist.fingerprint import split_fingerprint
from app.datalist.item import SECTIONS, Datalist, Item
from app.datalist.people import normalised
from app.findings import PRESENT

Shares = tuple[float, float, float]
DEFAULT_SHARES: Shares = (0.7, 0.1, 0.2)


def complete_split(datalist: Datalist, shares: Shares | None, seed: int) -> Datalist:
    """What a newly built datalist needs: asked shares over all items, else what the data set's own sections leave open.

    Without ``shares``, a data set that has only a training section is split by ``DEFAULT_SHARES``; one with a test
    section but no validation section gets one from its training section; any other stays as it is. Shares of ``0, 0,
    1`` put all into test.
    """
    training, validation, test = (datalist.sections.get(section, []) for section in SECTIONS)
    keeps_test = shares is None or shares[0] + shares[1] > 0
    if test and training and not validation and keeps_test:
        return split_rest(datalist, shares or DEFAULT_SHARES, seed)
    if shares is not None or not (validation or test):
        return split(datalist, shares or DEFAULT_SHARES, seed)
    return _with_sections(datalist, datalist.sections, {"method": "the data set's own"})


def require_shares(shares: Sequence[float]) -> None:
    """Raise where shares are not those of training, validation and test.

    Any may be 0, such as two of an external test set's, but together they are 1.

    Raises:
        ValueError: not three, one that is no number from 0 to 1, or a sum that is not 1.
    """
    if len(shares) != len(SECTIONS) or not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"split {','.join(f'{share:g}' for share in shares)}: must be three shares from 0 to 1, for training, "
            "validation and test, together 1, such as 0.7,0.1,0.2, or 0,0,1 for test alone."
        )


def split(datalist: Datalist, shares: Shares, seed: int) -> Datalist:
    """Share all items out anew among training, validation and test, whole patients at a time.

    Args:
        datalist: its present sections do not matter.
        shares: of the images, for training, validation and test; see :func:`require_shares`.
        seed: another one gives another split; the order of the items does not matter.

    Returns:
        A new datalist; its provenance tells method, shares, seed and fingerprint of the split.
    """
    require_shares(shares)
    parts = assign(_all_items(datalist), shares, seed)
    facts = {
        "method": "by patient, stratified over findings, locations and views",
        "shares": list(shares),
        "seed": seed,
    }
    return _with_sections(datalist, dict(zip(SECTIONS, parts, strict=True)), facts)


def split_rest(datalist: Datalist, shares: Shares, seed: int) -> Datalist:
    """Keep a given test section and share the rest out between training and validation, in their proportion.

    Raises:
        ValueError: shares that make no sense, or of which neither training nor validation has any.
    """
    require_shares(shares)
    training, validation, _ = shares
    if not training + validation:
        raise ValueError(f"{datalist.name}: with shares of 0 for training and validation, nothing can have the rest.")
    rest = [*datalist.sections["training"], *datalist.sections["validation"]]
    parts = assign(rest, (training / (training + validation), validation / (training + validation)), seed)
    sections = {"training": parts[0], "validation": parts[1], "test": datalist.sections["test"]}
    facts = {"method": "given test section, the rest by patient, stratified over findings, locations and views"}
    return _with_sections(datalist, sections, facts | {"shares": list(shares[:2]), "seed": seed})


def folds(datalist: Datalist, k: int, located_only: bool, extra_share: float, seed: int) -> list[Datalist]:
    """Folds for cross-validation, one datalist a fold, whole patients at a time and stratified over findings.

    Source: the protocol of Rozenberg et al., "Localization with Limited Annotation for Chest X-rays": five folds over
    the images with boxes; trained on four of them with 0% or 20% of all other images, evaluated on the fifth.

    Args:
        datalist: its present sections do not matter.
        k: number of folds, 2 or more.
        located_only: whether folds are made of the items with a box or a mask alone. The others then go nowhere but
            for ``extra_share`` of them, which every fold's training gets.
        extra_share: 0 to 1; needs ``located_only``. Patients of the test fold are left out of that fold's extra items.
        seed: gives folds and extra items.

    Returns:
        k datalists with ``training`` and ``test``. The tests are disjoint and cover all (located) items.
    """
    if k < 2:
        raise ValueError(f"{k} folds: must be 2 or more.")
    if not 0 <= extra_share <= 1 or (extra_share and not located_only):
        raise ValueError(
            f"extra share {extra_share:g}: must be in [0, 1], and is of the items that are not located, where folds "
            "are of those that are."
        )
    items = _all_items(datalist)
    inside = [item for item in items if is_located(item)] if located_only else items
    extra = _random_share([item for item in items if not is_located(item)], extra_share, seed)
    parts = assign(inside, (1 / k,) * k, seed)
    if not all(parts):
        kind = "items with a box or a mask" if located_only else "items"
        count = len({normalised(item.patient) for item in inside})
        raise ValueError(f"{datalist.name}: {len(inside)} {kind} of {count} patients are too few for {k} folds.")
    made = []
    for fold, test in enumerate(parts):
        patients = {normalised(item.patient) for item in test}
        training = [item for other, part in enumerate(parts) if other != fold for item in part]
        training += [item for item in extra if normalised(item.patient) not in patients]
        facts = {
            "method": "folds by patient, stratified over findings, locations and views",
            "fold": fold,
            "folds": k,
            "seed": seed,
        }
        facts |= {"located_only": located_only, "extra_share": extra_share}
        made.append(_with_sections(datalist, {"training": training, "validation": [], "test": test}, facts))
    return made


def with_validation(datalist: Datalist, share: float, seed: int) -> Datalist:
    """A datalist without validation section, such as a fold, with a share of its training items for it, by patient.

    Raises:
        ValueError: a share outside (0, 1), or too few patients.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation share {share:g}: must be above 0 and below 1.")
    training, validation = assign(datalist.sections["training"], (1 - share, share), seed)
    if not training or not validation:
        raise ValueError(f"{datalist.name}: too few patients in training for a validation share of {share:g}.")
    facts = datalist.provenance.get("split", {})
    facts = {**(facts if isinstance(facts, dict) else {}), "validation_share": share}
    return _with_sections(datalist, {**datalist.sections, "training": training, "validation": validation}, facts)


def is_located(item: Item) -> bool:
    """Whether somebody drew where a finding is."""
    return bool(item.boxes or item.mask)


def assign(items: Iterable[Item], shares: Sequence[float], seed: int) -> list[list[Item]]:
    """Share items out, whole patients at a time, so that every part gets its share of every finding.

    A patient is whoever :func:`app.datalist.people.normalised` makes one: "1" and "1 " stay together.

    Source: iterative stratification, Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data"
    (2011), algorithm 1: the finding with the fewest items left is dealt out first, each patient to the part that lacks
    most of it. Departures: patients are dealt, not items, those with most items first; what a part lacks is measured
    relative to its share, so that large and small parts fill at one pace; locations and views are dealt like findings.

    Returns:
        One list of items a share, each in the items' order.
    """
    items = list(items)
    counts = _counts_by_patient(items)
    order = sorted(counts)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda patient: -counts[patient][0])
    part_of = _deal(order, counts, shares)
    parts: list[list[Item]] = [[] for _ in shares]
    for item in items:
        parts[part_of[normalised(item.patient)]].append(item)
    return parts


def _counts_by_patient(items: Sequence[Item]) -> dict[str, list[int]]:
    """Per patient: items, then items of each stratum: finding present, finding located or nowhere, view."""
    place: dict[tuple[str, object], int] = {}
    strata_of = [_strata(item) for item in items]
    for stratum in sorted({stratum for strata in strata_of for stratum in strata}, key=str):
        place[stratum] = 1 + len(place)
    counts: dict[str, list[int]] = {}
    for item, strata in zip(items, strata_of, strict=True):
        count = counts.setdefault(normalised(item.patient), [0] * (1 + len(place)))
        count[0] += 1
        for stratum in strata:
            count[place[stratum]] += 1
    return counts


def _strata(item: Item) -> list[tuple[str, object]]:
    """What an item counts for, beside itself."""
    strata: list[tuple[str, object]] = [("present", at) for at, value in enumerate(item.label) if value == PRESENT]
    if item.view:
        strata.append(("view", item.view))
    if item.annotated:
        located = {*(box.finding for box in item.boxes), *item.mask}
        strata += [("located" if finding in located else "nowhere", finding) for finding in item.annotated]
    return strata


def _deal(order: list[str], counts: dict[str, list[int]], shares: Sequence[float]) -> dict[str, int]:
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    left = list(totals)
    # lacking[part][stratum]: 1 where the part has nothing of its share yet, 0 where it is full.
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
        # Stratum 0, the items themselves, comes last: it then evens out the sizes of the parts.
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


def _random_share(items: list[Item], share: float, seed: int) -> list[Item]:
    chosen = set(random.Random(seed).sample(range(len(items)), round(share * len(items))))
    return [item for index, item in enumerate(items) if index in chosen]


def _all_items(datalist: Datalist) -> list[Item]:
    """Every item, in the order of their images: the order of the file then has no say."""
    return sorted((item for items in datalist.sections.values() for item in items), key=lambda item: item.image)


def _with_sections(datalist: Datalist, sections: dict[str, list[Item]], facts: dict[str, object]) -> Datalist:
    made = replace(datalist, sections=sections)
    facts["fingerprint"] = split_fingerprint(made)
    made.provenance = datalist.provenance | {"split": facts}
    return made
