"""Quantiles and proportions against scipy."""

import math

import pytest
from scipy import stats

from evaluation.distributions import (
    exact_interval,
    normal_quantile,
    t_quantile,
    wilson_interval,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 10, 1000, 100_000])
def test_t_quantile(freedom):
    assert t_quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


@pytest.mark.parametrize("freedom", [1, 2.5, 4, 5, 6, 100, math.inf])
@pytest.mark.parametrize("level", [1e-10, 1e-8, 1e-6, 0.0009, 0.0011])
def test_t_quantile_of_low_levels(level, freedom):
    # So near to 0 the density is that at 0.
    density = stats.norm.pdf(0) if math.isinf(freedom) else stats.t.pdf(0, freedom)
    assert t_quantile(level, freedom) == pytest.approx(level / 2 / density, rel=1e-4 if level < 1e-9 else 1e-6)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (3, 10), (1, 1), (50_000, 112_120)])
def test_proportions(successes, trials):
    test = stats.binomtest(successes, trials)
    for found, method in ((exact_interval, "exact"), (wilson_interval, "wilson")):
        result, expected = found(successes, trials), test.proportion_ci(method=method)
        assert (result.lower, result.upper) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert result.value == successes / trials


def test_no_trial_no_proportion():
    assert math.isnan(exact_interval(0, 0).lower)
    assert math.isnan(wilson_interval(0, 0).value)


def test_proportions_need_not_be_whole():
    # The quantiles of beta distributions that Clopper and Pearson's limits are.
    limits = exact_interval(2.5, 7)
    assert (limits.lower, limits.upper) == pytest.approx(
        (stats.beta.ppf(0.025, 2.5, 5.5), stats.beta.ppf(0.975, 3.5, 4.5))
    )


def test_normal():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054)
    with pytest.raises(ValueError, match="between 0 and 1, not be 95"):
        normal_quantile(95)
    for level in (0, 1, 95, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            exact_interval(10, 10, level)
    with pytest.raises(ValueError, match="at least 1 degree of freedom, not 0"):
        t_quantile(0.95, 0)
