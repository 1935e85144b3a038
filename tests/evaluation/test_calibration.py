"""Calibration by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from evaluation.calibration import brier_score, expected_calibration_error, reliability_curve


def cases(seed=0, n=2000):
    random = np.random.default_rng(seed)
    probability = random.random(n)
    return probability, (random.random(n) < probability**2).astype(float)


def test_brier_score_agrees_with_scikit_learn():
    probability, label = cases()
    assert brier_score(probability, label) == pytest.approx(brier_score_loss(label, probability))
    label[:100] = -1
    assert brier_score(probability, label) == pytest.approx(brier_score_loss(label[100:], probability[100:]))


def test_reliability_curve_agrees_with_scikit_learn():
    probability, label = cases()
    share, mean = calibration_curve(label, probability, n_bins=10)
    curve = reliability_curve(probability, label)
    np.testing.assert_allclose(curve.share, share)
    np.testing.assert_allclose(curve.probability, mean)
    assert curve.cases.sum() == 2000
    assert (curve.lower <= curve.share).all()
    assert (curve.upper >= curve.share).all()


def test_expected_calibration_error_by_hand():
    # Two bins: three cases of mean 0.2 with one present (gap 0.4 in sum), two of mean 0.9 with one present (gap 0.8).
    assert expected_calibration_error([0.1, 0.2, 0.3, 0.8, 1.0], [0, 1, 0, 1, 0], bins=2) == pytest.approx(1.2 / 5)


def test_it_is_the_weighted_gap_of_the_curve():
    probability, label = cases(1)
    curve = reliability_curve(probability, label, bins=15)
    gap = np.average(np.abs(curve.share - curve.probability), weights=curve.cases)
    assert expected_calibration_error(probability, label, bins=15) == pytest.approx(gap)


def test_empty_bins_and_nobody():
    curve = reliability_curve([0.05, 0.95], [0, 1], bins=10)
    assert np.isnan(curve.share).sum() == 8
    assert math.isnan(brier_score([0.5], [-1]))
    assert math.isnan(expected_calibration_error([0.5], [np.nan]))


def test_logits_are_refused():
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], not in \[-2.0, 0.5\]"):
        brier_score([-2, 0.5], [0, 1])
