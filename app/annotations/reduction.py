"""Training sections of which less is known: fewer images, fewer locations, labels that became uncertain.

``app.annotations.levels`` changes the level of all annotations instead. With one seed, what a smaller share keeps
or loses is a part of what a larger one does; the other sections stay, so that what is measured stays what it was.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.datalist.item import Datalist, Item
from app.datalist.people import normalised
from app.datalist.splitting import is_located
from app.findings import ABSENT, PRESENT, UNCERTAIN

TRAINING = ("training",)


def share_of_patients(datalist: Datalist, share: float, seed: int, sections: Sequence[str] = TRAINING) -> Datalist:
    """A datalist with a share of the patients of each section, drawn at random.

    With one seed, the patients of a smaller share are among those of a larger one.

    Args:
        datalist: as read.
        share: above 0, at most 1; at least one patient stays.
        seed: of the draw.
        sections: those to change.

    Raises:
        ValueError: a share outside that, or an unknown section.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share of patients {share:g}: must be above 0 and at most 1.")
    changed = {}
    for name in sections:
        items = section_of(datalist, name)
        patients = shuffled_patients(items, seed)
        kept = frozenset(patients[: max(1, round(share * len(patients)))])
        changed[name] = [item for item in items if normalised(item.patient) in kept]
    step = {"to": f"{share:g} of the patients", "sections": list(sections), "seed": seed}
    return degraded(datalist, changed, step)


def first_images(datalist: Datalist, count: int, seed: int) -> Datalist:
    """So many training images, patient by patient in random order; with one seed, fewer are part of more.

    The images of the last patient may be cut.

    Raises:
        ValueError: fewer than 1, or more than there are.
    """
    training = section_of(datalist, "training")
    if type(count) is not int or not 1 <= count <= len(training):
        raise ValueError(f"images: {count!r} asked; {datalist.name} has 1 to {len(training)} in training.")
    kept = _in_random_order(training, seed)[:count]
    return _with_training(datalist, sorted(kept, key=lambda item: item.image), f"{count} training images", seed)


def without_locations(datalist: Datalist, share: float, seed: int) -> Datalist:
    """A share of the training images with an annotated location loses it and keeps its labels; nested by share.

    Raises:
        ValueError: a share outside [0, 1].
    """
    _require_share("unannotated", share)
    training = section_of(datalist, "training")
    annotated = [item for item in _in_random_order(training, seed) if item.annotated or is_located(item)]
    losing = {item.image for item in annotated[: round(share * len(annotated))]}
    items = [replace(item, boxes=(), mask={}, annotated=()) if item.image in losing else item for item in training]
    return _with_training(datalist, items, f"{len(losing)} of {len(annotated)} images without their location", seed)


def with_uncertain(datalist: Datalist, share: float, present: float | None, seed: int) -> Datalist:
    """A share of each finding's known training labels becomes uncertain; the locations of such findings go.

    Args:
        datalist: labels other than 1 and 0 stay as they are.
        share: of the known labels, in [0, 1]; with one seed, those of a smaller share are among those of a larger one.
        present: share of them that was 1; None draws from all alike.
        seed: of the draw, finding by finding.

    Raises:
        ValueError: a share outside [0, 1], or more labels of a kind asked than there are.
    """
    _require_share("uncertain: share", share)
    if present is not None:
        _require_share("uncertain: present", present)
    training = section_of(datalist, "training")
    order = sorted(training, key=lambda item: item.image)
    unsure: dict[str, set[str]] = {item.image: set() for item in order}
    for place, finding in enumerate(datalist.findings):
        by_label = {value: [i.image for i in order if i.label[place] == value] for value in (PRESENT, ABSENT)}
        for image in _drawn_uncertain(by_label, share, present, f"{seed} {finding} uncertain", finding):
            unsure[image].add(finding)
    items = [_unsure(item, datalist.findings, unsure[item.image]) for item in training]
    told = "" if present is None else f", {present:g} of them present"
    return _with_training(datalist, items, f"{share:g} of the known labels uncertain{told}", seed)


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


def _unsure(item: Item, findings: Sequence[str], unsure: set[str]) -> Item:
    if not unsure:
        return item
    return replace(
        item,
        label=tuple(UNCERTAIN if name in unsure else value for name, value in zip(findings, item.label, strict=True)),
        boxes=tuple(box for box in item.boxes if box.finding not in unsure),
        mask={name: mask for name, mask in item.mask.items() if name not in unsure},
        annotated=tuple(name for name in item.annotated if name not in unsure),
    )


def _with_training(datalist: Datalist, items: list[Item], words: str, seed: int) -> Datalist:
    """With another training section, and the step told where ``frugal degrade`` tells its own."""
    before = datalist.provenance.get("degraded", [])
    step = {"to": words, "sections": ["training"], "seed": seed}
    return replace(
        datalist,
        sections={**datalist.sections, "training": items},
        description=f"{datalist.description} Training: {words}.".strip(),
        provenance=datalist.provenance | {"degraded": [*(before if isinstance(before, list) else []), step]},
    )


def _in_random_order(items: Sequence[Item], seed: int) -> list[Item]:
    """Patient by patient, as ``app.annotations.levels`` draws them."""
    patients = _shuffled({normalised(item.patient) for item in items}, seed)
    rank = {patient: place for place, patient in enumerate(patients)}
    return sorted(items, key=lambda item: (rank[normalised(item.patient)], item.image))


def _shuffled(names: Sequence[str] | set[str], seed: int | str) -> list[str]:
    ordered = sorted(names)
    random.Random(seed).shuffle(ordered)
    return ordered


def _require_share(what: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"{what}: {share!r} must be a share from 0 to 1.")


def section_of(datalist: Datalist, name: str) -> list[Item]:
    """The items of a section that is to be changed.

    Raises:
        ValueError: there is no such section, or nothing in it.
    """
    if name not in datalist.sections:
        raise ValueError(f"{datalist.name}: no section {name!r}; there are {', '.join(datalist.sections)}.")
    if not datalist.sections[name]:
        filled = ", ".join(section for section, items in datalist.sections.items() if items) or "none"
        raise ValueError(f"{datalist.name}: section {name!r} holds no item to change (those that hold any: {filled}).")
    return datalist.sections[name]


def shuffled_patients(items: Sequence[Item], seed: int) -> list[str]:
    """The patients of items in random order, which follows from the seed alone."""
    patients = sorted({normalised(item.patient) for item in items})
    random.Random(seed).shuffle(patients)
    return patients


def degraded(datalist: Datalist, changed: Mapping[str, list[Item]], step: dict[str, object]) -> Datalist:
    """With the changed sections, and the step in description and provenance, where tracking finds it."""
    before = datalist.provenance.get("degraded", [])
    steps = [*(before if isinstance(before, list) else []), step]
    where = ", ".join(changed)
    return replace(
        datalist,
        sections={**datalist.sections, **changed},
        description=f"{datalist.description} Made cheaper in {where}: {step['to']}.".strip(),
        provenance=datalist.provenance | {"degraded": steps},
    )
