"""Subgroups against measuring them alone, and a known shortcut."""

import numpy as np
import pytest

from evaluation.auc_tests import compare_unpaired
from evaluation.delong import auc_interval
from evaluation.subgroups import age_bands, check_treatment, group_names, subgroup_areas


def cases(seed=0, n=400):
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.4).astype(float)
    view = np.where(random.random(n) < 0.5, "AP", "PA")
    return random.normal(size=n) + label * np.where(view == "PA", 1.5, 0.5), label, view


def test_inside_and_outside_are_measured_alone():
    score, label, view = cases()
    label[:5], view[5:10] = -1, ""
    rows = subgroup_areas(score, label, view)
    assert [row.group for row in rows] == ["AP", "PA"]
    ap, pa = view == "AP", view == "PA"
    alone = auc_interval(score[ap], label[ap])
    # the same area and interval; cases of other groups count as unknown here
    assert (rows[0].inside.value, rows[0].inside.lower) == pytest.approx((alone.value, alone.lower))
    assert (rows[0].inside.present, rows[0].inside.absent) == (alone.present, alone.absent)
    expected = compare_unpaired(score[ap], label[ap], score[pa], label[pa])
    assert rows[0].difference.lower == pytest.approx(expected.difference.lower)
    assert rows[0].p == pytest.approx(expected.p)
    assert rows[0].difference.value == -rows[1].difference.value < 0


def test_a_patient_on_both_sides_is_accounted_for():
    score, label, view = cases()
    alone = subgroup_areas(score, label, view, np.arange(400))[0]
    # every patient once as AP and once as PA, with almost the same score: inside and outside rise and fall together
    scores = np.concatenate([score, score + np.random.default_rng(1).normal(0, 0.1, 400)])
    patient, sides = np.tile(np.arange(400), 2), np.repeat(["AP", "PA"], 400)
    row = subgroup_areas(scores, np.tile(label, 2), sides, patient)[0]
    width = row.difference.upper - row.difference.lower
    assert width < 0.2 * (alone.difference.upper - alone.difference.lower)


def test_one_class_missing_in_a_group():
    rows = subgroup_areas([1, 2, 3, 4], [0, 1, 1, 1], ["a", "a", "b", "b"])
    assert np.isnan([rows[1].inside.value, rows[1].difference.value, rows[1].p]).all()
    with pytest.raises(ValueError, match=r"groups have shape \(1,\), but there are 2 cases"):
        subgroup_areas([1, 2], [0, 1], ["a"])


def test_names_of_groups():
    assert group_names([1.0, 0.5, np.nan]).tolist() == ["1", "0.5", "unknown"]
    assert group_names(["M", "", None]).tolist() == ["M", "unknown", "unknown"]
    assert group_names([True, False]).tolist() == ["True", "False"]
    assert age_bands([0, 17, 18, 59, 60, 80, 90, np.nan, -1]).tolist() == [
        "0-17", "0-17", "18-39", "40-59", "60-79", "80 and over", "80 and over", "unknown", "unknown",
    ]  # fmt: skip
    assert age_bands(["60", "", "17.5"]).tolist() == ["60-79", "unknown", "0-17"]


def drained(shortcut, n=2000):
    """Pneumothorax with drains in half of its cases and few others; the score sees the drain as much as told."""
    random = np.random.default_rng(1)
    label = (random.random(n) < 0.3).astype(float)
    drain = (random.random(n) < np.where(label == 1, 0.5, 0.05)).astype(float)
    return random.normal(size=n) + label + shortcut * drain, label, drain


def test_a_finding_recognised_by_its_drain_is_warned_of():
    score, label, drain = drained(shortcut=2)
    result = check_treatment(score, label, drain, ("Pneumothorax", "a chest drain"))
    assert result.difference.lower > 0.1
    assert result.treatment.value > 0.8
    assert result.warning.startswith("Pneumothorax is recognised better where a chest drain is visible (AUC 0.9")
    assert "may be recognised by its treatment" in result.warning
    assert "Among cases without Pneumothorax the score, too, is higher" in result.warning


def test_a_finding_recognised_by_itself_is_not():
    score, label, drain = drained(shortcut=0)
    result = check_treatment(score, label, drain)
    assert result.warning == ""
    assert result.treatment.lower < 0.5 < result.treatment.upper


def test_areas_by_treatment_are_those_of_their_cases():
    score, label, drain = drained(shortcut=1)
    drain[:50] = -1
    result = check_treatment(score, label, drain)
    kept = (label == 0) | ((label == 1) & (drain == 1))
    alone = auc_interval(score[kept], label[kept])
    assert (result.treated.value, result.treated.lower) == pytest.approx((alone.value, alone.lower))
    assert result.treated.present == ((label == 1) & (drain == 1)).sum()
    with pytest.raises(ValueError, match=r"treatments have shape \(1,\)"):
        check_treatment(score, label, [1])
