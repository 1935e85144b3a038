"""A datalist with some of its findings or some of its items only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from app.datalist.item import Datalist, Item
from app.datalist.people import caseless, normalised
from app.datalist.stored_images import with_counts
from app.findings import ABSENT, NO_FINDING, PRESENT, UNCERTAIN, canonical, require_known

Normals = int | Literal["equal", "all"]
"""So many images without any finding: a number, as many as there are others, or all of them."""


def choose_findings(datalist: Datalist, findings: Sequence[str]) -> Datalist:
    """The same items with labels, boxes, masks and annotations of the chosen findings, in the chosen order.

    Args:
        datalist: its items are left as they are.
        findings: names in any spelling that the vocabulary knows, each one of the datalist's findings.

    Raises:
        ValueError: a finding that the datalist does not have, or one named twice.
    """
    chosen = _named(datalist, findings)
    places = [datalist.findings.index(name) for name in chosen]
    wanted = frozenset(chosen)
    labels: dict[tuple[float, ...], tuple[float, ...]] = {}
    sections = {
        section: [_with_findings(item, places, wanted, labels) for item in items]
        for section, items in datalist.sections.items()
    }
    return replace(datalist, findings=chosen, sections=sections)


def _with_findings(
    item: Item, places: list[int], wanted: frozenset[str], labels: dict[tuple[float, ...], tuple[float, ...]]
) -> Item:
    if item.label not in labels:
        labels[item.label] = tuple(item.label[place] for place in places)
    return replace(
        item,
        label=labels[item.label],
        boxes=tuple(box for box in item.boxes if box.finding in wanted) if item.boxes else (),
        mask={finding: mask for finding, mask in item.mask.items() if finding in wanted} if item.mask else item.mask,
        annotated=tuple(finding for finding in item.annotated if finding in wanted) if item.annotated else (),
    )


def only_with(datalist: Datalist, findings: Sequence[str], normals: Normals, seed: int) -> Datalist:
    """The items on which some of these findings are present and no other one is, and items without any finding.

    Source: Kim et al. 2022, "radiographs labeled only with nodule or mass. In addition, an equal number of normal cases
    were selected at random".

    Args:
        datalist: with all its findings: which others are present must be known still.
        findings: names in any spelling that the vocabulary knows.
        normals: how many of the items on which every finding is absent (or "No Finding" is present), drawn at random:
            ``equal`` as many as there are others, section by section; ``all``; or a number over all sections.
        seed: of that draw.

    Returns:
        A new datalist; the counts in its provenance tell what was left out and why. An item of which it is uncertain,
        or not said, whether it belongs to either kind is left out.

    Raises:
        ValueError: an unknown finding or one named twice, no such item, or fewer normal ones than asked for.
    """
    wanted = frozenset(_named(datalist, findings))
    kinds = {id(item): _kind(item, datalist.findings, wanted) for items in datalist.sections.values() for item in items}
    chosen, normal = (
        {section: [i for i in items if kinds[id(i)] == kind] for section, items in datalist.sections.items()}
        for kind in ("chosen", "normal")
    )
    count = sum(map(len, chosen.values()))
    if not count:
        raise ValueError(f"{datalist.name}: on no image is {' or '.join(findings)} present and nothing else.")
    drawn = _drawn_normals(datalist.name, normal, chosen, normals, seed)
    sections = {
        section: [item for item in items if kinds[id(item)] == "chosen" or item.image in drawn]
        for section, items in datalist.sections.items()
    }
    every = list(kinds.values())
    named = " or ".join(findings)
    made = replace(datalist, sections=sections)
    made.description = f"{datalist.description} Only images with {named} alone, and {len(drawn)} without findings."
    return with_counts(
        made,
        {
            f"images with {named} alone": count,
            "images without any finding, drawn at random": len(drawn),
            "left out: images with other findings": every.count("other"),
            "left out: images of which it is not known": every.count("unknown"),
            "left out: images without any finding that were not drawn": every.count("normal") - len(drawn),
        },
    )


def _drawn_normals(
    name: str, normal: dict[str, list[Item]], chosen: dict[str, list[Item]], normals: Normals, seed: int
) -> set[str]:
    """Names of the images that are drawn; the order of the items does not matter."""
    whole = sorted(item.image for items in normal.values() for item in items)
    if normals == "all":
        return set(whole)
    pools = [(whole, normals)] if isinstance(normals, int) else []
    pools = pools or [(sorted(item.image for item in normal[part]), len(chosen[part])) for part in chosen]
    drawn: set[str] = set()
    generator = random.Random(seed)
    for pool, count in pools:
        if not 0 <= count <= len(pool):
            raise ValueError(f"{name}: {count} images without any finding asked, but there are {len(pool)}.")
        drawn.update(generator.sample(pool, count))
    return drawn


def _kind(item: Item, findings: Sequence[str], wanted: frozenset[str]) -> str:
    labels = dict(zip(findings, item.label, strict=True))
    says_none = labels.pop(NO_FINDING, ABSENT) == PRESENT
    others = [value for finding, value in labels.items() if finding not in wanted]
    if any(value > 0.5 for value in others):
        return "other"
    if any(value == UNCERTAIN or value > 0 for value in others):
        return "unknown"
    inside = [labels[finding] for finding in wanted if finding in labels]
    if any(value > 0.5 for value in inside):
        return "chosen"
    if all(value == ABSENT for value in labels.values()):
        return "normal"
    return "normal" if says_none and not any(value == UNCERTAIN or value > 0 for value in inside) else "unknown"


def _named(datalist: Datalist, findings: Sequence[str]) -> tuple[str, ...]:
    """Findings by the datalist's names, each known and named once."""
    names = tuple(name if name in datalist.findings else canonical(name) or name for name in findings)
    require_known(names, datalist.findings, datalist.name)
    if len(set(names)) != len(names):
        raise ValueError(f"{datalist.name}: a finding is named twice in {', '.join(findings)}.")
    return names


