"""Items of a datalist, and the datalist itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

SECTIONS = ("training", "validation", "test")
FLOW = "flow"
"""Key of a datalist's provenance: the steps at which items were left out, in order."""


class Box(NamedTuple):
    """A box around a finding, in pixels of the stored image; ``x``, ``y`` is its top left corner."""

    finding: str
    x: float
    y: float
    width: float
    height: float
    reader: str = ""
    """Who drew it, if several readers did and are not yet combined."""


class RunLengths(NamedTuple):
    """A mask as COCO's uncompressed run lengths: down the columns, alternately off and on, starting with off."""

    size: tuple[int, int]
    """(height, width) of the stored image."""
    counts: tuple[int, ...]


@dataclass(slots=True)
class Item:
    """One radiograph in a datalist.

    Attributes:
        image: Path relative to the datalist's folder, with forward slashes; unique within a datalist.
        patient: Pseudonym of the patient. Patients never cross sections.
        label: One value per finding, in the datalist's order: 1 present, 0 absent, -1 uncertain, -2 not said
            (``null`` in the file); a value between 0 and 1 is a certainty.
        study: Pseudonym of the study. Images of one study show the patient at one time.
        view: PA, AP, LATERAL, ...; empty if unknown.
        boxes: Where findings are.
        mask: A path (relative to the datalist's folder) or run lengths, by finding.
        annotated: Findings that somebody was asked to locate; without a box or mask, such a finding is nowhere.
            Every finding with a box or mask is listed.
        source: The reader, labeller or data set that the label comes from.
        attributes: What subgroups are made of: ``sex``, ``age`` (years, 90 for all above), ``drain`` and so on.
    """

    image: str
    patient: str
    label: tuple[float, ...]
    study: str = ""
    view: str = ""
    boxes: tuple[Box, ...] = ()
    mask: Mapping[str, str | RunLengths] = field(default_factory=dict)
    annotated: tuple[str, ...] = ()
    source: str = ""
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def is_located(self) -> bool:
        """Whether somebody drew where a finding is."""
        return bool(self.boxes or self.mask)


@dataclass(slots=True)
class Datalist:
    """Items in three sections.

    Attributes:
        name: Short name of the data.
        findings: Names, in the order of every item's ``label``.
        sections: Items of ``training``, ``validation`` and ``test``; a section may be empty.
        description: What the data is and what was done to it, for people.
        provenance: The same for machines: counts of what was included and excluded, the flow of images and patients
            from step to step, the split's seed and fingerprint, how annotations were degraded.

    Example:
        >>> datalist = Datalist.unsplit("wards", ("Nodule",), [Item("1.png", "7", (1,)), Item("2.png", "8", (0,))])
        >>> datalist.filtered(lambda item: item.label[0] == 1).items()[0].image
        '1.png'
    """

    name: str
    findings: tuple[str, ...]
    sections: dict[str, list[Item]]
    description: str = ""
    provenance: dict[str, object] = field(default_factory=dict)

    @classmethod
    def unsplit(
        cls,
        name: str,
        findings: tuple[str, ...],
        items: Sequence[Item],
        description: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> Datalist:
        """A datalist with all items in ``training``."""
        sections: dict[str, list[Item]] = {"training": list(items), "validation": [], "test": []}
        return cls(name, findings, sections, description, {} if counts is None else {"counts": dict(counts)})

    def items(self) -> list[Item]:
        """The items of all sections, one section after the other."""
        return [item for items in self.sections.values() for item in items]

    def mapped(self, change: Callable[[Item], Item]) -> Datalist:
        """A datalist with every item changed."""
        return replace(
            self, sections={section: [change(item) for item in items] for section, items in self.sections.items()}
        )

    def filtered(self, keep: Callable[[Item], bool]) -> Datalist:
        """A datalist of only those items for which ``keep`` is true."""
        return replace(
            self, sections={section: [i for i in items if keep(i)] for section, items in self.sections.items()}
        )

    def leaving_out(self, reason_of: Callable[[Item], str], reasons: Iterable[str]) -> Datalist:
        """A datalist without the items for which there is a reason to leave them out.

        The provenance counts them as ``left out: REASON``, and its ``flow`` holds the step: how many images left, by
        reason, and the images and patients that remain (no patients as long as those of some items are unknown).

        Args:
            reason_of: The reason to leave an item out; empty if it stays.
            reasons: All that there may be; those without an item are counted as 0.

        Example:
            >>> both = Datalist.unsplit("wards", ("Nodule",), [Item("1.png", "7", (1,)), Item("2.png", "8", (0,))])
            >>> frontal = both.leaving_out(lambda item: "blurred" if item.image == "1.png" else "", ["blurred"])
            >>> frontal.provenance["flow"][-1]
            {'left_out': {'blurred': 1}, 'images': 1, 'patients': 1}
        """
        given = {item.image: reason for item in self.items() if (reason := reason_of(item))}
        result = self.filtered(lambda item: item.image not in given)
        counts = {**dict.fromkeys(reasons, 0), **Counter(given.values())}
        before = self.provenance.get(FLOW)
        steps = [*before] if isinstance(before, list) and before else [_size(self)]
        result.provenance = self.provenance | {FLOW: [*steps, {"left_out": counts, **_size(result)}]}
        return result.with_counts({f"left out: {reason}": count for reason, count in counts.items()})

    def with_counts(self, counts: Mapping[str, int]) -> Datalist:
        """A datalist with further counts in its provenance, of what was included or excluded and why."""
        before = self.provenance.get("counts")
        merged = {**(before if isinstance(before, dict) else {}), **counts}
        return replace(self, provenance=self.provenance | {"counts": merged})


def _size(datalist: Datalist) -> dict[str, object]:
    patients = {item.patient for item in datalist.items()}
    size: dict[str, object] = {"images": len(datalist.items())}
    return size if "" in patients else size | {"patients": len(patients)}
