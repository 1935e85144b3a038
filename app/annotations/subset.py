"""Some of the items of a datalist."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from app.datalist.choosing import named_findings
from app.datalist.item import Datalist, Item
from app.datalist.people import caseless, normalised
from app.findings import ABSENT, NO_FINDING, PRESENT, UNCERTAIN

Normals = int | Literal["equal", "all"]
"""How many images without any finding: a number, as many as there are others, or all of them."""


def only_with(datalist: Datalist, findings: Sequence[str], normals: Normals, seed: int) -> Datalist:
    """The items on which only some of these findings are present, and items without any finding.

    Source: Kim et al. 2023, "radiographs labeled only with nodule or mass. In addition, an equal number of normal cases
    were selected at random".

    Args:
        datalist: With all its findings, as all must be absent but these.
        findings: Names in any spelling that the vocabulary knows.
        normals: How many of the items on which every finding is absent (or "No Finding" is present) to draw: ``equal``,
            as many as there are others, section by section; ``all``; or a number over all sections.
        seed: Seed of that draw.

    Returns:
        A new datalist, whose provenance counts what was left out and why. An item is left out if it is uncertain or not
        said whether it is of either kind.

    Raises:
        ValueError: A finding is unknown or named twice, there is no such item, or there are too few normal ones.
    """
    wanted = frozenset(named_findings(datalist, findings))
    kinds = {item.image: _kind(item, datalist.findings, wanted) for item in datalist.items()}
    chosen = datalist.filtered(lambda item: kinds[item.image] == "chosen")
    normal = datalist.filtered(lambda item: kinds[item.image] == "normal")
    names = " or ".join(findings)
    if not chosen.items():
        raise ValueError(f"{datalist.name}: on no image is {names} present and nothing else.")
    drawn = _drawn_normals(normal, chosen, normals, seed)
    reasons = {
        "other": "images with other findings",
        "unknown": "images of which it is not known",
        "normal": "images without any finding that were not drawn",
    }
    result = datalist.leaving_out(
        lambda item: "" if item.image in drawn else reasons.get(kinds[item.image], ""), reasons.values()
    )
    result.description = f"{datalist.description} Only images with {names} alone, and {len(drawn)} without findings."
    return result.with_counts(
        {
            f"images with {names} alone": len(chosen.items()),
            "images without any finding, drawn at random": len(drawn),
        }
    )


def first_of_studies(datalist: Datalist) -> Datalist:
    """The first image of each study, in the order of the datalist; an item without a study is a study of its own."""
    seen: set[tuple[str, str]] = set()

    def is_first(item: Item) -> bool:
        study = (item.patient, item.study)
        if item.study and study in seen:
            return False
        seen.add(study)
        return True

    reason = "images of a study beside its first"
    return datalist.leaving_out(lambda item: "" if is_first(item) else reason, [reason])


def with_views(datalist: Datalist, views: Sequence[str], keep: bool) -> Datalist:
    """Only the items of some views or, unless ``keep``, all others."""
    reason = "images of other views"
    return datalist.leaving_out(lambda item: "" if (item.view in views) == keep else reason, [reason])


def without_patients(datalist: Datalist, others: Sequence[Datalist]) -> Datalist:
    """A datalist without the images of any patient in one of the others, so that those can test models trained on it.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", 3.1: "excluding these
    expert-annotated images, as well as any images of the same patients". Patients are compared as
    :func:`app.datalist.people.normalised` writes them: the datalists must use the same pseudonyms.

    Returns:
        A new datalist, whose provenance counts the images and patients that were left out, and the remaining patients
        whose name differs only in capitals from one of those.

    Raises:
        ValueError: Nothing is left.

    Example:
        >>> items = [Item(f"{patient}.png", patient, (0,)) for patient in ("1", "2")]
        >>> ours, theirs = (Datalist.unsplit("wards", ("Nodule",), part) for part in (items, items[:1]))
        >>> [item.patient for item in without_patients(ours, [theirs]).items()]
        ['2']
    """
    excluded = {normalised(item.patient) for other in others for item in other.items()}
    names = " and ".join(dict.fromkeys(other.name for other in others))
    reason = f"images of patients who are in {names}"
    result = datalist.leaving_out(lambda item: reason if normalised(item.patient) in excluded else "", [reason])
    if not result.items():
        raise ValueError(f"{datalist.name}: nothing is left, all of its patients are in {names}.")
    before, after = ({normalised(item.patient) for item in part.items()} for part in (datalist, result))
    counts = {f"left out: patients who are in {names}": len(before - after)}
    folded = set(map(caseless, excluded))
    alike = sum(caseless(patient) in folded for patient in after)
    if alike:
        counts["kept: patients whose name differs in capitals alone from one left out"] = alike
    result.description = f"{datalist.description} Without the patients of {names}.".strip()
    return result.with_counts(counts)


def _drawn_normals(normal: Datalist, chosen: Datalist, normals: Normals, seed: int) -> set[str]:
    """Names of the images that are drawn; the order of the items does not matter."""
    whole = sorted(item.image for item in normal.items())
    if normals == "all":
        return set(whole)
    if isinstance(normals, int):
        pools = [(whole, normals)]
    else:
        pools = [
            (sorted(item.image for item in normal.sections[section]), len(items))
            for section, items in chosen.sections.items()
        ]
    drawn: set[str] = set()
    generator = random.Random(seed)
    for pool, count in pools:
        if not 0 <= count <= len(pool):
            raise ValueError(f"{normal.name}: {count} images without any finding asked, but there are {len(pool)}.")
        drawn.update(generator.sample(pool, count))
    return drawn


def _kind(item: Item, findings: Sequence[str], wanted: frozenset[str]) -> str:
    """``chosen``, ``normal``, ``other`` (other findings are present) or ``unknown``."""
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
