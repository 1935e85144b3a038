"""Some of the findings of a datalist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.datalist.item import Datalist, Item
from app.findings import canonical, require_known


def choose_findings(datalist: Datalist, findings: Sequence[str]) -> Datalist:
    """The same items with labels, boxes, masks and annotations of the chosen findings, in the chosen order.

    Args:
        datalist: A datalist.
        findings: Findings of the datalist, in any spelling that the vocabulary knows.

    Raises:
        ValueError: The datalist does not have a finding, or one is named twice.

    Example:
        >>> datalist = Datalist.unsplit("wards", ("Nodule", "Mass"), [Item("1.png", "7", (1, 0))])
        >>> choose_findings(datalist, ["mass"]).items()[0].label
        (0,)
    """
    chosen = named_findings(datalist, findings)
    columns = [datalist.findings.index(name) for name in chosen]
    wanted = frozenset(chosen)
    labels: dict[tuple[float, ...], tuple[float, ...]] = {}

    def change(item: Item) -> Item:
        if item.label not in labels:
            labels[item.label] = tuple(item.label[column] for column in columns)
        return replace(
            item,
            label=labels[item.label],
            boxes=tuple(box for box in item.boxes if box.finding in wanted) if item.boxes else (),
            mask={name: mask for name, mask in item.mask.items() if name in wanted} if item.mask else item.mask,
            annotated=tuple(name for name in item.annotated if name in wanted) if item.annotated else (),
        )

    return replace(datalist.mapped(change), findings=chosen)


def named_findings(datalist: Datalist, findings: Sequence[str]) -> tuple[str, ...]:
    """Findings by the datalist's names for them.

    Raises:
        ValueError: A finding is unknown or named twice.
    """
    names = tuple(name if name in datalist.findings else canonical(name) or name for name in findings)
    require_known(names, datalist.findings, datalist.name)
    if len(set(names)) != len(names):
        raise ValueError(f"{datalist.name}: a finding is named twice in {', '.join(findings)}.")
    return names
