"""Likelihood ratios against statsmodels, and predictive values against Bayes' theorem."""

import math

import numpy as np
import pytest

from evaluation.cases import Interval, checked_labels
from evaluation.likelihood_ratios import LikelihoodRatios, likelihood_ratios, share_ratio
from evaluation.operating import operating_point


@pytest.mark.parametrize(
    ("first", "second", "limits"),
    [
        # statsmodels 0.15.0, confint_proportions_2indep(..., compare="ratio", method="score", correction=False)
        ((45, 50), (12, 150), (6.618438348214414, 19.545339570399772)),
        ((1, 40), (77, 90), (0.005167477318742347, 0.15089932919020851)),
        ((10, 10), (0, 30), (8.809533148810164, math.inf)),
        ((0, 10), (3, 30), (0.0, 3.275419273810781)),
    ],
)
def test_ratio_of_shares_agrees_with_statsmodels(first, second, limits):
    one, two = ((part / whole, whole) for part, whole in (first, second))
    result = share_ratio(one, two)
    assert (result.lower, result.upper) == pytest.approx(limits, rel=1e-9)
    assert result.value == (one[0] / two[0] if two[0] else math.inf)


def test_ratios_of_calls_by_hand():
    label = checked_labels([1, 1, 1, 1, 0, 0, 0, 0, 0, -1])
    ratios = likelihood_ratios(np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1], dtype=bool), label)
    assert (ratios.positive.value, ratios.negative.value) == pytest.approx((0.75 / 0.2, 0.25 / 0.8))


def test_patients_are_taken_together():
    """Three copies of each patient's case: the interval is that of the patients but for 119 / 120 of a variance."""
    called, label = np.repeat([1, 0, 1, 0], [30, 10, 6, 34]).astype(bool), np.repeat([1, 1, 0, 0], [30, 10, 6, 34])
    once = likelihood_ratios(called, checked_labels(label))
    patient = np.repeat(np.arange(80), 3)
    copied = likelihood_ratios(np.repeat(called, 3), checked_labels(np.repeat(label, 3)), patient)
    for side in ("positive", "negative"):
        expected, found = getattr(once, side), getattr(copied, side)
        assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper), rel=0.01)
    alone = likelihood_ratios(np.repeat(called, 3), checked_labels(np.repeat(label, 3)))
    assert alone.positive.lower > copied.positive.lower * 1.2


@pytest.mark.parametrize(
    ("called", "label", "positive", "negative"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], math.inf, 0.0),
        ([0, 0, 0, 0], [1, 1, 0, 0], math.nan, 1.0),
        ([1, 1, 1, 1], [1, 1, 0, 0], 1.0, math.nan),
        ([1, 1], [1, 1], math.nan, math.nan),
    ],
)
def test_what_is_not_defined(called, label, positive, negative):
    ratios = likelihood_ratios(np.array(called, dtype=bool), checked_labels(label))
    assert (ratios.positive.value, ratios.negative.value) == pytest.approx((positive, negative), nan_ok=True)


def test_predictive_values_follow_from_bayes_theorem():
    score, label = np.repeat([1, 0, 1, 0], [40, 10, 15, 135]), np.repeat([1, 1, 0, 0], [40, 10, 15, 135])
    point = operating_point(score, label, 0.5)
    sensitivity, specificity = 0.8, 0.9
    for prevalence in (0.001, 0.02, 0.25, 0.9):
        positive, negative = point.likelihood_ratios.predictive_values(prevalence)
        called = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)
        assert positive.value == pytest.approx(sensitivity * prevalence / called)
        assert negative.value == pytest.approx(specificity * (1 - prevalence) / (1 - called))
        assert positive.lower < positive.value < positive.upper
        assert negative.lower < negative.value < negative.upper
    # At the sample's own prevalence they are the sample's own.
    positive, negative = point.likelihood_ratios.predictive_values(0.25)
    assert positive.value == pytest.approx(point.precision.value)
    assert negative.value == pytest.approx(point.negative_predictive_value.value)


def test_predictive_values_of_perfect_calls():
    ratios = LikelihoodRatios(Interval(math.inf, 5.0, math.inf), Interval(0.0, 0.0, 0.2))
    positive, negative = ratios.predictive_values(0.1)
    assert (positive.value, positive.upper, negative.value, negative.upper) == (1, 1, 1, 1)
    assert positive.lower == pytest.approx(5 / 14)
    assert negative.lower == pytest.approx(45 / 46)


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, math.nan])
def test_prevalence_is_a_share(prevalence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        LikelihoodRatios(Interval(2, 1, 3), Interval(0.5, 0.3, 0.9)).predictive_values(prevalence)


def test_intervals_cover():
    """400 sets of 60 patients of up to eight images; 95% with a standard error of 1.1 points."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        owner = np.repeat(np.arange(120), random.integers(1, 9, 120))
        latent = (random.normal(size=120)[owner] + random.normal(size=len(owner))) / math.sqrt(2)
        label = (owner < 60).astype(int)
        called = latent < np.where(label, 0.8416, -0.8416)  # sensitivity and specificity of 0.8
        ratio = likelihood_ratios(called, checked_labels(label), owner).positive
        covered += ratio.lower <= 4 <= ratio.upper
    assert 0.92 * 400 <= covered <= 0.98 * 400
