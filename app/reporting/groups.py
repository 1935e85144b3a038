"""Subgroups of a table of predictions: areas inside and outside each group, and findings told by their treatment."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from app.findings import TUBES
from evaluation import PredictionTable, age_bands, check_treatment, corrected, holm, subgroup_areas
from evaluation.cases import FloatArray, TextArray
from evaluation.subgroups import UNKNOWN, SubgroupRow, TreatmentCheck, group_names

NAMED = ("view", "sex", "source")
"""Attributes whose values become groups. Ages become bands, and yes-or-no attributes two groups. No others do: they may
identify a patient, and their values must not be shown."""
DEVICES = (*TUBES, "Support Devices")
MOST_GROUPS = 20
YES_OR_NO = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "": -2.0}
TREATMENT_WORDS = {"drain": "a chest drain"}
"""How a warning calls a treatment, if not by its name."""


@dataclass(frozen=True)
class GroupRow:
    """The area of a finding inside a group and outside it.

    Attributes:
        finding: Name of the finding.
        attribute: Such as ``sex``.
        row: Areas and their difference.
        p_holm: Corrected over all rows of the report; NaN if the row mirrors the one before it.
    """

    finding: str
    attribute: str
    row: SubgroupRow
    p_holm: float


@dataclass(frozen=True)
class TreatmentRow:
    """Whether a finding is recognised by a treatment."""

    finding: str
    treatment: str
    check: TreatmentCheck


def groups(table: PredictionTable) -> dict[str, TextArray]:
    """The groups (N,) of every attribute that has 2 to 20 of them."""
    by_attribute = {name: group_names(table.attributes[name]) for name in NAMED if name in table.attributes}
    if "age" in table.attributes:
        by_attribute["age"] = age_bands(table.attributes["age"])
    for name, visible in treatments(table).items():
        names = np.array(["without", "with", UNKNOWN], dtype=np.str_)
        by_attribute[name] = names[np.where(visible < 0, 2, visible).astype(int)]
    return {
        name: values
        for name, values in by_attribute.items()
        if 2 <= len(set(values.tolist()) - {UNKNOWN}) <= MOST_GROUPS
    }


def not_grouped(table: PredictionTable) -> tuple[str, ...]:
    """Attributes that ``groups`` leaves out."""
    grouped = groups(table)
    return tuple(name for name in table.attributes if name not in grouped)


def treatments(table: PredictionTable) -> dict[str, FloatArray]:
    """Yes-or-no attributes and findings that are devices: (N,) each, 1 visible, 0 not, negative unknown."""
    by_name = {}
    for name, values in table.attributes.items():
        cells = [value.strip().casefold() for value in values.tolist()]
        if name not in (*NAMED, "age") and all(cell in YES_OR_NO for cell in cells):
            by_name[name] = np.array([YES_OR_NO[cell] for cell in cells])
    for column, finding in enumerate(table.findings):
        if finding in DEVICES:
            by_name[finding] = table.label[:, column]
    return {name: visible for name, visible in by_name.items() if {0.0, 1.0} <= set(visible.tolist())}


def group_rows(table: PredictionTable) -> tuple[GroupRow, ...]:
    """Every finding in every group, by attribute, with p corrected by Holm's method over all of them.

    Two groups are one test, whose corrected p is in the first row. A device is not grouped by itself.
    """
    rows: list[GroupRow] = []
    tested: list[float] = []
    for (attribute, group), (column, finding) in itertools.product(groups(table).items(), enumerate(table.findings)):
        if attribute == finding:
            continue
        areas = subgroup_areas(table.rank[:, column], table.label[:, column], group, table.patient)
        rows += [GroupRow(finding, attribute, row, np.nan) for row in areas]
        tested += [areas[0].p, np.nan] if len(areas) == 2 else [row.p for row in areas]
    adjusted = holm(tested).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def treatment_rows(table: PredictionTable) -> tuple[TreatmentRow, ...]:
    """Every finding that is no device against every treatment, with p corrected by Holm's method over all of them."""
    checks = []
    for (treatment, visible), (column, finding) in itertools.product(
        treatments(table).items(), enumerate(table.findings)
    ):
        if finding in DEVICES:
            continue
        words = finding, TREATMENT_WORDS.get(treatment, _with_article(treatment.lower().replace("_", " ")))
        check = check_treatment(table.rank[:, column], table.label[:, column], visible, words, table.patient)
        checks.append((finding, treatment, check))
    adjusted = corrected([check for *_, check in checks])
    return tuple(
        TreatmentRow(finding, treatment, check) for (finding, treatment, _), check in zip(checks, adjusted, strict=True)
    )


def _with_article(name: str) -> str:
    if name.endswith("s"):
        return name
    return f"an {name}" if name[:1] in "aeiou" else f"a {name}"