def first_of_studies(datalist: Datalist) -> Datalist:
    """The first image of each study, in the order of the datalist; an item without a study is a study of its own."""
    seen: set[tuple[str, str]] = set()
    sections: dict[str, list[Item]] = {}
    for section, items in datalist.sections.items():
        sections[section] = kept = []
        for item in items:
            study = (item.patient, item.study)
            if not item.study or study not in seen:
                seen.add(study)
                kept.append(item)
    return _fewer(datalist, sections, "left out: images of a study beside its first")


def with_views(datalist: Datalist, views: Sequence[str], keep: bool) -> Datalist:
    """The items of some views alone or, where not ``keep``, all others."""
    sections = {
        section: [item for item in items if (item.view in views) == keep]
        for section, items in datalist.sections.items()
    }
    return _fewer(datalist, sections, "left out: images of other views")


def _fewer(datalist: Datalist, sections: dict[str, list[Item]], what: str) -> Datalist:
    left_out = sum(map(len, datalist.sections.values())) - sum(map(len, sections.values()))
    return with_counts(replace(datalist, sections=sections), {what: left_out})


def without_patients(datalist: Datalist, others: Sequence[Datalist]) -> Datalist:
    """A datalist without every image of a patient who is in one of the others; sections stay.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", 3.1: "excluding these
    expert-annotated images, as well as any images of the same patients". Patients are compared as
    :func:`app.datalist.people.normalised` writes them: the datalists must use the same pseudonyms.

    Returns:
        A new datalist; the counts in its provenance tell how many images and patients went, and of how many that stay
        the name differs from one that went in capitals alone.

    Raises:
        ValueError: nothing is left.
    """
    gone = {normalised(item.patient) for other in others for items in other.sections.values() for item in items}
    sections = {
        section: [item for item in items if normalised(item.patient) not in gone]
        for section, items in datalist.sections.items()
    }
    names = " and ".join(dict.fromkeys(other.name for other in others))
    if not any(sections.values()):
        raise ValueError(f"{datalist.name}: nothing is left, all of its patients are in {names}.")
    before, after = (
        {normalised(item.patient) for items in part.values() for item in items}
        for part in (datalist.sections, sections)
    )
    folded = set(map(caseless, gone))
    alike = sum(caseless(patient) in folded for patient in after)
    left_out = sum(map(len, datalist.sections.values())) - sum(map(len, sections.values()))
    counts = {
        f"left out: images of patients who are in {names}": left_out,
        f"left out: patients who are in {names}": len(before - after),
    }
    if alike:
        counts["kept: patients whose name differs in capitals alone from one left out"] = alike
    made = replace(datalist, sections=sections)
    made.description = f"{datalist.description} Without the patients of {names}.".strip()
    return with_counts(made, counts)
