"""AUC and curves against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from evaluation.roc import auc, auc_per_finding, precision_recall_curve, roc_curve


def cases(seed, ties, n=300, prevalence=0.3):
    random = np.random.default_rng(seed)
    label = (random.random(n) < prevalence).astype(float)
    score = random.normal(size=n) + label
    return (np.round(score, 1) if ties else score), label


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prevalence", [0.03, 0.5, 0.9])
def test_auc_agrees_with_scikit_learn(seed, ties, prevalence):
    score, label = cases(seed, ties, prevalence=prevalence)
    assert auc(score, label) == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-12)


def test_unknown_labels_are_left_out_finding_by_finding():
    score, label = cases(0, True)
    score2, label2 = cases(1, False)
    label[:20], label2[50:90] = np.nan, -1
    label[20:30] = -2
    result = auc_per_finding(np.stack([score, score2], 1), np.stack([label, label2], 1))
    expected = [metrics.roc_auc_score(y[y >= 0], s[y >= 0]) for s, y in ((score, label), (score2, label2))]
    np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("score", "label", "expected"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),  # every pair right
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),  # every pair wrong
        ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),  # every pair tied
        ([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1], 0.875),  # three right and one tied of four
        ([-np.inf, 0, np.inf, np.inf], [0, 1, 0, 1], 0.625),  # pairs 1, 1, 0 and a tie at infinity
        ([0, 1], [0, 1], 1.0),  # one of each
        ([1, 2, 3], [1, 1, -1], np.nan),  # none absent
        ([1, 2], [0, 0], np.nan),  # none present
        ([], [], np.nan),  # nobody
    ],
)
def test_auc_by_hand(score, label, expected):
    assert auc(score, label) == pytest.approx(expected, abs=0, nan_ok=True)


def test_negated_scores_turn_the_area_round_exactly():
    score, label = cases(3, True)
    assert auc(score, label) + auc(-score, label) == 1.0


def test_a_million_cases_neither_overflow_nor_leave_the_unit_interval():
    n = 1_000_000
    label = np.arange(n) >= n // 2
    assert auc(np.arange(n), label) == 1.0
    assert auc(np.zeros(n), label) == 0.5


def test_nan_scores_are_named():
    with pytest.raises(ValueError, match="2 of 4 scores are NaN, the first at index 1"):
        auc([1, np.nan, 2, np.nan], [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"1 of 4 scores are NaN, the first at index \(1, 0\)"):
        auc_per_finding([[1, 2], [np.nan, 2]], [[0, 1], [1, 0]])


def test_certainties_are_no_truth():
    with pytest.raises(ValueError, match=r"2 labels are neither .* the first is 0.25"):
        auc([1, 2, 3], [0, 0.25, 2])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\) and labels \(3,\)"):
        auc([1, 2], [0, 1, 1])


@pytest.mark.parametrize("ties", [False, True])
def test_roc_curve_agrees_with_scikit_learn(ties):
    score, label = cases(7, ties)
    x, y, threshold = metrics.roc_curve(label, score, drop_intermediate=False)
    curve = roc_curve(score, label)
    np.testing.assert_allclose(curve.x, x, atol=1e-15)
    np.testing.assert_allclose(curve.y, y, atol=1e-15)
    np.testing.assert_array_equal(curve.threshold, threshold)


@pytest.mark.parametrize("ties", [False, True])
def test_precision_recall_curve_agrees_with_scikit_learn(ties):
    score, label = cases(8, ties)
    precision, recall, threshold = metrics.precision_recall_curve(label, score)
    curve = precision_recall_curve(score, label)
    np.testing.assert_allclose(curve.y[::-1], precision, atol=1e-15)
    np.testing.assert_allclose(curve.x[::-1], recall, atol=1e-15)
    np.testing.assert_array_equal(curve.threshold[:0:-1], threshold)


@pytest.mark.parametrize("spread", [1e-9, 1.0, 1e300])
@pytest.mark.parametrize("levels", [1, 2, 50, 100_000])
def test_repeating_scores_are_counted_as_if_sorted(levels, spread):
    random = np.random.default_rng(levels)
    score = random.integers(0, levels, 4000) * spread - spread
    score[::500] = -7 * spread  # far from the others, so that bins are wide
    label = (random.random(4000) < 0.2).astype(float)
    label[:9] = -1
    known = label >= 0
    expected = metrics.roc_auc_score(label[known], np.unique(score, return_inverse=True)[1][known])
    assert auc(score, label) == pytest.approx(expected, abs=1e-12)
    counted, one_by_one = roc_curve(score, label), roc_curve(np.append(score, np.inf), np.append(label, -1))
    np.testing.assert_array_equal(counted.x, one_by_one.x)
    np.testing.assert_array_equal(counted.threshold, one_by_one.threshold)


def test_scores_closer_than_any_scale():
    assert auc(np.tile([0, 5e-324], 50), np.tile([0, 1], 50)) == 1
    assert auc(np.tile([-1e308, 1e308], 50), np.tile([0, 1], 50)) == 1
