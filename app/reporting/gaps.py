"""Gaps between subgroups in sensitivity and specificity, at the thresholds that the run recorded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from app.pages import numbers
from app.pages.document import Heading, Note, Part, Table
from app.reporting.group_tables import folded_if_long
from app.reporting.groups import groups
from app.reporting.run_record import RunRecord, as_dict
from evaluation import ShareGap, share_gaps
from evaluation.cases import BoolArray
from evaluation.patients import patient_numbers
from evaluation.share_gaps import GroupShare


class GapRow(NamedTuple):
    """Sensitivity and specificity of a finding in a group, against all other groups of the attribute."""

    attribute: str
    finding: str
    sensitivity: ShareGap
    specificity: ShareGap


def gap_rows(record: RunRecord) -> list[GapRow]:
    """Every finding with a threshold in every group of every attribute; a device is not grouped by itself."""
    table = record.table
    called = called_findings(record)
    patient = patient_numbers(table.patient, len(table.image))[1]  # faster to group by than names
    rows = []
    for (attribute, group), (column, finding) in itertools.product(groups(table).items(), enumerate(table.findings)):
        if finding not in called or attribute == finding:
            continue
        present, absent = table.label[:, column] == 1, table.label[:, column] == 0
        found = share_gaps(called[finding], present, group, patient)
        spared = share_gaps(~called[finding], absent, group, patient)
        rows += [GapRow(attribute, finding, *pair) for pair in zip(found, spared, strict=True)]
    return rows


def gap_parts(record: RunRecord) -> list[Part]:
    """A table for each attribute, and how to read it; nothing if there is no threshold or no group."""
    rows = gap_rows(record)
    if not rows:
        return []
    parts: list[Part] = []
    for attribute, of_attribute in itertools.groupby(rows, key=lambda row: row.attribute):
        name = attribute.replace("_", " ")
        head = ("finding", name, "found / present", "sensitivity [95%]", "gap [95%]")
        sides = ("spared / absent", "specificity [95%]", "gap [95%]")
        table = Table((*head, *sides), list(_cells(list(of_attribute))), left=2, group=True)
        parts += [Heading(f"Sensitivity and specificity by {name}"), folded_if_long(table)]
    reading = (
        "A gap is the value in the group less that in all other groups, at the run's own thresholds; of two groups the "
        f"second mirrors the first. No correction is made for the number of gaps ({2 * len(rows)}): where nothing "
        f"differs, one interval in twenty excludes zero. {numbers.FEW_NOTE}"
    )
    return [*parts, Note(reading)]


def called_findings(record: RunRecord) -> dict[str, BoolArray]:
    """Whether each finding that has a threshold was called in each image."""
    table = record.table
    called = {}
    for column, finding in enumerate(table.findings):
        entry = as_dict(as_dict(record.metrics.get("sensitivity")).get(finding))
        name, rank = ("threshold", table.score) if table.logit is None else ("logit_threshold", table.logit)
        threshold = entry.get(name)
        if isinstance(threshold, int | float) and np.isfinite(threshold):
            called[finding] = rank[:, column] >= threshold
    return called


def _cells(rows: list[GapRow]) -> Iterator[tuple[str, ...]]:
    for finding, of_finding in itertools.groupby(rows, key=lambda row: row.finding):
        group = list(of_finding)
        for index, row in enumerate(group):
            mirrored = len(group) == 2 and index == 1
            sides = [cell for gap in (row.sensitivity, row.specificity) for cell in _side(gap, mirrored)]
            yield ("" if index else finding, row.sensitivity.group, *sides)


def _side(gap: ShareGap, mirrored: bool) -> tuple[str, str, str]:
    inside = gap.inside
    patients = f" ({numbers.counted(inside.patients, 'patient')})" if inside.patients != inside.cases else ""
    counts = f"{inside.right:,} / {inside.cases:,}{patients}"
    difference = "" if mirrored else numbers.difference(gap.difference) + _few(gap.inside, gap.outside)
    return counts, numbers.limits(inside.interval) + _few(inside), difference


def _few(*sides: GroupShare) -> str:
    return numbers.few_mark(*(side.patients for side in sides))
