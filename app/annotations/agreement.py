"""How far label sets of the same radiographs agree beyond chance, in pairs and by finding."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import bare_name
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN, require_known
from evaluation.cells import csv_text

if TYPE_CHECKING:
    from evaluation.agreement import Agreement

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Findings of one datalist, and findings of another, any of which count as the same."""
Labels = Mapping[str, tuple[float, ...]]
"""Labels by image."""
COLUMNS = ("first", "second", "shared", "finding", "images", "kappa", "kappa_lower", "kappa_upper", "band")


class FindingAgreement(NamedTuple):
    """Cohen's kappa of two label sets for one finding, with its interval."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    agreement: Agreement

    @property
    def title(self) -> str:
        """The finding, or those that count as the same: ``Nodule or Mass = Nodule + Mass``."""
        sides = [" + ".join(side) for side in (self.first, self.second)]
        return sides[0] if self.first == self.second else " = ".join(sides)


class SetsAgreement(NamedTuple):
    """How far two label sets agree on what they share.

    Attributes:
        first: Name of the one set.
        second: Name of the other.
        shared: Number of images that both have.
        findings: Kappa of each finding that both have; empty if they share no image or no finding.
    """

    first: str
    second: str
    shared: int
    findings: tuple[FindingAgreement, ...]


def agreements(
    sets: Mapping[str, Datalist], same: Sequence[Pair] = (), against_first: bool = False
) -> list[SetsAgreement]:
    """Cohen's kappa between every two of several label sets, or between the first and every other one.

    As in Figs. 3 and 4 of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". Sets that
    share no image or no finding have no kappa. :func:`agreement` says how images are matched.

    Args:
        sets: Name to datalist.
        same: As for :func:`agreement`, for the pairs of sets that have such findings, either side first.
        against_first: Leave out the pairs without the first set.

    Raises:
        ValueError: No two sets have findings that are in ``same``.
    """
    labels = {name: labels_by_image(datalist) for name, datalist in sets.items()}
    results, unused = [], set(same)
    for one, two in itertools.combinations(sets, 2):
        if against_first and one != next(iter(sets)):
            break
        pairs = _shared_findings(sets[one], sets[two])
        for pair in same:
            sides = next((s for s in (pair, pair[::-1]) if _have(s, sets[one], sets[two])), None)
            if sides is not None:
                unused.discard(pair)
                pairs += [sides] if sides not in pairs else []
        shared = labels[one].keys() & labels[two].keys()
        kappas = _kappas((labels[one], labels[two]), (sets[one], sets[two]), pairs) if shared else []
        results.append(SetsAgreement(one, two, len(shared), tuple(kappas)))
    if unused:
        asked = "=".join("+".join(side) for side in next(pair for pair in same if pair in unused))
        raise ValueError(f"{asked}: no two of {', '.join(sets)} have these findings, in this spelling.")
    return results


def agreement(first: Datalist, second: Datalist, same: Sequence[Pair] = ()) -> list[FindingAgreement]:
    """Cohen's kappa for each finding that both have, over the images that both label present or absent.

    As in Fig. 3 of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". Images are matched
    by file name without suffix, those of the RSNA challenge by their attribute ``nih_image``. If a datalist has an
    image twice, its finding is present if either says so. A certainty above 0.5 is present, below it absent. The
    interval takes images of one patient (by the first datalist) together.

    Args:
        first: Rows of the table that kappa is made of.
        second: Its columns.
        same: Findings that count as the same, beside those of one name, such as ``(("Nodule or Mass",), ("Nodule",
            "Mass"))``.

    Raises:
        ValueError: There is no shared image or finding, or a finding in ``same`` is unknown.
    """
    ours, theirs = labels_by_image(first), labels_by_image(second)
    if not ours.keys() & theirs.keys():
        raise ValueError(f"{first.name} and {second.name} have no image in common, by file name.")
    for datalist, side in ((first, 0), (second, 1)):
        require_known([name for pair in same for name in pair[side]], datalist.findings, datalist.name)
    pairs = _shared_findings(first, second)
    pairs += [pair for pair in same if pair not in pairs]
    if not pairs:
        raise ValueError(
            f"{first.name} ({', '.join(first.findings)}) and {second.name} ({', '.join(second.findings)}) have no "
            "finding in common; name some with --same A=B."
        )
    return _kappas((ours, theirs), (first, second), pairs)


def agreement_text(first: Datalist, second: Datalist, findings: Sequence[FindingAgreement]) -> str:
    """One line per finding: kappa, its interval, its name by Landis and Koch, and the number of images."""
    lines = [f"{first.name} against {second.name}: Cohen's kappa (95% interval)"]
    for each in findings:
        measured, kappa = each.agreement, each.agreement.kappa
        lines.append(
            f"  {each.title}: {kappa.value:.3f} ({kappa.lower:.3f} to {kappa.upper:.3f}), {measured.name}; "
            f"{measured.cases} images, {measured.left_out} more not said or uncertain by one"
        )
    return "\n".join(lines)


def agreement_csv(pairs: Sequence[SetsAgreement]) -> str:
    """One row per pair of label sets and finding, with `COLUMNS` and all digits; an undefined number is empty.

    A pair that shares no image or no finding has one row, whose finding is empty.
    """
    rows: list[Sequence[object]] = [COLUMNS]
    for pair in pairs:
        sets = [pair.first, pair.second, pair.shared]
        for one in pair.findings:
            measured, kappa = one.agreement, one.agreement.kappa
            values = kappa.value, kappa.lower, kappa.upper
            rows.append([*sets, one.title, measured.cases, *values, measured.name])
        if not pair.findings:
            rows.append([*sets, "", 0, "", "", "", ""])
    return csv_text(rows)


def labels_by_image(datalist: Datalist) -> Labels:
    """Labels by file name without suffix, RSNA's by the ChestX-ray14 image.

    If an image occurs twice, each finding has the larger label: 1 is more than 0, and either is more than -1 uncertain
    or -2 not said.
    """
    labels: dict[str, tuple[float, ...]] = {}
    for item in datalist.items():
        name = _image_of(item)
        labels[name] = tuple(map(max, labels[name], item.label)) if name in labels else item.label
    return labels


def _shared_findings(first: Datalist, second: Datalist) -> list[Pair]:
    """Findings with the same name."""
    return [((name,), (name,)) for name in first.findings if name in second.findings]


def _have(sides: Pair, first: Datalist, second: Datalist) -> bool:
    return set(sides[0]) <= set(first.findings) and set(sides[1]) <= set(second.findings)


def _kappas(
    labels: tuple[Labels, Labels], sets: tuple[Datalist, Datalist], pairs: Sequence[Pair]
) -> list[FindingAgreement]:
    from evaluation.agreement import cohen_kappa

    shared = sorted(labels[0].keys() & labels[1].keys())
    patients = {_image_of(item): item.patient for item in sets[0].items()}
    patient = [patients[image] for image in shared]
    results = []
    for pair in pairs:
        one, two = (
            [_state(of[image], datalist.findings, names) for image in shared]
            for of, datalist, names in zip(labels, sets, pair, strict=True)
        )
        results.append(FindingAgreement(*pair, cohen_kappa(one, two, patient=patient)))
    return results


def _image_of(item: Item) -> str:
    return bare_name(str(item.attributes.get("nih_image", item.image)))


def _state(label: tuple[float, ...], findings: tuple[str, ...], names: tuple[str, ...]) -> float:
    """Whether any of some findings is present."""
    values = [label[findings.index(name)] for name in names]
    if any(value > 0.5 for value in values):
        return PRESENT
    if all(ABSENT <= value < 0.5 for value in values):
        return ABSENT
    return NOT_SAID if NOT_SAID in values else UNCERTAIN
