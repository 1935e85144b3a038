"""Calibration, neighbours and ranks, against hand-made cases, a slow second implementation and known limits."""

import numpy as np
import pytest
from scipy.stats import rankdata

from app.auditing.suspicion import agreement, calibrated, nearest, standardised, suspicion

# Precision at as many labels as are wrong, of 1 - p(given), by AUC and prevalence at 5, 10 and 20% wrong labels:
# ranked with the true probabilities of the same simulation at 20,000 cases.
LIMITS = {
    (0.80, 0.5): (0.28, 0.39, 0.51),
    (0.90, 0.5): (0.46, 0.57, 0.67),
    (0.95, 0.5): (0.62, 0.69, 0.77),
    (0.80, 0.1): (0.58, 0.69, 0.80),
    (0.90, 0.1): (0.70, 0.79, 0.85),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_as_many_wrong_labels_are_found_as_the_true_probabilities_find(simulated, kind):
    for share, limit in zip((0.05, 0.1, 0.2), LIMITS[kind], strict=True):
        score, label, wrong = simulated(20_000, *kind, share)
        p = calibrated(score, label, np.arange(len(score)).astype(str))
        order = np.argsort(-suspicion(np.where(label == 1, p, 1 - p)), kind="stable")
        assert wrong[order[: wrong.sum()]].mean() >= limit - 0.05


def test_probabilities_are_those_of_the_simulation(simulated):
    # By hand: with equal deviations 1, means d apart and as many of both, the logit of "present" is d (x - d / 2).
    score, label, _ = simulated(20_000, 0.85, 0.5, 0.0)
    d = 1.4657  # root of 2 times the normal quantile of 0.85
    expected = 1 / (1 + np.exp(-d * (score - d / 2)))
    assert np.abs(calibrated(score, label, np.arange(len(score)).astype(str)) - expected).max() < 0.02


def test_a_patients_own_labels_do_not_calibrate_its_scores(simulated):
    score, label, _ = simulated(200, 0.8, 0.5, 0.0)
    patient = (np.arange(200) // 2).astype(str)
    before = calibrated(score, label, patient)
    label[:2] = 1 - label[:2]
    after = calibrated(score, label, patient)
    assert after[:2].tolist() == before[:2].tolist()
    assert (after != before).any()


def test_unknown_and_uncertain_labels_do_not_calibrate(simulated):
    score, label, _ = simulated(300, 0.8, 0.5, 0.0)
    patient = np.arange(300).astype(str)
    one = calibrated(score, np.where(np.arange(300) < 50, -2, label), patient)
    other = calibrated(score, np.where(np.arange(300) < 50, -1, label), patient)
    assert one.tolist() == other.tolist()
    assert not np.isnan(one).any()


def test_labels_all_alike_calibrate_nothing():
    assert np.isnan(calibrated(np.arange(20.0), np.ones(20), np.arange(20).astype(str))).all()


def test_infinite_scores_are_the_largest():
    assert standardised(np.array([-np.inf, 0.0, 1.0, np.inf])).tolist() == [-1, -1, 1, 1]


def test_neighbours_are_the_nearest_of_other_patients():
    generator = np.random.default_rng(0)
    feature, patient = generator.normal(size=(60, 5)), (np.arange(60) // 3).astype(str)
    centred = feature - feature.mean(axis=0)
    for row, found in enumerate(nearest(feature, patient, 7)):
        cosine = [c @ centred[row] / np.linalg.norm(c) / np.linalg.norm(centred[row]) for c in centred]
        others = sorted(np.flatnonzero(patient != patient[row]), key=lambda at: -cosine[at])
        assert set(found) == set(others[:7])


def test_one_patient_has_no_neighbours():
    assert nearest(np.eye(3), np.array(["a"] * 3)).tolist() == [[-1, -1]] * 3


def test_agreement_counts_known_labels_only():
    neighbours = np.array([[1, 2, 3], [0, 2, -1], [0, 1, 3], [3, 3, 3]])
    label = np.array([1.0, 1.0, 0.0, -1.0])
    # By hand: of image 0, one of two known neighbours agrees; of 1, one of two; of 2, none; of 3, none is known.
    assert agreement(neighbours, label)[:3].tolist() == [0.5, 0.5, 0.0]
    assert np.isnan(agreement(neighbours, label)[3])


def test_suspicion_is_the_weighted_mean_rank():
    p, alike = np.array([0.9, 0.1, 0.5, 0.5]), np.array([0.2, 0.4, 0.4, 1.0])
    expected = (2 * rankdata(1 - p) + rankdata(1 - alike)) / 12  # scores count twice
    assert suspicion(p, alike) == pytest.approx(expected)
    assert suspicion(p).tolist() == (1 - p).tolist()
