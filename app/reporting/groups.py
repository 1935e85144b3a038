"""Subgroups of a table of predictions: its attributes as groups, areas inside and outside them, and treatments."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from app.findings import TUBES
from evaluation import PredictionTable, age_bands, check_treatment, holm, subgroup_areas
from evaluation.cases import FloatArray, TextArray
from evaluation.subgroups import UNKNOWN, SubgroupRow, TreatmentCheck, group_names

NAMED = ("view", "sex", "source")
"""Attributes whose values are groups. Others are taken only if all their values are yes or no: an attribute may hold
what identifies a patient, and such values must not become names of groups."""
DEVICES = (*TUBES, "Support Devices")
_YES_OR_NO = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "": -2.0}
MOST_GROUPS = 20
CALLED = {"drain": "a chest drain"}
"""Treatments whose name is no name of a thing that is visible."""


@dataclass(frozen=True)
class GroupRow:
    """A finding inside a group against outside it.

    Attributes:
        finding: its name.
        attribute: such as ``sex``.
        row: areas and their difference.
        p_holm: corrected over all rows of the report; NaN where the row mirrors the one before it.
    """

    finding: str
    attribute: str
    row: SubgroupRow
    p_holm: float


@dataclass(frozen=True)
class TreatmentRow:
    """A finding checked for being recognised by a treatment."""

    finding: str
    treatment: str
    check: TreatmentCheck


def groups(table: PredictionTable) -> dict[str, TextArray]:
    """Attribute to its groups (N,), for every attribute with at least two of them."""
    found = {name: group_names(table.attributes[name]) for name in NAMED if name in table.attributes}
    if "age" in table.attributes:
        found["age"] = age_bands(table.attributes["age"])
    for name, value in treatments(table).items():
        found[name] = np.array(["without", "with", UNKNOWN], dtype=np.str_)[np.where(value < 0, 2, value).astype(int)]
    return {name: values for name, values in found.items() if 2 <= len(_known(values)) <= MOST_GROUPS}


def not_grouped(table: PredictionTable) -> tuple[str, ...]:
    """Attributes that ``groups`` leaves out."""
    taken = groups(table)
    return tuple(name for name in table.attributes if name not in taken)


def treatments(table: PredictionTable) -> dict[str, FloatArray]:
    """Yes-or-no attributes and findings that are devices: 1 visible, 0 not, negative unknown, (N,) each."""
    found = {}
    for name, values in table.attributes.items():
        cells = [value.strip().casefold() for value in values.tolist()]
        if name not in (*NAMED, "age") and all(cell in _YES_OR_NO for cell in cells):
            found[name] = np.array([_YES_OR_NO[cell] for cell in cells])
    for column, name in enumerate(table.findings):
        if name in DEVICES:
            found[name] = table.label[:, column]
    return {name: value for name, value in found.items() if {0.0, 1.0} <= set(value.tolist())}


def group_rows(table: PredictionTable) -> tuple[GroupRow, ...]:
    """Every finding in every group, by attribute; p is corrected by Holm over all tests of the table.

    The rows of two groups are one test, whose p stands in the first. A device is not grouped by itself.
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
    """Every finding that is no device against every treatment, where both kinds of present case exist."""
    rows = []
    for (treatment, visible), (column, finding) in itertools.product(
        treatments(table).items(), enumerate(table.findings)
    ):
        if finding in DEVICES:
            continue
        called = finding, CALLED.get(treatment, _with_article(treatment.lower().replace("_", " ")))
        check = check_treatment(table.rank[:, column], table.label[:, column], visible, called, table.patient)
        if not np.isnan(check.difference.value):
            rows.append(TreatmentRow(finding, treatment, check))
    return tuple(rows)


def _known(values: TextArray) -> list[str]:
    return [name for name in np.unique(values).tolist() if name != UNKNOWN]


def _with_article(name: str) -> str:
    if name.endswith("s"):
        return name
    return f"an {name}" if name[:1] in "aeiou" else f"a {name}"
