"""How far label sets of the same radiographs agree beyond chance, two by two and finding by finding."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import stem
from app.files.image_names import last_parts
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN, require_known

if TYPE_CHECKING:
    from evaluation.agreement import Agreement

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Findings of the first datalist, any of which is taken for any of these findings of the second."""


Labels = Mapping[str, tuple[float, ...]]
"""Labels by image."""


class FindingAgreement(NamedTuple):
    """Cohen's kappa of two label sets for one finding, with its interval."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    agreement: Agreement

    @property
    def title(self) -> str:
        """The finding, or those that are taken for each other: ``Nodule or Mass = Nodule + Mass``."""
        sides = [" + ".join(side) for side in (self.first, self.second)]
        return sides[0] if self.first == self.second else " = ".join(sides)


class SetsAgreement(NamedTuple):
    """What two label sets have in common, and how far they agree on it.

    Attributes:
        first: name of the one set.
        second: name of the other.
        shared: images that both have.
        findings: kappa of each finding that both have; empty where they share no image or no finding.
    """

    first: str
    second: str
    shared: int
    findings: tuple[FindingAgreement, ...]


def agreements(
    sets: Mapping[str, Datalist], same: Sequence[Pair] = (), against_first: bool = False, level: float = 0.95
) -> list[SetsAgreement]:
    """Cohen's kappa between every two of several label sets, or between the first and every other one.

    As in Figs. 3 to 5 of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". Sets that
    share no image or no finding have no kappa. For how images are matched see :func:`agreement`.

    Args:
        sets: name to datalist.
        same: as for :func:`agreement`, for the pairs of sets that have such findings, either side first.
        against_first: leave out the pairs without the first.
        level: confidence of the intervals.

    Raises:
        ValueError: findings in ``same`` that no two sets have.
    """
    labels = {name: labels_by_image(datalist) for name, datalist in sets.items()}
    found, unused = [], list(same)
    for one, two in itertools.combinations(sets, 2):
        if against_first and one != next(iter(sets)):
            break
        pairs = shared_findings(sets[one], sets[two])
        for pair in same:
            for sides in (pair, pair[::-1]):
                if set(sides[0]) <= set(sets[one].findings) and set(sides[1]) <= set(sets[two].findings):
                    unused = [each for each in unused if each != pair]
                    pairs += [sides] if sides not in pairs else []
                    break
        shared = labels[one].keys() & labels[two].keys()
        kappas = _kappas((labels[one], labels[two]), (sets[one], sets[two]), pairs, level) if shared else []
        found.append(SetsAgreement(one, two, len(shared), tuple(kappas)))
    if unused:
        asked = "=".join("+".join(side) for side in unused[0])
        raise ValueError(f"{asked}: no two of {', '.join(sets)} have these findings, spelt so.")
    return found


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
    ours, theirs = labels_by_image(first), labels_by_image(second)
    if not ours.keys() & theirs.keys():
        raise ValueError(f"{first.name} and {second.name} have no image in common, by file name.")
    for datalist, side in ((first, 0), (second, 1)):
        require_known([name for pair in same for name in pair[side]], datalist.findings, datalist.name)
    pairs = shared_findings(first, second)
    pairs += [pair for pair in same if pair not in pairs]
    if not pairs:
        raise ValueError(
            f"{first.name} ({', '.join(first.findings)}) and {second.name} ({', '.join(second.findings)}) have no "
            "finding in common; name some with --same A=B."
        )
    return _kappas((ours, theirs), (first, second), pairs, level)


def shared_findings(first: Datalist, second: Datalist) -> list[Pair]:
    """Findings of one name."""
    return [((name,), (name,)) for name in first.findings if name in second.findings]


def agreement_text(first: Datalist, second: Datalist, found: Sequence[FindingAgreement]) -> str:
    """One line a finding: kappa, its interval, its name by Landis and Koch, and how many images it is of."""
    lines = [f"{first.name} against {second.name}: Cohen's kappa (95% interval)"]
    for each in found:
        measured, kappa = each.agreement, each.agreement.kappa
        lines.append(
            f"  {each.title}: {kappa.value:.3f} ({kappa.lower:.3f} to {kappa.upper:.3f}), {measured.name}; "
            f"{measured.cases} images, {measured.left_out} more not said or uncertain by one"
        )
    return "\n".join(lines)


def _kappas(
    labels: tuple[Labels, Labels], sets: tuple[Datalist, Datalist], pairs: Sequence[Pair], level: float
) -> list[FindingAgreement]:
    from evaluation.agreement import cohen_kappa

    shared = sorted(labels[0].keys() & labels[1].keys())
    patients = {_image_of(item): item.patient for items in sets[0].sections.values() for item in items}
    patient = [patients[image] for image in shared]
    found = []
    for pair in pairs:
        one, two = (
            [_said(of[image], datalist.findings, names) for image in shared]
            for of, datalist, names in zip(labels, sets, pair, strict=True)
        )
        found.append(FindingAgreement(*pair, cohen_kappa(one, two, level=level, patient=patient)))
    return found


def labels_by_image(datalist: Datalist) -> Labels:
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
