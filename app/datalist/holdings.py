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


@dataclass(slots=True)
class FindingHoldings:
    """What one section holds of one finding.

    Attributes:
        states: Images by state of their label, for every state.
        located: Images with a box or mask of it.
        nowhere: Images that are annotated for it but have neither.
        boxes: Boxes of it.
        masks: Masks of it.
        present_nowhere: Images labelled present but annotated as nowhere: a contradiction.
        absent_located: Images labelled absent but with a box or mask: a contradiction.
    """

    states: dict[str, int]
    located: int = 0
    nowhere: int = 0
    boxes: int = 0
    masks: int = 0
    present_nowhere: int = 0
    absent_located: int = 0


@dataclass(frozen=True, slots=True)
class SectionHoldings:
    """What one section holds: images, patients, studies, images by view, and each finding."""

    images: int
    patients: int
    studies: int
    views: dict[str, int]
    findings: dict[str, FindingHoldings]


def holdings(datalist: Datalist) -> dict[str, SectionHoldings]:
    """What each section that is not empty holds.

    Example:
        >>> held = holdings(Datalist.unsplit("wards", ("Nodule",), [Item("1.png", "7", (-1,))]))["training"]
        >>> held.patients, held.findings["Nodule"].states["uncertain"]
        (1, 1)
    """
    return {
        section: SectionHoldings(
            images=len(items),
            patients=len({item.patient for item in items}),
            studies=len({(item.patient, item.study) for item in items if item.study}),
            views=dict(Counter(item.view or "unknown" for item in items).most_common()),
            findings=_findings(items, datalist.findings),
        )
        for section in SECTIONS
        if (items := datalist.sections.get(section, []))
    }


def co_occurrence(datalist: Datalist) -> list[list[int]]:
    """Images of all sections on which two findings are both present; on the diagonal, one finding."""
    labels = Counter(item.label for item in datalist.items())
    size = len(datalist.findings)
    matrix = [[0] * size for _ in range(size)]
    for label, count in labels.items():
        present = [index for index, value in enumerate(label[:size]) if value == PRESENT]
        for row in present:
            for column in present:
                matrix[row][column] += count
    return matrix


def _findings(items: Sequence[Item], findings: tuple[str, ...]) -> dict[str, FindingHoldings]:
    labels = Counter(item.label for item in items)
    counts = {finding: FindingHoldings(_states(labels, index)) for index, finding in enumerate(findings)}
    for item in items:
        if item.annotated:
            _count_locations(item, dict(zip(findings, item.label, strict=False)), counts)
    return counts


def _states(labels: Counter[tuple[float, ...]], index: int) -> dict[str, int]:
    states = dict.fromkeys(STATES, 0)
    for label, count in labels.items():
        if index < len(label):
            states[_STATE_OF.get(label[index], "certainty")] += count
    return states


def _count_locations(item: Item, label: dict[str, float], counts: dict[str, FindingHoldings]) -> None:
    boxes = Counter(box.finding for box in item.boxes)
    for finding in item.annotated:
        if finding not in counts:  # a problem, which `validate` reports
            continue
        count = counts[finding]
        if finding in boxes or finding in item.mask:
            count.located += 1
            count.absent_located += label.get(finding) == ABSENT
        else:
            count.nowhere += 1
            count.present_nowhere += label.get(finding) == PRESENT
        count.boxes += boxes[finding]
        count.masks += finding in item.mask
