"""A datalist without the patients of others, so that these can test what was trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.datalist.item import Datalist
from app.datalist.people import caseless, normalised
from app.datalist.placing import with_counts


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
