"""Means, ratios and repeated runs against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

from evaluation.cases import Interval
from evaluation.means import mean_interval, over_runs, ratio_difference, ratio_interval
from evaluation.resampling import bootstrap_ratio


def test_mean_interval_is_students():
    value = 3 * np.random.default_rng(0).random(30)
    expected = stats.t.interval(0.95, 29, value.mean(), stats.sem(value))
    result = mean_interval(value)
    assert (result.value, result.lower, result.upper) == pytest.approx((value.mean(), *expected))
    share = mean_interval(value / 3)  # by the delta method on the logit scale
    half = stats.t.ppf(0.975, 29) * stats.sem(value / 3) / (share.value * (1 - share.value))
    assert logit([share.lower, share.upper]) == pytest.approx(logit(share.value) + np.array([-half, half]))
    with_gap = mean_interval(np.append(value, np.nan))
    assert (with_gap.value, with_gap.lower, with_gap.upper) == pytest.approx((value.mean(), *expected))


def test_cases_of_one_patient_are_taken_together():
    value = np.random.default_rng(0).random(30)
    once = mean_interval(value)
    twice = mean_interval(np.repeat(value, 2), np.repeat(np.arange(30), 2))
    assert (twice.lower, twice.upper) == pytest.approx((once.lower, once.upper))


def test_leaving_out_one_patient_at_a_time_is_what_the_interval_rests_on():
    random = np.random.default_rng(2)
    images = np.array([1, 2, 9, 1, 4, 1])
    value, patient = random.normal(size=images.sum()), np.repeat(np.arange(6), images)
    without = [value[patient != each].mean() for each in range(6)]
    error = math.sqrt(5 / 6 * sum((value.mean() - each) ** 2 for each in without))
    freedom = images.sum() ** 2 / (images**2).sum() - 1  # 2.1 rather than 5: one patient has half of the images
    half = stats.t.ppf(0.975, freedom) * error
    result = mean_interval(value, patient)
    assert (result.lower, result.upper) == pytest.approx((value.mean() - half, value.mean() + half))


def test_ratio_interval_agrees_with_the_bootstrap():
    random = np.random.default_rng(1)
    whole = random.gamma(2, size=400)
    part = whole * random.beta(6, 3, size=400)
    patient = random.integers(0, 150, 400)
    result = ratio_interval(part, whole, patient)
    drawn = bootstrap_ratio(part[:, None], whole[:, None], patient, 4000).intervals()[0]
    width = result.upper - result.lower
    assert (drawn.lower, drawn.upper) == pytest.approx((result.lower, result.upper), abs=0.08 * width)


def test_too_few_cases_or_runs():
    assert math.isnan(mean_interval([]).value)
    assert math.isnan(mean_interval([0.5]).lower)
    assert mean_interval([0.5]).value == 0.5
    assert math.isnan(over_runs([]).interval.value)
    single = over_runs([0.9, np.nan])
    assert (single.runs, single.interval.value) == (1, 0.9)
    assert math.isnan(single.deviation)


def test_three_runs_by_hand():
    # mean 0.8, deviation 0.1; t with two degrees of freedom is 4.302653
    result = over_runs([0.7, 0.8, 0.9])
    assert result.interval.value == pytest.approx(0.8)
    assert result.deviation == pytest.approx(0.1)
    assert result.interval.upper == pytest.approx(0.8 + 4.302653 * 0.1 / math.sqrt(3))


def test_limits_of_shares_stay_shares():
    few = mean_interval([0, 0, 0, 0, 0.5])  # Student's would reach from -0.18 to 0.38
    assert few.value == pytest.approx(0.1)
    assert 0 < few.lower < few.value < few.upper < 1
    assert mean_interval([-1, 0, 0, 0, 0.5]).lower < -0.5  # no shares: Student's as it is


def test_patients_are_counted_if_no_share_varies():
    images = mean_interval(np.zeros(30), np.repeat(np.arange(10), 3))
    assert (images.value, images.lower) == (0, 0)
    assert images.upper == pytest.approx(1 - 0.025**0.1)  # Clopper and Pearson's for 0 of 10


def test_a_constant_difference_is_not_certain():
    ones, whole = np.ones(5), np.ones(5)
    result = ratio_difference((ones, whole), (0 * ones, whole))
    assert result.value == 1
    assert math.isnan(result.lower)
    assert ratio_difference((ones, whole), (ones, whole)) == Interval(0, 0, 0)


def test_distances_below_1_are_not_shares():
    distance = np.array([0.4, 0.5, 0.9, 0.2])
    result, tenfold = (mean_interval(each, can_exceed_1=True) for each in (distance, 10 * distance))
    # The unit does not matter.
    assert (10 * result.lower, 10 * result.upper) == pytest.approx((tenfold.lower, tenfold.upper))
    half = stats.t.ppf(0.975, 3) * distance.std(ddof=1) / 2
    assert (result.lower, result.upper) == pytest.approx((0.5 - half, 0.5 + half))
    assert math.isnan(mean_interval(np.zeros(4), can_exceed_1=True).upper)


@pytest.mark.parametrize("level", [1e-9, 0.5, 0.95])
def test_a_small_difference_has_limits_at_every_level(level):
    # Its standard error is of the order of 1e-6, so that at a low level limits lie within rounding of the value.
    random = np.random.default_rng(0)
    whole, first = np.ones(100), random.random(100)
    second = first + random.normal(1e-3, 1e-5, 100)
    result = ratio_difference((first, whole), (second, whole), level=level)
    half = stats.t.ppf(0.5 + level / 2, 99) * (first - second).std(ddof=1) / 10
    assert (result.lower, result.upper) == pytest.approx((result.value - half, result.value + half), abs=1e-14)
