"""One radiograph of a datalist: where it is, whose it is, and everything that anybody said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Box(NamedTuple):
    """A box around a finding, in pixels of the stored image; ``x``, ``y`` is its top left corner."""

    finding: str
    x: float
    y: float
    width: float
    height: float
    reader: str = ""
    """Who drew it, where several readers did and were not yet combined."""


class RunLengths(NamedTuple):
    """A mask as COCO's uncompressed run lengths: column by column, alternately off and on, starting with off."""

    size: tuple[int, int]
    """(height, width) of the stored image."""
    counts: tuple[int, ...]


@dataclass(slots=True)
class Item:
    """One radiograph in a datalist.

    Attributes:
        image: path, relative to the datalist's folder, with forward slashes; unique within a datalist.
        patient: pseudonym of the patient; patients never cross a split.
        label: one value a finding of the datalist, in its order: 1 present, 0 absent, -1 uncertain, -2 not said
            (``null`` in the file); a value between 0 and 1 is a certainty.
        study: pseudonym of the study; images of one study show the patient at one time.
        view: PA, AP, LATERAL, ... or empty where unknown.
        boxes: where findings are.
        mask: by finding: a path (relative to the datalist's folder) or run lengths.
        annotated: findings whose location was asked for: with neither box nor mask it is "nowhere". Every finding
            with a box or a mask belongs here.
        source: which reader, labeller or data set said so.
        attributes: what subgroups are made of: ``sex``, ``age`` (years, 90 for all above), ``drain`` and the like.
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


SECTIONS = ("training", "validation", "test")


@dataclass(slots=True)
class Datalist:
    """Items by section, with the findings that their labels are in order of.

    Attributes:
        name: short name of the data.
        description: what the data is, and what was done to it, for a reader.
        findings: names in the order of every item's ``label``.
        sections: items of ``training``, ``validation`` and ``test``; a section may be empty.
        provenance: machine-readable facts: split seed and fingerprint, what was excluded and how often, what was
            degraded.
    """

    name: str
    findings: tuple[str, ...]
    sections: dict[str, list[Item]]
    description: str = ""
    provenance: dict[str, object] = field(default_factory=dict)
