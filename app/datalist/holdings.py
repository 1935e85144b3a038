"""Count what a datalist holds: states of labels, locations, views and patients, by section and finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.datalist.item import SECTIONS, Datalist, Item
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

STATES = ("present", "absent", "uncertain", "not said", "certainty")
"""States of a label; a certainty is a value between 0 and 1."""
_STATE_OF: dict[float, str] = {PRESENT: "present", ABSENT: "absent", UNCERTAIN: "uncertain", NOT_SAID: "not said"}


@dataclass(frozen=True, slots=True)
class FindingHoldings:
    """What one section holds of one finding.

    Attributes:
        states: images by state of their label; every state is there.
        located: images with a box or a mask of it.
        nowhere: images annotated for it that have neither: it is nowhere.
        boxes: boxes of it.
        masks: masks of it.
        present_nowhere: images labelled present but annotated as nowhere, a contradiction.
        absent_located: images labelled absent but with a box or a mask, a contradiction.
    """

    states: dict[str, int]
    located: int
    nowhere: int
    boxes: int
    masks: int
    present_nowhere: int
    absent_located: int


@dataclass(frozen=True, slots=True)
class SectionHoldings:
    """What one section holds: images, patients, studies, images by view, and each finding."""

    images: int
    patients: int
    studies: int
    views: dict[str, int]
    findings: dict[str, FindingHoldings]


def holdings(datalist: Datalist) -> dict[str, SectionHoldings]:
    """What each section that is not empty holds."""
    filled = {section: datalist.sections.get(section, []) for section in SECTIONS}
    return {
        section: SectionHoldings(
            images=len(items),
            patients=len({item.patient for item in items}),
            studies=len({(item.patient, item.study) for item in items if item.study}),
            views=dict(Counter(item.view or "unknown" for item in items).most_common()),
            findings=_findings(items, datalist.findings),
        )
        for section, items in filled.items()
        if items
    }


def co_occurrence(datalist: Datalist) -> list[list[int]]:
    """Images, of all sections, on which two findings are both present; on the diagonal, one finding."""
    labels = Counter(item.label for items in datalist.sections.values() for item in items)
    size = len(datalist.findings)
    matrix = [[0] * size for _ in range(size)]
    for label, count in labels.items():
        present = [place for place, value in enumerate(label[:size]) if value == PRESENT]
        for row in present:
            for column in present:
                matrix[row][column] += count
    return matrix


def _findings(items: Sequence[Item], findings: tuple[str, ...]) -> dict[str, FindingHoldings]:
    labels = Counter(item.label for item in items)
    counts: Counter[tuple[str, str]] = Counter()
    for item in items:
        if item.annotated:
            _count_locations(item, findings, counts)
    return {
        finding: FindingHoldings(
            states=_states(labels, place),
            **{  # the names are those of the attributes
                name: counts[finding, name]
                for name in ("located", "nowhere", "boxes", "masks", "present_nowhere", "absent_located")
            },
        )
        for place, finding in enumerate(findings)
    }


def _states(labels: Counter[tuple[float, ...]], place: int) -> dict[str, int]:
    states = dict.fromkeys(STATES, 0)
    for label, count in labels.items():
        if place < len(label):
            states[_STATE_OF.get(label[place], "certainty")] += count
    return states


def _count_locations(item: Item, findings: tuple[str, ...], counts: Counter[tuple[str, str]]) -> None:
    boxed = Counter(box.finding for box in item.boxes)
    value = dict(zip(findings, item.label, strict=False))
    for finding in item.annotated:
        if finding in boxed or finding in item.mask:
            counts[finding, "located"] += 1
            counts[finding, "absent_located"] += value.get(finding) == ABSENT
        else:
            counts[finding, "nowhere"] += 1
            counts[finding, "present_nowhere"] += value.get(finding) == PRESENT
        counts[finding, "boxes"] += boxed[finding]
        counts[finding, "masks"] += finding in item.mask
