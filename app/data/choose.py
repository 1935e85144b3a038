"""A datalist with some of its findings or some of its items only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.data.item import Datalist, Item
from app.data.stored import with_counts
from app.findings import canonical, require_known


def choose_findings(datalist: Datalist, findings: Sequence[str]) -> Datalist:
    """The same items with labels, boxes, masks and annotations of the chosen findings, in the chosen order.

    Args:
        datalist: its items are left as they are.
        findings: names in any spelling that the vocabulary knows, each one of the datalist's findings.

    Raises:
        ValueError: a finding that the datalist does not have, or one named twice.
    """
    chosen = tuple(name if name in datalist.findings else canonical(name) or name for name in findings)
    require_known(chosen, datalist.findings, datalist.name)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"{datalist.name}: a finding is named twice in {', '.join(findings)}.")
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
