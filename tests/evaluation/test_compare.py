"""Models compared: the same numbers as the single tests, exact zeros, and errors that say what differs."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evaluation.auc_tests import compare_paired
from evaluation.compare import DifferentCasesError, compare_means, compare_predictions, compare_ratios
from evaluation.means import mean_interval, ratio_interval
from evaluation.permutation import holm, paired_permutation_test
from evaluation.predictions import PredictionTable


def tables(n=200):
    random = np.random.default_rng(0)
    label = np.where(random.random((n, 3)) < 0.1, -1, random.random((n, 3)) < 0.4).astype(float)
    image = np.array([f"{k}.png" for k in range(n)])
    patient = np.array([f"p{k // 3}" for k in range(n)])
    first, second = (random.normal(size=(n, 3)) + gain * (label == 1) for gain in (1.2, 0.6))
    findings = ("Nodule", "Mass", "Hernia")
    return [PredictionTable(findings, image, patient, label, score) for score in (first, second)]


@pytest.mark.parametrize("by_patient", [False, True])
def test_rows_are_the_single_tests(by_patient):
    one, two = tables()
    result = compare_predictions(one, two, by_patient=by_patient)
    patient = one.patient if by_patient else None
    singles = [compare_paired(one.score[:, c], two.score[:, c], one.label[:, c], patient) for c in range(3)]
    for row, single in zip(result.rows, singles, strict=True):
        assert (row.first, row.second) == (single.first, single.second)
        assert row.p == pytest.approx(single.p)
        assert row.difference.lower == pytest.approx(single.difference.lower)
    np.testing.assert_allclose([row.p_holm for row in result.rows], holm([single.p for single in singles]))
    assert result.macro.difference.value == pytest.approx(np.mean([row.difference.value for row in result.rows]))
    assert result.macro.difference.lower < result.macro.difference.value < result.macro.difference.upper


def test_the_same_table_twice_differs_by_exactly_nothing():
    one, _ = tables()
    result = compare_predictions(one, one)
    for row in (*result.rows, result.macro):
        assert (row.difference.value, row.difference.lower, row.difference.upper, row.p) == (0, 0, 0, 1)
    assert [row.p_holm for row in result.rows] == [1, 1, 1]


def test_rows_and_findings_may_come_in_another_order():
    one, two = tables()
    random = np.random.default_rng(1)
    shuffled = two.rows(random.permutation(200))
    swapped = replace(
        shuffled,
        findings=("Hernia", "Mass", "Nodule"),
        label=shuffled.label[:, ::-1],
        score=shuffled.score[:, ::-1],
    )
    assert compare_predictions(one, swapped) == compare_predictions(one, two)


def test_swapping_the_models_negates_the_difference():
    one, two = tables()
    for there, back in zip(compare_predictions(one, two).rows, compare_predictions(two, one).rows, strict=True):
        assert there.difference.value == -back.difference.value
        assert there.p == back.p


def test_other_cases_are_refused_with_what_differs():
    one, two = tables()
    with pytest.raises(DifferentCasesError, match=r"190 images only in A \(10.png, 11.png, 12.png and 187 more\)"):
        compare_predictions(one, two.rows(np.arange(10)))
    renamed = replace(two, findings=("Nodule", "Mass", "Edema"))
    with pytest.raises(DifferentCasesError, match=r"1 findings only in A \(Hernia\); 1 findings only in new \(Edema\)"):
        compare_predictions(one, renamed, ("A", "new"))
    moved = replace(two, patient=np.roll(two.patient, 1))
    with pytest.raises(DifferentCasesError, match=r"images with another patient \(0.png, 3.png"):
        compare_predictions(one, moved)
    label = two.label.copy()
    label[4, 1], label[6, 1] = 1, -1
    one.label[4, 1], one.label[6, 1] = 0, -2
    with pytest.raises(DifferentCasesError, match=r"1 other labels \(4.png, Mass: 0 and 1\)"):
        compare_predictions(one, replace(two, label=label))


def test_a_finding_without_present_cases_has_no_value():
    one, two = tables()
    one.label[:, 2] = 0
    result = compare_predictions(one, two)
    assert math.isnan(result.rows[2].p)
    assert math.isnan(result.rows[2].p_holm)
    assert result.macro.difference.value == pytest.approx(np.mean([row.difference.value for row in result.rows[:2]]))
    assert (result.macro.first.present, result.macro.first.unknown) == (2, 1)
    one.label[:] = 0
    nothing = compare_predictions(one, two)
    assert math.isnan(nothing.macro.p)


def test_means_are_the_single_tests():
    random = np.random.default_rng(2)
    first = random.random((60, 2))
    second = first - random.normal(0.03, 0.1, (60, 2))
    first[:5, 0], patient = np.nan, np.arange(60) // 2
    result = compare_means(first, second, ("Nodule", "Mass"), patient)
    row = result.rows[0]
    kept = slice(5, None)
    assert row.first.interval == mean_interval(first[kept, 0], patient[kept])
    assert (row.first.present, row.first.unknown) == (55, 5)
    assert row.p == paired_permutation_test(first[:, 0], second[:, 0], patient).p
    expected = mean_interval((first - second)[kept, 0], patient[kept])
    assert (row.difference.lower, row.difference.upper) == pytest.approx((expected.lower, expected.upper))
    assert [r.p_holm for r in result.rows] == holm([r.p for r in result.rows]).tolist()
    assert result.macro is None
    with pytest.raises(ValueError, match="both must be the same"):
        compare_means(first, second[:3], ("Nodule", "Mass"))


def test_the_same_dice_twice_differs_by_exactly_nothing():
    random = np.random.default_rng(3)
    both = random.integers(0, 50, (30, 1))
    whole = 2 * both + random.integers(1, 50, (30, 1))
    row = compare_ratios((2 * both, whole), (2 * both, whole), ("Nodule",)).rows[0]
    assert (row.difference.value, row.difference.lower, row.difference.upper, row.p) == (0, 0, 0, 1)
    limits = ratio_interval(2 * both[:, 0], whole[:, 0])
    assert row.first.interval == limits


def test_nothing_to_compare_is_nan():
    row = compare_means(np.full((3, 1), np.nan), np.zeros((3, 1)), ("Nodule",)).rows[0]
    assert np.isnan([row.first.value, row.difference.value, row.p, row.p_holm]).all()
