"""Gaps of sensitivity and specificity between subgroups."""

import itertools

import numpy as np

from app.pages.document import Heading, Note, Table
from app.reporting.gaps import called_findings, gap_parts, gap_rows
from app.reporting.group_tables import group_parts
from app.reporting.groups import groups
from evaluation import share_gaps


def test_gaps_are_evaluations_at_the_runs_thresholds(record):
    called = called_findings(record)
    assert np.array_equal(called["Nodule"], record.table.logit[:, 0] >= 0)
    rows = {(row.attribute, row.finding, row.sensitivity.group): row for row in gap_rows(record)}
    present = record.table.label[:, 0] == 1
    expected = share_gaps(called["Nodule"], present, record.table.attributes["sex"], record.table.patient)
    assert rows["sex", "Nodule", "F"].sensitivity == expected[0]
    assert {attribute for attribute, *_ in rows} == {"sex", "age"}  # no operator, and one view and source


def test_a_row_for_each_group_with_its_counts(record):
    parts = gap_parts(record)
    table = next(part for part in parts if isinstance(part, Table))
    row = next(row for row in table.rows if row[:2] == ("Nodule", "F"))
    gap = next(r for r in gap_rows(record) if (r.finding, r.sensitivity.group) == ("Nodule", "F")).sensitivity
    assert row[2] == f"{gap.inside.right} / {gap.inside.cases}"
    assert row[3].startswith(f"{gap.inside.interval.value:.3f} [")
    assert isinstance(parts[-1], Note)


def test_nothing_without_thresholds(without):
    assert gap_parts(without("metrics")) == []


def test_two_groups_are_one_row_and_more_are_one_each(record):
    parts = group_parts(record.table, [])
    by_heading = {part.text: table for part, table in itertools.pairwise(parts) if isinstance(part, Heading)}
    by_sex, by_age = by_heading["By sex"], by_heading["By age"]
    assert by_sex.head[:5] == ("finding", "cases F", "AUC F [95%]", "cases M", "AUC M [95%]")
    assert [row[0] for row in by_sex.rows] == ["Nodule", "Effusion"]
    assert by_age.head[:3] == ("finding", "age", "cases inside")
    assert len(by_age.rows) == 2 * len(set(groups(record.table)["age"].tolist()))
