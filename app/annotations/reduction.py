"""Less of an annotation: fewer patients, images or locations, or uncertain labels.

With one seed, what a smaller share keeps or loses is part of what a larger one does. Sections that are not named stay
as they are, so that measurements stay comparable.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from app.datalist.item import Datalist, Item
from app.datalist.people import normalised
from app.findings import ABSENT, PRESENT, UNCERTAIN

TRAINING = ("training",)


def share_of_patients(datalist: Datalist, share: float, seed: int, sections: Sequence[str] = TRAINING) -> Datalist:
    """A random share of the patients of each section.

    Args:
        datalist: A datalist.
        share: Above 0, at most 1; at least one patient stays.
        seed: Seed of the draw. With one seed, the patients of a smaller share are among those of a larger one.
        sections: The sections to change.

    Raises:
        ValueError: The share is out of range, or a section is unknown or empty.

    Example:
        >>> datalist = Datalist.unsplit("wards", ("Nodule",), [Item(f"{n}.png", str(n), (0,)) for n in range(10)])
        >>> len(share_of_patients(datalist, 0.3, seed=0).sections["training"])
        3
    """
    if not 0 < share <= 1:
        raise ValueError(f"share of patients {share:g}: must be above 0 and at most 1.")
    changed = {}
    for name in sections:
        items = section_of(datalist, name)
        patients = _shuffled({normalised(item.patient) for item in items}, seed)
        chosen = frozenset(patients[: max(1, round(share * len(patients)))])
        changed[name] = [item for item in items if normalised(item.patient) in chosen]
    step = {"to": f"{share:g} of the patients", "sections": list(sections), "seed": seed}
    return degraded(datalist, changed, step)


def first_images(datalist: Datalist, count: int, seed: int) -> Datalist:
    """A number of training images, patient by patient in random order; the last patient's images may be cut.

    Raises:
        ValueError: The count is below 1, or larger than the training section.
    """
    training = section_of(datalist, "training")
    if type(count) is not int or not 1 <= count <= len(training):
        raise ValueError(f"images: {count!r} asked; {datalist.name} has 1 to {len(training)} in training.")
    chosen = in_random_order(training, seed)[:count]
    return _with_training(datalist, sorted(chosen, key=lambda item: item.image), f"{count} training images", seed)


def without_locations(datalist: Datalist, share: float, seed: int) -> Datalist:
    """Remove the locations of a share of the annotated training images; their labels stay.

    Raises:
        ValueError: The share is not from 0 to 1.
    """
    _require_share("unannotated", share)
    training = section_of(datalist, "training")
    annotated = [item for item in in_random_order(training, seed) if item.annotated or item.is_located]
    losing = {item.image for item in annotated[: round(share * len(annotated))]}
    items = [replace(item, boxes=(), mask={}, annotated=()) if item.image in losing else item for item in training]
    return _with_training(datalist, items, f"{len(losing)} of {len(annotated)} images without their location", seed)


def with_uncertain(datalist: Datalist, share: float, present: float | None, seed: int) -> Datalist:
    """Make a share of each finding's known training labels uncertain, and remove the locations of such findings.

    Args:
        datalist: A datalist; labels other than 1 and 0 stay as they are.
        share: Share of the known labels, from 0 to 1. With one seed, those of a smaller share are among those of a
            larger one.
        present: The share of them that was 1; None draws from all labels alike.
        seed: Seed of the draw, finding by finding.

    Raises:
        ValueError: A share is not from 0 to 1, or there are too few labels of a kind.
    """
    _require_share("uncertain: share", share)
    if present is not None:
        _require_share("uncertain: present", present)
    training = section_of(datalist, "training")
    order = sorted(training, key=lambda item: item.image)
    uncertain: dict[str, set[str]] = {item.image: set() for item in order}
    for index, finding in enumerate(datalist.findings):
        by_label = {value: [i.image for i in order if i.label[index] == value] for value in (PRESENT, ABSENT)}
        for image in _drawn_uncertain(by_label, share, present, f"{seed} {finding} uncertain", finding):
            uncertain[image].add(finding)
    items = [_made_uncertain(item, datalist.findings, uncertain[item.image]) for item in training]
    of_them = "" if present is None else f", {present:g} of them present"
    return _with_training(datalist, items, f"{share:g} of the known labels uncertain{of_them}", seed)


def in_random_order(items: Sequence[Item], seed: int) -> list[Item]:
    """Items patient by patient, in a random order of the patients that depends on the seed alone."""
    patients = _shuffled({normalised(item.patient) for item in items}, seed)
    rank = {patient: number for number, patient in enumerate(patients)}
    return sorted(items, key=lambda item: (rank[normalised(item.patient)], item.image))


def section_of(datalist: Datalist, name: str) -> list[Item]:
    """The items of a section that is to be changed.

    Raises:
        ValueError: There is no such section, or it is empty.
    """
    if name not in datalist.sections:
        raise ValueError(f"{datalist.name}: no section {name!r}; there are {', '.join(datalist.sections)}.")
    if not datalist.sections[name]:
        filled = ", ".join(section for section, items in datalist.sections.items() if items) or "none"
        raise ValueError(f"{datalist.name}: section {name!r} holds no item to change (those that hold any: {filled}).")
    return datalist.sections[name]


def degraded(datalist: Datalist, changed: Mapping[str, list[Item]], step: dict[str, object]) -> Datalist:
    """A datalist with changed sections, and the step in its description and provenance, which tracking logs."""
    before = datalist.provenance.get("degraded", [])
    steps = [*(before if isinstance(before, list) else []), step]
    kept = {item.image for items in ({**datalist.sections, **changed}).values() for item in items}
    if len(kept) < len(datalist.items()):
        reason = f"images not drawn: {step['to']}"
        datalist = datalist.leaving_out(lambda item: "" if item.image in kept else reason, [reason])
    return replace(
        datalist,
        sections={**datalist.sections, **changed},
        description=f"{datalist.description} Made cheaper in {', '.join(changed)}: {step['to']}.".strip(),
        provenance=datalist.provenance | {"degraded": steps},
    )


def _with_training(datalist: Datalist, items: list[Item], words: str, seed: int) -> Datalist:
    step: dict[str, object] = {"to": words, "sections": ["training"], "seed": seed}
    reduced = degraded(datalist, {"training": items}, step)
    reduced.description = f"{datalist.description} Training: {words}.".strip()
    return reduced


def _drawn_uncertain(
    by_label: Mapping[int, list[str]], share: float, present: float | None, seed: str, finding: str
) -> list[str]:
    known = [image for images in by_label.values() for image in images]
    count = round(share * len(known))
    if present is None:
        return _shuffled(known, seed)[:count]
    positives = round(present * count)
    drawn = []
    for value, wanted in ((PRESENT, positives), (ABSENT, count - positives)):
        if wanted > len(by_label[value]):
            raise ValueError(
                f"uncertain: {wanted} labels {value} of {finding} asked, but there are {len(by_label[value])}."
            )
        drawn += _shuffled(by_label[value], f"{seed} {value}")[:wanted]
    return drawn


def _made_uncertain(item: Item, findings: Sequence[str], uncertain: set[str]) -> Item:
    if not uncertain:
        return item
    label = zip(findings, item.label, strict=True)
    return replace(
        item,
        label=tuple(UNCERTAIN if name in uncertain else value for name, value in label),
        boxes=tuple(box for box in item.boxes if box.finding not in uncertain),
        mask={name: mask for name, mask in item.mask.items() if name not in uncertain},
        annotated=tuple(name for name in item.annotated if name not in uncertain),
    )


def _shuffled(names: Iterable[str], seed: int | str) -> list[str]:
    ordered = sorted(names)
    random.Random(seed).shuffle(ordered)
    return ordered


def _require_share(what: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"{what}: {share!r} must be a share from 0 to 1.")
