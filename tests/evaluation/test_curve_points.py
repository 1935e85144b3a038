"""Sensitivity at a specificity on the same cases: the value by all thresholds, the interval by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from evaluation.cases import Counts
from evaluation.curve_points import sensitivity_at_specificity, specificity_at_sensitivity
from evaluation.distributions import wilson_interval
from evaluation.operating import operating_point
from evaluation.resampling import bootstrap_sensitivity


def cases(seed, n=150):
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.3).astype(float)
    return np.round(random.normal(size=n) + 1.2 * label, 1), label


@pytest.mark.parametrize("share", [0.0, 0.5, 0.93, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_value_is_the_best_of_all_thresholds(seed, share):
    score, label = cases(seed)
    points = [operating_point(score, label, threshold) for threshold in np.append(np.unique(score), np.inf)]
    sensitivity = max(point.sensitivity.value for point in points if point.specificity.value >= share)
    specificity = max(point.specificity.value for point in points if point.sensitivity.value >= share)
    found = sensitivity_at_specificity(score, label, share)
    assert found.value == sensitivity == operating_point(score, label, found.threshold).sensitivity.value
    found = specificity_at_sensitivity(score, label, share)
    assert found.value == specificity == operating_point(score, label, found.threshold).specificity.value


def test_interval_is_wider_than_that_of_a_threshold_given_beforehand():
    score, label = cases(4, 300)
    point = sensitivity_at_specificity(score, label, 0.9)
    given = operating_point(score, label, point.threshold).sensitivity
    assert point.lower < given.lower
    assert point.upper > given.upper


def test_patients_are_taken_together():
    """Three copies of each patient's case: 500 draws of the same patients give the same variance."""
    score, label = cases(5)
    once = sensitivity_at_specificity(score, label, 0.8)
    copied = sensitivity_at_specificity(np.repeat(score, 3), np.repeat(label, 3), 0.8, np.repeat(np.arange(150), 3))
    assert (copied.value, copied.lower, copied.upper) == pytest.approx((once.value, once.lower, once.upper))


def test_what_does_not_vary_counts_patients():
    point = sensitivity_at_specificity([0, 0, 1, 1], [0, 0, 1, 1], 0.9, ["a", "b", "c", "c"])
    assert point.value == 1
    assert point.lower == wilson_interval(1, 1).lower
    assert point.counts == Counts(2, 2, 0, 1, 2)


def test_missing_class_is_undefined():
    assert math.isnan(sensitivity_at_specificity([0, 1], [1, 1], 0.9).value)
    assert math.isnan(specificity_at_sensitivity([0, 1, 2], [0, -1, 0], 0.9).upper)


def test_replicates_are_those_of_drawn_patients():
    """Against drawing the cases themselves, with the weights of ``patient_weights``."""
    from evaluation.resampling import patient_weights

    score, label = cases(6, 40)
    patient = np.arange(40) // 2
    drawn = bootstrap_sensitivity(score[:, None], label[:, None], 0.7, patient, replicates=20, seed=3)
    weights = np.concatenate(list(patient_weights(20, 20, 3)), axis=1)
    for replicate, weight in zip(drawn.replicates[:, 0], weights.T, strict=True):
        rows = np.repeat(np.arange(40), weight[patient].astype(int))
        assert replicate == sensitivity_at_specificity(score[rows], label[rows], 0.7).value


def test_intervals_cover():
    """100 sets of 30 present and 300 absent cases; the truth from the binormal curve."""
    random = np.random.default_rng(7)
    truth = norm.sf(norm.isf(0.1) - 1.3)
    label = np.repeat([1, 0], [30, 300])
    covered = 0
    for _ in range(100):
        point = sensitivity_at_specificity(random.normal(size=330) + 1.3 * label, label, 0.9)
        covered += point.lower <= truth <= point.upper
    assert covered >= 0.9 * 100
