"""Quantiles and proportions against scipy."""

import math

import numpy as np
import pytest
from scipy import special, stats

from evaluation.distributions import (
    beta_quantile,
    exact_interval,
    normal_quantile,
    regularised_beta,
    t_quantile,
    two_sided_p,
    wilson_interval,
)


def test_regularised_beta():
    random = np.random.default_rng(0)
    for x, a, b in zip(
        random.random(300), 10 ** random.uniform(-1, 5, 300), 10 ** random.uniform(-1, 5, 300), strict=True
    ):
        assert regularised_beta(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 3, 10, 1000, 100_000])
def test_t_quantile(freedom):
    assert t_quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


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


def test_normal():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054)
    assert two_sided_p(-1.959963984540054) == pytest.approx(0.05)
    assert beta_quantile(0.3, 2, 5) == pytest.approx(stats.beta.ppf(0.3, 2, 5))
    with pytest.raises(ValueError, match="between 0 and 1, not be 95"):
        normal_quantile(95)
    with pytest.raises(ValueError, match="at least 1 degree of freedom, not 0"):
        t_quantile(0.95, 0)
