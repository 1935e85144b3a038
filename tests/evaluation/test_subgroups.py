"""Subgroups against measuring them alone, and a known shortcut."""

import math

import numpy as np
import pytest

from evaluation.auc_tests import compare_unpaired
from evaluation.delong import auc_interval
from evaluation.permutation import holm
from evaluation.subgroups import age_bands, check_treatment, corrected, group_names, subgroup_areas, untested


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
    # Zou's limits for independent areas, by hand.
    one, two = expected.first, expected.second
    reach = math.hypot(one.value - one.lower, two.upper - two.value)
    assert rows[0].difference.lower == pytest.approx(expected.difference.value - reach)
    assert rows[0].p < 1e-9  # DeLong's is 9e-12
    assert rows[0].not_tested == ""
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
    assert rows[1].not_tested == (
        "not tested: 2 present inside, 0 absent inside, 1 present outside, 1 absent outside; 3 patients are needed"
    )
    with pytest.raises(ValueError, match=r"groups have shape \(1,\), but there are 2 cases"):
        subgroup_areas([1, 2], [0, 1], ["a"])


def test_names_of_groups():
    assert group_names([1.0, 0.5, np.nan]).tolist() == ["1", "0.5", "unknown"]
    assert group_names(["M", "", None]).tolist() == ["M", "unknown", "unknown"]
    assert group_names([True, False]).tolist() == ["True", "False"]
    # Long numbers, as of devices, stay apart.
    assert group_names([20210101.0, 20210102.0]).tolist() == ["20210101", "20210102"]
    assert group_names(np.array([0.1], dtype=np.float32)).tolist() == ["0.1"]
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


def test_a_treatment_of_two_patients_is_not_tested_and_said_so():
    label = np.repeat([1.0, 0.0], 30)
    drain, patient = np.zeros(60), np.arange(60)
    drain[:6], patient[:6] = 1, [0, 0, 0, 1, 1, 1]  # six images of two patients
    result = check_treatment(label + 5 * drain, label, drain, ("Pneumothorax", "a chest drain"), patient)
    assert np.isnan(result.p)
    assert result.warning == ""
    [text] = untested([result])
    assert "by a chest drain" in text
    assert text.endswith("Pneumothorax (2 with, 24 without, 30 absent).")
    assert untested([check_treatment(label + 5 * drain, label, drain)]) == ()


def test_warnings_of_several_findings_are_corrected_together():
    checks = [check_treatment(*drained(shortcut, n=300)) for shortcut in (2, 0, 0, 0, 0, 0.7)]
    together = corrected(checks)
    assert [check.p_holm for check in together] == holm([check.p for check in checks]).tolist()
    assert together[0].warning
    # noticed if it were the only question, but not among six
    assert checks[-1].p < 0.05 < together[-1].p_holm
    assert checks[-1].warning
    assert not together[-1].warning
