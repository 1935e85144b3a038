"""Calibration by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from evaluation.calibration import (
    brier_score,
    expected_calibration_error,
    reliability_curve,
    scaled_brier_score,
)
from evaluation.means import mean_interval


def cases(seed=0, n=2000):
    random = np.random.default_rng(seed)
    probability = random.random(n)
    return probability, (random.random(n) < probability**2).astype(float)


def test_brier_score_agrees_with_scikit_learn():
    probability, label = cases()
    assert brier_score(probability, label).value == pytest.approx(brier_score_loss(label, probability))
    label[:100] = -1
    assert brier_score(probability, label).value == pytest.approx(brier_score_loss(label[100:], probability[100:]))


def test_brier_scores_of_a_patient_are_taken_together():
    probability, label = cases(n=60)
    once = brier_score(probability, label)
    twice = brier_score(*(np.repeat(each, 2) for each in (probability, label)), np.repeat(np.arange(60), 2))
    assert (twice.lower, twice.upper) == pytest.approx((once.lower, once.upper))
    assert (twice.present, twice.absent, twice.unknown) == (2 * label.sum(), 2 * (1 - label).sum(), 0)
    label[:20] = -1
    known = brier_score(probability, label, np.arange(60) // 2)
    expected = mean_interval(np.square(probability - label)[20:], np.arange(60)[20:] // 2)
    assert (known.interval, known.unknown) == (expected, 20)


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


def test_calibration_error_is_the_weighted_gap_of_the_curve():
    probability, label = cases(1)
    curve = reliability_curve(probability, label, bins=15)
    gap = np.average(np.abs(curve.share - curve.probability), weights=curve.cases)
    assert expected_calibration_error(probability, label, bins=15) == pytest.approx(gap)


def test_empty_bins_and_no_known_case():
    curve = reliability_curve([0.05, 0.95], [0, 1], bins=10)
    assert np.isnan(curve.share).sum() == 8
    assert math.isnan(brier_score([0.5], [-1]).value)
    assert math.isnan(expected_calibration_error([0.5], [np.nan]))


def test_logits_are_refused():
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], not in \[-2.0, 0.5\]"):
        brier_score([-2, 0.5], [0, 1])


@pytest.mark.parametrize("bins", [1, 10, 15, 100])
def test_edges_belong_to_the_bin_above(bins):
    random = np.random.default_rng(bins)
    for _ in range(20):
        probability, label = random.integers(0, 101, 40) / 100, random.integers(0, 2, 40)
        expected = 0.0
        for k in range(bins):
            inside = (probability >= k / bins) & ((probability < (k + 1) / bins) | (k == bins - 1))
            if inside.any():
                expected += inside.mean() * abs(probability[inside].mean() - label[inside].mean())
        assert expected_calibration_error(probability, label, bins) == pytest.approx(expected, abs=1e-12)


def test_no_bin_is_refused():
    with pytest.raises(ValueError, match="bins must be 1 or more, not 0"):
        expected_calibration_error([0.5], [1], 0)


def test_scaled_brier_score_by_hand():
    # Half are present: the reference is 0.25. (0.01 + 0.04 + 0.16 + 0.09) / 4 is 0.075.
    result = scaled_brier_score([0.9, 0.2, 0.6, 0.3], [1, 0, 1, 0])
    assert result.value == pytest.approx(0.7)
    assert scaled_brier_score([0.25] * 4, [1, 0, 0, 0]).value == pytest.approx(0)
    assert math.isnan(scaled_brier_score([0.9, 0.2], [1, 1]).value)


def test_the_scaled_brier_score_varies_as_when_leaving_out_each_patient():
    probability, label = cases(n=300)
    patient = np.arange(300) // 3
    values = [scaled_brier_score(probability[patient != k], label[patient != k]).value for k in range(100)]
    error = math.sqrt(99 / 100 * np.sum(np.square(values - np.mean(values))))
    result = scaled_brier_score(probability, label, patient)
    assert 1.94 * error < result.upper - result.value < 2.1 * error


def test_reliability_takes_patients_together():
    probability, label = cases(n=600)
    once = reliability_curve(probability, label)
    four = reliability_curve(*(np.repeat(x, 4) for x in (probability, label)), patient=np.repeat(np.arange(600), 4))
    np.testing.assert_allclose(four.share, once.share)
    assert (four.cases == 4 * once.cases).all()
    # Rao and Scott's variance over patients is wider by n / (n - 1) than Wilson's.
    np.testing.assert_allclose(four.lower, once.lower, atol=0.01)
    np.testing.assert_allclose(four.upper, once.upper, atol=0.01)


def test_a_scaled_brier_score_of_one_patient_has_no_limit():
    result = scaled_brier_score([0.9, 0.2, 0.6], [1, 0, 1], patient=["a", "a", "a"])
    assert result.value == pytest.approx(1 - (0.01 + 0.04 + 0.16) / 3 / (2 / 9))
    assert math.isnan(result.lower)
    assert math.isnan(result.upper)
