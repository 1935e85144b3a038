"""Which attributes make groups, and what is corrected."""

from dataclasses import replace

import numpy as np
import pytest

from app.reporting.groups import group_rows, groups, not_grouped, treatment_rows, treatments
from evaluation import PredictionTable, check_treatment, holm, subgroup_areas

N = 400


@pytest.fixture
def table() -> PredictionTable:
    """A pneumothorax recognised by its drain: the score rises with the drain much more than with the finding."""
    draw = np.random.default_rng(1)
    label = (draw.random(N) < 0.4).astype(float)
    drain = np.where(label == 1, draw.random(N) < 0.6, draw.random(N) < 0.1).astype(int)
    score = draw.normal(size=N) + 0.4 * label + 2.5 * drain
    return PredictionTable(
        ("Pneumothorax",),
        np.array([f"image{n}" for n in range(N)]),
        np.array([f"patient{n // 2}" for n in range(N)]),
        label[:, None],
        score[:, None],
        {
            "sex": draw.choice(["F", "M", ""], N),
            "age": draw.integers(20, 91, N).astype(str),
            "drain": np.where(draw.random(N) < 0.1, "", drain.astype(str)),
            "portable": draw.choice(["True", "False"], N),
            "constant": np.full(N, "1"),
            "ward": draw.choice(["north", "south"], N),
            "view": np.full(N, "PA"),
        },
    )


def test_known_names_and_yes_or_no_make_groups_and_nothing_else_does(table):
    found = groups(table)
    assert {name: sorted(set(values.tolist())) for name, values in found.items()} == {
        "sex": ["F", "M", "unknown"],
        "age": ["18-39", "40-59", "60-79", "80 and over"],
        "drain": ["unknown", "with", "without"],
        "portable": ["with", "without"],
    }
    assert not_grouped(table) == ("constant", "ward", "view")


def test_rows_are_evaluations_and_mirrored_groups_count_once(table):
    rows = group_rows(table)
    by_sex = [row for row in rows if row.attribute == "sex"]
    expected = subgroup_areas(table.score[:, 0], table.label[:, 0], table.attributes["sex"], table.patient)
    assert tuple(row.row for row in by_sex) == expected
    assert np.isnan(by_sex[1].p_holm)
    # sex, drain and portable are one test each; age has four groups.
    tested = [row for row in rows if not np.isnan(row.p_holm)]
    assert len(tested) == 1 + 1 + 1 + 4
    assert [row.p_holm for row in tested] == holm([row.row.p for row in tested]).tolist()


def test_a_finding_recognised_by_its_drain_is_warned_of_in_plain_words(table):
    found = {row.treatment: row.check for row in treatment_rows(table)}
    assert list(found) == ["drain", "portable"]
    words = ("Pneumothorax", "a chest drain")
    alone = check_treatment(table.score[:, 0], table.label[:, 0], treatments(table)["drain"], words, table.patient)
    assert found["drain"] == replace(alone, p_holm=2 * alone.p)  # the smaller of two
    assert found["drain"].warning.startswith("Pneumothorax is recognised better where a chest drain is visible")
    assert found["portable"].warning == ""


def test_a_device_among_the_findings_is_a_treatment_of_the_others():
    draw = np.random.default_rng(2)
    label = draw.integers(0, 2, (N, 2)).astype(float)
    names = np.array([f"image{n}" for n in range(N)])
    table = PredictionTable(("Pneumothorax", "Chest Drain"), names, names, label, draw.normal(size=(N, 2)))
    assert [(row.finding, row.treatment) for row in treatment_rows(table)] == [("Pneumothorax", "Chest Drain")]
    assert {(row.finding, row.attribute) for row in group_rows(table)} == {("Pneumothorax", "Chest Drain")}
