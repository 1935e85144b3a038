"""Net benefit against dcurves and by hand."""

import math

import numpy as np
import pytest

from evaluation.decision_curve import THRESHOLDS, decision_curve
from evaluation.logits import probability


def cases():
    random = np.random.default_rng(3)
    logit = random.normal(-1, 1.5, 300)
    return probability(logit), (random.random(300) < probability(-0.4 + 0.7 * logit)).astype(float)


def test_net_benefit_is_that_of_dcurves():
    # dcurves 1.1.7: dca(frame, "label", ["score"], thresholds=[0.05, 0.1, 0.2, 0.5]).
    points = decision_curve(*cases(), thresholds=[0.05, 0.1, 0.2, 0.5])
    assert [p.model.value for p in points] == pytest.approx([0.288596, 0.243704, 0.165833, 0.006667], abs=5e-7)
    assert [p.treat_all.value for p in points] == pytest.approx([0.287719, 0.248148, 0.154167, -0.353333], abs=5e-7)
    for point in points:
        assert point.gain.value == pytest.approx(point.model.value - point.treat_all.value)


def test_by_default_every_percent():
    assert [p.threshold for p in decision_curve(*cases())] == list(THRESHOLDS)
    assert (THRESHOLDS[0], THRESHOLDS[-1], len(THRESHOLDS)) == (0.01, 0.99, 99)


def test_limits_of_independent_patients_are_students():
    score, label = cases()
    (point,) = decision_curve(score, label, thresholds=[0.2])
    worth = np.where(label == 1, 1, -0.25)
    for interval, values in ((point.model, worth * (score >= 0.2)), (point.gain, -worth * (score < 0.2))):
        error = values.std(ddof=1) / math.sqrt(300)
        # 1.97 is Student's quantile of 299 degrees of freedom; the effective number is at least 30 (2.04).
        assert 1.96 * error < interval.upper - interval.value < 2.04 * error


def test_images_repeated_within_patients_add_nothing():
    score, label = cases()
    (once,) = decision_curve(score, label, thresholds=[0.2])
    (four,) = decision_curve(*(np.repeat(x, 4) for x in (score, label)), np.repeat(np.arange(300), 4), [0.2])
    for name in ("model", "treat_all", "gain"):
        one, other = getattr(once, name), getattr(four, name)
        assert (other.value, other.lower, other.upper) == pytest.approx((one.value, one.lower, one.upper))


def test_a_case_at_the_threshold_is_acted_on():
    (point,) = decision_curve([0.5, 0.4], [1, 0], thresholds=[0.5])
    assert point.model.value == 0.5


def test_unknown_cases_and_no_known_case():
    (point,) = decision_curve([0.9, 0.1, 0.5], [1, 0, -1], thresholds=[0.5])
    assert (point.model.value, point.counts.unknown) == (0.5, 1)
    (nothing,) = decision_curve([0.9], [np.nan], thresholds=[0.5])
    assert math.isnan(nothing.model.value)
    (alone,) = decision_curve([0.9, 0.2], [1, 0], ["a", "a"], thresholds=[0.5])
    assert (alone.model.value, math.isnan(alone.model.lower)) == (0.5, True)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, math.nan])
def test_thresholds_outside_of_0_to_1_are_refused(threshold):
    with pytest.raises(ValueError, match="a threshold of a decision curve lies between 0 and 1, not at"):
        decision_curve([0.5], [1], thresholds=[0.5, threshold])
