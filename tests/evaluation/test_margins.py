"""Non-inferiority and equivalence: statsmodels' TOST where both apply, and what intervals say elsewhere."""

import math
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from evaluation.auc_tests import difference_interval
from evaluation.call_comparison import compare_calls
from evaluation.cases import Interval
from evaluation.compare import compare_means, compare_predictions
from evaluation.margins import MarginTest, holm_margins, margin_test
from evaluation.means import ratio_difference
from evaluation.predictions import PredictionTable

A = np.array([0.61, 0.72, 0.58, 0.80, 0.69, 0.74, 0.66, 0.71])
B = np.array([0.63, 0.70, 0.60, 0.79, 0.72, 0.73, 0.69, 0.72])


@pytest.mark.parametrize(
    ("margin", "lower", "upper"),
    # statsmodels 0.15.0, ttost_paired(B, A, -margin, margin): p of "B is worse" and of "B is better" by the margin
    [(0.02, 0.002147302930079965, 0.07420770100832753), (0.005, 0.04377831264302561, 0.6974594209496159)],
)
def test_means_agree_with_statsmodels(margin, lower, upper):
    test = compare_means(A[:, None], B[:, None], ("Nodule",), margin=margin).rows[0].margin
    assert test.p_noninferior == pytest.approx(lower, rel=1e-8)
    assert test.p_equivalent == pytest.approx(max(lower, upper), rel=1e-8)


def tables():
    random, image = np.random.default_rng(1), np.arange(200).astype(str)
    label = (np.arange(200) % 4 == 0).astype(float)[:, None]
    first = random.normal(size=(200, 1)) + label
    scores = first, first + 0.4 * random.normal(size=(200, 1))
    return [PredictionTable(("Nodule",), image, image, label, score) for score in scores]


@pytest.mark.parametrize("level", [0.95, 0.9, 0.5])
def test_p_is_the_level_at_which_the_interval_touches_the_margin(level):
    one, two = tables()
    difference = compare_predictions(one, two, level=level).rows[0].difference
    test = compare_predictions(one, two, margin=difference.upper).rows[0].margin
    assert test.p_noninferior == pytest.approx((1 - level) / 2, rel=1e-6)


def test_the_margin_of_the_other_direction_gives_the_rest():
    # B - A = -0.03 with a standard error of 0.01: beyond a margin of 0.02, so p is above a half.
    def at(level):
        return difference_interval(0.03, 0.01**2, level)

    assert margin_test(at, 0.02).p_noninferior == pytest.approx(norm.cdf(1), rel=1e-6)
    assert margin_test(at, 0.03).p_noninferior == pytest.approx(0.5)


def test_scores_that_rank_alike_are_equivalent_within_any_margin():
    one, _ = tables()
    result = compare_predictions(one, one, margin=1e-6)
    assert result.rows[0].margin == result.macro.margin == MarginTest(1e-6, 0.0, 0.0)


def test_without_an_interval_there_is_no_test():
    test = margin_test(lambda level: Interval(0.1, math.nan, math.nan), 0.2)
    assert math.isnan(test.p_noninferior)
    assert math.isnan(test.p_equivalent)
    assert holm_margins([None, test])[0] is None


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan])
def test_a_margin_that_is_not_above_zero_is_refused(margin):
    with pytest.raises(ValueError, match="must be above 0"):
        compare_means(A[:, None], B[:, None], ("Nodule",), margin=margin)


def test_small_differences_of_means_are_tested_as_by_students():
    random = np.random.default_rng(0)
    whole, first = np.ones(100), random.random(100)
    gain = random.normal(1e-3, 1e-5, 100)
    result = margin_test(partial(ratio_difference, (first + gain, whole), (first, whole), None), margin=0.001)
    assert result.p_noninferior == pytest.approx(ttest_1samp(gain, 0.001, alternative="less").pvalue)


@pytest.mark.parametrize("cases", range(3, 12))
def test_margins_of_few_cases_are_those_of_students_test(cases):
    random = np.random.default_rng(cases)
    first, second = random.random((2, cases))
    whole = np.ones(cases)
    result = margin_test(partial(ratio_difference, (first, whole), (second, whole), None), margin=0.1)
    assert result.p_noninferior == pytest.approx(ttest_1samp(first - second, 0.1, alternative="less").pvalue)


@pytest.mark.parametrize("patients", [5, 7])
def test_margins_of_calls_of_few_patients(patients):
    random = np.random.default_rng(patients)
    first, second = (random.random((2, 3 * patients, 1)) < 0.6).astype(float)
    [row] = compare_calls(first, second, ("Nodule",), np.arange(3 * patients) // 3, margin=0.3).rows
    assert 0 < row.margin.p_noninferior < 1
