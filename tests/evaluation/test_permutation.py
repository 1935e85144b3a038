"""Permutation tests against scipy and by hand; Holm's correction by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation.permutation import holm, paired_permutation_test, paired_ratio_permutation_test


def test_few_patients_are_exact():
    # scipy exchanges the two samples case by case as well
    random = np.random.default_rng(0)
    first, second = random.random(9), random.random(9)
    expected = stats.permutation_test(
        (first, second), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    result = paired_permutation_test(first, second)
    assert result.exact
    assert result.p == pytest.approx(expected.pvalue)
    assert result.difference == pytest.approx(expected.statistic)


def test_many_patients_are_sampled():
    random = np.random.default_rng(1)
    first = random.random(40)
    second = first + random.normal(0.05, 0.15, 40)
    result = paired_permutation_test(first, second, replicates=20_000)
    assert not result.exact
    # For means the exchange is close to Student's paired test; 0.01 allows for sampling and for the approximation.
    assert result.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.01)
    assert paired_permutation_test(second, first, replicates=20_000).p == result.p


def test_the_same_twice_is_exactly_one():
    value = np.random.default_rng(2).random(50)
    result = paired_permutation_test(value, value)
    assert (result.difference, result.p) == (0, 1)


def test_patients_are_exchanged_whole():
    # Two patients of five images each: four exchanges, of which two are as large as the one seen.
    first, second = np.linspace(0.5, 0.9, 10), np.linspace(0.3, 0.8, 10)
    assert paired_permutation_test(first, second, np.repeat([0, 1], 5)).p == 0.5
    assert paired_permutation_test(first, second).p == 2 / 2**10


def test_right_and_wrong_is_mcnemars_test():
    first, second = np.repeat([1, 1, 0, 0], [4, 7, 1, 3]), np.repeat([1, 0, 1, 0], [4, 7, 1, 3])
    expected = stats.binomtest(1, 8).pvalue  # 7 against 1 among the eight that differ
    # The exact test wants few patients: pairs that agree move nothing and are put into one patient.
    agree = first == second
    patient = np.where(agree, -1, np.arange(15))
    assert paired_permutation_test(first, second, patient).p == pytest.approx(expected)


def test_aggregated_dice():
    random = np.random.default_rng(3)
    both = random.integers(5, 50, (10, 2))
    whole = 2 * both + random.integers(0, 60, (10, 2))
    result = paired_ratio_permutation_test((2 * both[:, 0], whole[:, 0]), (2 * both[:, 1], whole[:, 1]))
    total = 2 * both.sum(axis=0) / whole.sum(axis=0)
    assert result.difference == pytest.approx(total[0] - total[1])
    differences = []
    for pattern in range(2**10):
        swap = (pattern >> np.arange(10)) & 1
        b, w = np.where(swap[:, None], both[:, ::-1], both), np.where(swap[:, None], whole[:, ::-1], whole)
        value = 2 * b.sum(axis=0) / w.sum(axis=0)
        differences.append(value[0] - value[1])
    assert result.p == pytest.approx(np.mean(np.abs(differences) >= abs(result.difference) - 1e-12))


def test_cases_without_a_value_are_left_out():
    assert paired_permutation_test([0.5, np.nan, 0.7], [0.4, 0.1, np.nan]).difference == pytest.approx(0.1)
    assert math.isnan(paired_permutation_test([np.nan], [0.5]).p)
    with pytest.raises(ValueError, match=r"A has shape \(1,\) and B \(2,\)"):
        paired_permutation_test([1.0], [1.0, 2.0])


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03 times 3, 2, 1 is 0.03, 0.04, 0.03, which must not fall: 0.03, 0.04, 0.04.
    np.testing.assert_allclose(holm([0.03, 0.01, np.nan, 0.02]), [0.04, 0.03, np.nan, 0.04])
    np.testing.assert_array_equal(holm([0.9, 0.8]), [1, 1])
    assert holm([]).size == 0


def test_holm_takes_probabilities():
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], not be 1.5"):
        holm([0.1, np.nan, 1.5])
