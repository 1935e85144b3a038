"""Limits of areas: against their definition by other means, for large samples against DeLong's, and at the ends."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from evaluation.area_limits import (
    Spread,
    freedom_and_model,
    limits,
    placement_variance,
    satterthwaite,
    score_limits,
    steadied,
)
from evaluation.auc_tests import compare_paired
from evaluation.delong import area_covariance, auc_interval, macro_auc_interval
from evaluation.partial_areas import compare_partial_auc


def moment(area: float, power: int) -> float:
    """Central moment of the placement of a present case in two normal populations, by integration."""
    distance = math.sqrt(2) * stats.norm.ppf(area)

    def integrand(z: float) -> float:
        return (stats.norm.cdf(distance + z) - area) ** power * stats.norm.pdf(z)

    return integrate.quad(integrand, -10, 10, limit=200, epsabs=1e-14)[0]


@pytest.mark.parametrize("area", [0.5, 0.2, 0.8, 0.95, 0.99])
def test_variance_of_a_placement_by_integration(area):
    assert placement_variance(area) == pytest.approx(moment(area, 2), rel=1e-8)


@pytest.mark.parametrize(("area", "m", "n"), [(0.8, 10, 90), (0.97, 30, 970), (0.3, 5, 40)])
def test_limits_by_their_definition(area, m, n):
    """Each limit lies so many of its own standard errors away; the steps are those of the module's text."""
    spreads = [Spread(0.4 / m**1.5, m - 1, 1 / m), Spread(0.2 / n**1.5, n - 1, 1 / n)]
    kurtosis = moment(area, 4) / moment(area, 2) ** 2
    weight = [(size - 1) * min(1, 2 / (kurtosis - 1)) for size in (m, n)]
    parts = [
        (own * each.variance / moment(area, 2) + 1 / size) / (own + 1)
        for own, each, size in zip(weight, spreads, (m, n), strict=True)
    ]
    assert steadied(area, spreads) == pytest.approx(parts, rel=1e-6)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / m + parts[1] ** 2 / n)
    quantile = stats.t.ppf(0.975, freedom)
    result = limits(area, spreads)
    for limit in (result.lower, result.upper):
        assert abs(limit - area) == pytest.approx(quantile * math.sqrt(sum(parts) * moment(limit, 2)), rel=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 7, [5] * 4, [60, *[1] * 20], [3, 1, 4, 1, 5]], ids=str)
def test_degrees_of_freedom_by_matrices(sizes):
    """Bell and McCaffrey's: residuals of a mean, each patient's over 1 - its share, for independent cases."""
    cases = sum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    residual = np.eye(cases) - 1 / cases
    member = (owner[:, None] == np.arange(len(sizes))).astype(float)
    scaled = member / np.sqrt(1 - np.array(sizes) / cases)
    form = residual @ scaled @ scaled.T @ residual
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    freedom, model = freedom_and_model(np.array(sizes))
    assert freedom == pytest.approx(expected, rel=1e-9)
    assert model == pytest.approx(0.5 * sum(s * s for s in sizes) / cases**2 + 0.5 / cases)


def test_patients_of_one_case_are_cases():
    assert freedom_and_model(np.array([1, 0, 1, 1])) == (pytest.approx(2), pytest.approx(1 / 3))


@pytest.mark.parametrize("area", [0.6, 0.9, 0.98])
def test_large_samples_have_delongs_interval(area):
    random = np.random.default_rng(3)
    label = np.arange(60_000) < 20_000
    score = random.normal(size=label.size) + math.sqrt(2) * stats.norm.ppf(area) * label
    result = auc_interval(score, label)
    half = 1.959964 * math.sqrt(area_covariance(score[:, None], label).covariance[0, 0])
    assert result.value - result.lower == pytest.approx(half, rel=0.05)
    assert result.upper - result.value == pytest.approx(half, rel=0.05)


def test_area_of_1_falls_into_line():
    """The interval of an area of 1 is the limit of those of areas ever nearer to 1."""
    spread = [Spread(0.0, 49, 1 / 50), Spread(0.0, 49, 1 / 50)]
    near, at = limits(1 - 1e-9, spread), limits(1.0, spread)
    assert near.lower == pytest.approx(at.lower, abs=1e-4)
    assert at.upper == 1
    reverse = limits(0.0, spread)
    assert (reverse.lower, reverse.upper) == pytest.approx((0, 1 - at.lower), abs=1e-9)


def test_more_confidence_is_wider_and_bad_levels_are_refused():
    narrow, wide = score_limits(0.9, 0.02, 12, 0.8), score_limits(0.9, 0.02, 12, 0.99)
    assert wide.lower < narrow.lower < 0.9 < narrow.upper < wide.upper
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        score_limits(0.9, 0.02, 12, 1.5)


def test_a_negative_share_of_both_classes_cannot_void_the_variance():
    spread = [Spread(0.001, 19, 1 / 20), Spread(0.001, 19, 1 / 20)]
    assert limits(0.9, spread, cross=-0.01).upper > 0.91


def test_welch_by_hand():
    assert satterthwaite([3.0, 1.0], [2, 10]) == pytest.approx(16 / (9 / 2 + 1 / 10))
    assert math.isnan(satterthwaite([0.0, 0.0], [2, 10]))


def test_macro_average_of_perfect_findings_is_no_certainty():
    label = np.repeat((np.arange(40) < 10)[:, None], 2, axis=1).astype(float)
    perfect = macro_auc_interval(area_covariance(label, label))
    assert (perfect.value, perfect.upper) == (1, 1)
    assert perfect.lower == pytest.approx(auc_interval(label[:, 0], label[:, 0]).lower)
    score = np.random.default_rng(0).normal(size=(40, 1)) + label[:, :1]
    mixed = macro_auc_interval(area_covariance(np.hstack([label[:, :1], score]), label))
    assert mixed.lower < mixed.value < mixed.upper


def test_two_patients_have_a_degree_of_freedom_in_spite_of_rounding():
    # The variance of two patients is the square of one number: a single degree of freedom for equal shares, and by
    # Bell and McCaffrey's formula for any other.
    for one, other in itertools.combinations(range(1, 60), 2):
        freedom = freedom_and_model(np.array([one, other]))[0]
        assert freedom == pytest.approx(1)
        assert freedom >= 1
        assert satterthwaite([0.1 * one, 0.0], [freedom, freedom]) >= 1


@pytest.mark.parametrize("seed", range(30))
def test_areas_of_two_patients_are_compared(seed):
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(2, 30))
    label, patient = random.random(30) < 0.5, random.random(30) < 0.3
    for p in (compare_paired(first, second, label, patient).p, compare_partial_auc(first, second, label, patient).p):
        assert 0 < p <= 1
