"""Recalibration against scikit-learn, and what is chosen."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.logits import probability
from evaluation.recalibration import (
    METHODS,
    LogisticRecalibration,
    MeanRecalibration,
    choose_recalibration,
    fit_recalibration,
    recalibrated,
    recalibration_from,
)
from evaluation.roc import auc


def cases(slope=0.5, intercept=-0.5, n=600, seed=0):
    random = np.random.default_rng(seed)
    logit = random.normal(0, 2, n)
    return logit, random.random(n) < probability(intercept + slope * logit)


def test_platt_is_the_logistic_regression_of_scikit_learn():
    logit, present = cases()
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], present)
    fit = fit_recalibration("platt", logit, present)
    assert (fit.slope, fit.intercept) == pytest.approx((expected.coef_[0, 0], expected.intercept_[0]), rel=1e-5)


def test_temperature_is_the_logistic_regression_without_intercept():
    logit, present = cases()
    expected = LogisticRegression(C=np.inf, tol=1e-10, fit_intercept=False).fit(logit[:, None], present)
    fit = fit_recalibration("temperature", logit, present)
    assert (fit.slope, fit.intercept) == pytest.approx((expected.coef_[0, 0], 0), rel=1e-5)


def test_isotonic_is_that_of_scikit_learn_on_platts_targets():
    logit, present = cases()
    logit = logit.round(1)  # with ties
    high, low = (present.sum() + 1) / (present.sum() + 2), 1 / ((~present).sum() + 2)
    expected = IsotonicRegression(out_of_bounds="clip").fit(logit, np.where(present, high, low))
    fit = fit_recalibration("isotonic", logit, present)
    at = np.linspace(-12, 12, 500)
    np.testing.assert_allclose(probability(fit.logits(at)), expected.predict(at), atol=1e-12)
    assert 0 < fit.probability[0] < fit.probability[-1] < 1


@pytest.mark.parametrize("method", METHODS)
def test_every_form_rises_with_the_logit_and_survives_being_written(method):
    logit, present = cases()
    fit = fit_recalibration(method, logit, present)
    at = np.linspace(-30, 30, 1001)
    assert (np.diff(fit.logits(at)) >= 0).all()
    assert recalibration_from(asdict(fit)) == fit
    assert np.isfinite(fit.logits(at)).all()


def test_recalibrated_scores_of_the_cases_they_were_fitted_to_are_calibrated():
    logit, present = cases()
    fitted = fit_recalibration("platt", logit, present).logits(logit)
    assert calibration_slope(fitted, present).value == pytest.approx(1, abs=1e-8)
    assert calibration_intercept(fitted, present).value == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("method", METHODS[1:])
def test_scores_that_separate_or_rank_the_wrong_way_round_have_no_form(method):
    separated, present = np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert fit_recalibration(method, separated, present) is None
    assert fit_recalibration(method, np.array([-np.inf, 1.0, 0.0, 3.0]), present) is None
    logit, present = cases(slope=-0.5)
    if method != "isotonic":
        assert fit_recalibration(method, logit, present) is None


@pytest.mark.parametrize(
    ("slope", "intercept", "methods"),
    [(1.0, 0.0, {"none"}), (0.3, 0.0, {"temperature"}), (0.5, -2.0, {"platt"})],
    ids=["calibrated", "too extreme", "too high as well"],
)
def test_the_simplest_form_that_helps_is_chosen(slope, intercept, methods):
    for seed in range(3):
        logit, present = cases(slope, intercept, 1000, seed)
        choice = choose_recalibration(logit, present, np.arange(1000) // 2)
        assert choice.recalibration.method in methods
        assert choice.loss.keys() == set(METHODS)
        assert min(choice.loss.values()) >= choice.loss[choice.recalibration.method] - 0.02


def test_a_bend_that_no_line_fits_is_isotonic():
    random = np.random.default_rng(1)
    logit = random.uniform(-6, 6, 4000)
    present = random.random(4000) < np.where(logit > 0, 0.9, 0.1)
    assert choose_recalibration(logit, present).recalibration.method == "isotonic"


def test_losses_are_those_of_held_out_patients():
    # With one patient who holds each pair of equal cases, no fold knows the case that it is measured on.
    logit, present = cases(n=300)
    logit, present = np.repeat(logit, 2), np.repeat(present, 2)
    together = choose_recalibration(logit, present, np.repeat(np.arange(300), 2))
    apart = choose_recalibration(logit, present)
    assert together.loss["isotonic"] > apart.loss["isotonic"] + 0.01
    assert together.loss["none"] == pytest.approx(np.mean(np.logaddexp(0, np.where(present, -logit, logit))))


def test_too_few_patients_are_not_recalibrated():
    logit, present = cases(n=400)
    patient = np.where(present, np.arange(400) % 19, np.arange(400) + 100)
    choice = choose_recalibration(logit, present, patient)
    assert choice.recalibration == LogisticRecalibration()
    assert choice.reason.startswith("19 patients with and ")
    assert choose_recalibration(logit, present, patient, "platt").recalibration == LogisticRecalibration()


def test_unknown_labels_are_left_out():
    logit, present = cases()
    label = present.astype(float)
    label[:100] = np.resize([-1, -2, np.nan], 100)
    one = choose_recalibration(logit, label, method="platt").recalibration
    assert one == choose_recalibration(logit[100:], present[100:], method="platt").recalibration


def test_areas_do_not_change_if_cases_are_ranked_by_the_logit_that_went_in():
    logit, present = cases()
    fit = fit_recalibration("isotonic", logit, present)
    ties = auc(fit.logits(logit), present)
    assert ties != auc(logit, present)  # hence the rule


def test_a_mean_of_forms_is_the_mean_of_their_probabilities():
    forms = (LogisticRecalibration("platt", 0.5, -1.0), LogisticRecalibration())
    expected = (expit(0.5 * 2 - 1) + expit(2)) / 2
    assert probability(MeanRecalibration(forms).logits(2.0)) == pytest.approx(expected)


def test_no_forms_change_nothing():
    logit = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(recalibrated((), logit), logit)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"method": "beta", "slope": 1, "intercept": 0},
        {"method": "platt", "slope": -1, "intercept": 0},
        {"method": "isotonic", "logit": [0, 1], "probability": [0.5, 0.2]},
        {"method": "isotonic", "logit": [1, 0], "probability": [0.2, 0.5]},
        {"method": "isotonic", "logit": [0, 1], "probability": [0, 0.5]},
        {"method": "isotonic", "logit": [0], "probability": [0.1, 0.5]},
    ],
    ids=["nothing", "unknown", "falls", "isotonic falls", "logits fall", "certain", "lengths"],
)
def test_what_is_no_form_is_refused(content):
    with pytest.raises(ValueError, match="none of none, temperature, platt, isotonic that rises with the logit"):
        recalibration_from(content)


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="recalibration is best or one of none, temperature, platt, isotonic, not 'x'"):
        choose_recalibration([0.0], [1], method="x")
    with pytest.raises(ValueError, match="recalibration is one of none, temperature, platt, isotonic, not 'x'"):
        fit_recalibration("x", np.zeros(1), np.ones(1, dtype=bool))


def test_infinite_logits_are_not_recalibrated():
    logit, present = cases()
    logit[np.flatnonzero(present)[0]] = -np.inf  # no recalibration at all has an infinite loss, too
    choice = choose_recalibration(logit, present)
    assert choice.recalibration == LogisticRecalibration()
    assert choice.reason == "1 logits are infinite, and no form fits those"
