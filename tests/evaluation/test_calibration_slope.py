"""Slope and intercept of calibration against statsmodels, and against leaving out each patient in turn."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.logits import probability


def cases():
    random = np.random.default_rng(3)
    logit = random.normal(-1, 1.5, 300)
    return logit, (random.random(300) < probability(-0.4 + 0.7 * logit)).astype(float)


def test_values_are_those_of_statsmodels():
    # statsmodels 0.15.0: Logit(label, [logit, 1]).fit().params[0], and GLM(label, 1, Binomial(), offset=logit).
    logit, label = cases()
    assert calibration_slope(logit, label).value == pytest.approx(0.5608680916618984, rel=1e-9)
    assert calibration_intercept(logit, label).value == pytest.approx(-0.10964545111886904, rel=1e-9)


@pytest.mark.parametrize("measure", [calibration_slope, calibration_intercept])
def test_the_width_is_that_of_leaving_out_each_patient(measure):
    logit, label = cases()
    patient = np.arange(300) // 3
    without = [measure(logit[patient != k], label[patient != k]).value for k in range(100)]
    error = math.sqrt(99 / 100 * np.sum(np.square(without - np.mean(without))))
    result = measure(logit, label, patient)
    # Student's t of 20 to 99 degrees of freedom is 1.98 to 2.09; one step of Newton's method is not exact.
    assert 1.95 * error < result.upper - result.value < 2.1 * error
    assert result.value - result.lower == pytest.approx(result.upper - result.value)


def test_images_repeated_within_patients_add_nothing():
    logit, label = cases()
    once = calibration_slope(logit, label, np.arange(300))
    four = calibration_slope(*(np.repeat(each, 4) for each in (logit, label)), np.repeat(np.arange(300), 4))
    assert (four.lower, four.upper) == pytest.approx((once.lower, once.upper))
    assert (four.present, four.present_patients) == (4 * once.present, once.present)


def test_unknown_cases_are_left_out_and_counted():
    logit, label = cases()
    label[:50] = np.resize([-1, -2, np.nan], 50)
    result, expected = calibration_slope(logit, label), calibration_slope(logit[50:], label[50:])
    assert (result.interval, result.unknown) == (expected.interval, 50)


@pytest.mark.parametrize(
    ("logit", "label"),
    [
        ([], []),
        ([1.0, 2.0], [1, 1]),
        ([1.0, 2.0, 3.0], [0, 1, 1]),
        ([3.0, 2.0, 1.0], [0, 1, 1]),
        ([0.0, 0.0, 0.0], [0, 1, 1]),
        ([0.0, 1.0, 1.0, 2.0], [0, 0, 1, 1]),
        ([-math.inf, 1.0, 0.0, 2.0], [0, 0, 1, 1]),
    ],
    ids=["no case", "one class", "separated", "reversed", "constant", "separated but for ties", "infinite"],
)
def test_a_slope_without_a_finite_value_is_undefined(logit, label):
    assert math.isnan(calibration_slope(logit, label).value)


def test_intercept_of_separated_and_of_extreme_logits():
    # By hand: at a shift of -80, logits 60 and 100 become -20 and 20, symmetric about 0.
    assert calibration_intercept([60.0, 100.0], [0, 1]).value == pytest.approx(-80)
    assert calibration_intercept([0.0, 0.0, 0.0, 0.0], [1, 0, 0, 0]).value == pytest.approx(-math.log(3))
    assert math.isnan(calibration_intercept([1.0, 2.0], [1, 1]).value)
    assert math.isnan(calibration_intercept([math.inf, 2.0], [1, 0]).value)


def test_one_patient_has_no_interval():
    logit, label = cases()
    result = calibration_slope(logit, label, np.zeros(300))
    assert result.value == calibration_slope(logit, label).value
    assert math.isnan(result.lower)


@pytest.mark.parametrize(("patients", "images", "shift"), [(300, 1, -2.9), (60, 4, -1.1)])
def test_intervals_cover(patients, images, shift):
    """Labels of a patient share half of their chance; 200 sets have a standard error of 1.5 points."""
    random, covered = np.random.default_rng(5), np.zeros(2)
    number = np.repeat(np.arange(patients), images)
    for _ in range(200):
        shared, own = random.normal(size=(2, patients)), random.normal(size=(2, number.size))
        noise, chance = math.sqrt(0.5) * (shared[:, number] + own)
        logit = shift + 1.5 * noise
        label = (ndtr(chance) < probability(logit)).astype(float)
        for k, (measure, truth) in enumerate(((calibration_slope, 1), (calibration_intercept, 0))):
            result = measure(logit, label, number)
            covered[k] += result.lower <= truth <= result.upper
    assert ((covered / 200 > 0.905) & (covered / 200 < 0.99)).all()
