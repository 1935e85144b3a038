"""How far two label sets of the same radiographs agree beyond chance, finding by finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.data.images import last_parts
from app.data.item import Datalist, Item
from app.data.stored import stem
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN, require_known

if TYPE_CHECKING:
    from evaluation.agreement import Agreement

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Findings of the first datalist, any of which is taken for any of these findings of the second."""


class FindingAgreement(NamedTuple):
    """Cohen's kappa of two label sets for one finding, with its interval."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    agreement: Agreement


def agreement(
    first: Datalist, second: Datalist, same: Sequence[Pair] = (), level: float = 0.95
) -> list[FindingAgreement]:
    """Cohen's kappa for each finding that both have, over the images that both say present or absent of.

    As in Fig. 3 of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". Images are matched
    by file name without suffix, those of the RSNA challenge by their attribute ``nih_image``; where a datalist has one
    image twice, its finding is present where either says so. A certainty above 0.5 is present, below it absent. In the
    interval, images of one patient (by the first datalist) are taken together.

    Args:
        first: rows of the table that kappa is made of.
        second: its columns.
        same: findings to take for each other, beside those of one name, such as ``(("Nodule or Mass",), ("Nodule",
            "Mass"))``.
        level: confidence of the interval.

    Raises:
        ValueError: no shared image, no shared finding, or an unknown finding in ``same``.
    """
    from evaluation.agreement import cohen_kappa

    ours, theirs = labels_by_image(first), labels_by_image(second)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise ValueError(f"{first.name} and {second.name} have no image in common, by file name.")
    for datalist, side in ((first, 0), (second, 1)):
        require_known([name for pair in same for name in pair[side]], datalist.findings, datalist.name)
    pairs: list[Pair] = [((name,), (name,)) for name in first.findings if name in second.findings]
    pairs += [pair for pair in same if pair not in pairs]
    if not pairs:
        raise ValueError(
            f"{first.name} ({', '.join(first.findings)}) and {second.name} ({', '.join(second.findings)}) have no "
            "finding in common; name some with --same A=B."
        )
    found = []
    for one, two in pairs:
        values = [
            [_said(labels[image], datalist.findings, names) for image in shared]
            for labels, datalist, names in ((ours, first, one), (theirs, second, two))
        ]
        found.append(FindingAgreement(one, two, cohen_kappa(values[0], values[1], level=level)))
    return found


def agreement_text(first: Datalist, second: Datalist, found: Sequence[FindingAgreement]) -> str:
    """One line a finding: kappa, its interval, its name by Landis and Koch, and how many images it is of."""
    lines = [f"{first.name} against {second.name}: Cohen's kappa (95% interval)"]
    for one, two, measured in found:
        names = " + ".join(one) if one == two else f"{' + '.join(one)} = {' + '.join(two)}"
        kappa = measured.kappa
        lines.append(
            f"  {names}: {kappa.value:.3f} ({kappa.lower:.3f} to {kappa.upper:.3f}), {measured.name}; "
            f"{measured.cases} images, {measured.left_out} more not said or uncertain by one"
        )
    return "\n".join(lines)


def labels_by_image(datalist: Datalist) -> Mapping[str, tuple[float, ...]]:
    """Labels by file name without suffix, RSNA's by the ChestX-ray14 image; of an image named twice the larger ones."""
    labels: dict[str, tuple[float, ...]] = {}
    for item in (item for items in datalist.sections.values() for item in items):
        name = _image_of(item)
        # 1 is more than 0, and either is more than -1 uncertain or -2 not said.
        labels[name] = tuple(map(max, labels[name], item.label)) if name in labels else item.label
    return labels


def _image_of(item: Item) -> str:
    return stem(last_parts(str(item.attributes.get("nih_image", item.image)), 1))


def _said(label: tuple[float, ...], findings: tuple[str, ...], names: tuple[str, ...]) -> float:
    values = [label[findings.index(name)] for name in names]
    if any(value > 0.5 for value in values):
        return PRESENT
    if all(ABSENT <= value < 0.5 for value in values):
        return ABSENT
    return NOT_SAID if NOT_SAID in values else UNCERTAIN
