"""The estimated number of wrong labels against the number that was planted."""

import numpy as np
import pytest

from app.auditing.wrong_labels import interval_of, wrong_labels


@pytest.mark.parametrize(("auc", "prevalence"), [(0.87, 0.5), (0.92, 0.5), (0.87, 0.1)])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_within_30_percent_of_what_was_planted(simulated, auc, prevalence, share):
    estimates = []
    for seed in range(2):
        score, label, wrong = simulated(4_000, auc, prevalence, share, seed)
        estimate = wrong_labels(score, label, np.arange(len(score)).astype(str))
        estimates.append(estimate.value)
        assert estimate.interval.lower <= wrong.sum() <= estimate.interval.upper
    assert 0.7 * share * 4_000 <= np.mean(estimates) <= 1.3 * share * 4_000


def test_overlap_is_not_taken_for_wrong_labels(simulated):
    # One in five of these labels is contradicted by its score though none is wrong: 1 - Phi(0.8).
    score, label, _ = simulated(4_000, 0.87, 0.5, 0.0)
    assert wrong_labels(score, label, np.arange(len(score)).astype(str)).value < 0.02 * 4_000


def test_errors_of_one_kind_alone(simulated):
    # A report labeller that misses three in ten: only present cases are labelled wrong.
    score, truth, _ = simulated(6_000, 0.9, 0.3, 0.0)
    missed = (truth == 1) & (np.random.default_rng(1).random(len(truth)) < 0.3)
    estimate = wrong_labels(score, np.where(missed, 0, truth), np.arange(len(score)).astype(str))
    assert 0.7 * missed.sum() <= estimate.value <= 1.3 * missed.sum()


def test_few_patients_leave_more_open_than_many(simulated):
    # Twenty copies of each case say no more than one.
    score, label, _ = simulated(400, 0.9, 0.5, 0.1)
    apart = wrong_labels(score, label, np.arange(400).astype(str))
    copies = wrong_labels(np.tile(score, 20), np.tile(label, 20), np.tile(np.arange(400), 20).astype(str))
    assert np.ptp(copies.draws) / 20 > 0.5 * np.ptp(apart.draws)


def test_equal_scores_leave_the_prior():
    estimate = wrong_labels(np.zeros(200), np.tile([0.0, 1.0], 100), np.arange(200).astype(str)).interval
    assert estimate.upper - estimate.lower > 0.2 * 200


def test_limits_hold_nine_in_ten_draws():
    interval = interval_of(50, np.arange(101.0))
    assert (interval.lower, interval.upper) == pytest.approx((5, 95))
