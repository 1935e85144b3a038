"""Thresholds and their effects, against scikit-learn and by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
from sklearn import metrics

from evaluation.cases import Counts
from evaluation.distributions import wilson_interval
from evaluation.operating import (
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)


def cases(seed, n=200):
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.3).astype(float)
    return np.round(random.normal(size=n) + label, 1), label


@pytest.mark.parametrize("seed", range(4))
def test_shares_agree_with_scikit_learn(seed):
    score, label = cases(seed)
    point = operating_point(score, label, 0.5)
    called = score >= 0.5
    expected = {
        "sensitivity": metrics.recall_score(label, called),
        "specificity": metrics.recall_score(label, called, pos_label=0),
        "precision": metrics.precision_score(label, called),
        "negative_predictive_value": metrics.precision_score(label, called, pos_label=0),
        "f1": metrics.f1_score(label, called),
        "accuracy": metrics.accuracy_score(label, called),
    }
    for name, value in expected.items():
        interval = getattr(point, name)
        assert interval.value == pytest.approx(value), name
        assert 0 <= interval.lower <= interval.value <= interval.upper <= 1


def test_unknown_cases_are_left_out_and_counted():
    point = operating_point([0.9, 0.9, 0.1, 0.8], [1, -1, 0, np.nan], 0.5)
    assert (point.sensitivity, point.precision) == (wilson_interval(1, 1), wilson_interval(1, 1))
    assert point.counts == Counts(1, 1, 2, 1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_youden_is_the_best_of_all_thresholds(seed):
    score, label = cases(seed)

    def gain(threshold):
        point = operating_point(score, label, threshold)
        return point.sensitivity.value + point.specificity.value

    chosen = gain(youden_threshold(score, label))
    assert chosen == pytest.approx(max(gain(t) for t in np.append(score, np.inf)))


@pytest.mark.parametrize("target", [0, 0.5, 0.9, 1])
@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_meets_the_wanted_share_more_closely(seed, target):
    score, label = cases(seed)
    cut = threshold_at_sensitivity(score, label, target)
    assert operating_point(score, label, cut).sensitivity.value >= target
    assert all(operating_point(score, label, t).sensitivity.value < target for t in score if t > cut)
    cut = threshold_at_specificity(score, label, target)
    assert operating_point(score, label, cut).specificity.value >= target
    assert all(operating_point(score, label, t).specificity.value < target for t in score if t < cut)


def test_missing_classes_and_no_calls():
    assert math.isnan(youden_threshold([1, 2], [1, 1]))
    assert math.isnan(threshold_at_sensitivity([1, 2], [0, 0], 0.9))
    assert math.isnan(threshold_at_specificity([1, 2], [1, 1], 0.9))
    nothing_called = operating_point([1, 2], [0, 1], np.inf)
    assert math.isnan(nothing_called.precision.value)
    assert nothing_called.f1.value == 0
    unchosen = operating_point([1, 2], [0, 1], math.nan)
    assert math.isnan(unchosen.accuracy.value)
    assert unchosen.counts.present == 1


def test_infinite_scores():
    score, label = [np.inf, np.inf, 0, -np.inf], [1, 0, 1, 0]
    assert youden_threshold(score, label) == 0  # sensitivity 1, specificity one half
    assert math.isnan(threshold_at_specificity(score, label, 1))  # the absent case at infinity is always called
    assert threshold_at_specificity([1, 2], [1, 0], 1) == np.inf


@pytest.mark.parametrize("choose", [threshold_at_sensitivity, threshold_at_specificity])
def test_targets_are_shares(choose):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], not be 90"):
        choose([1, 2], [0, 1], 90)


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_are_those_of_whole_numbers(seed):
    """Shares as fractions: floats would break ties, and call 93 spared of 100 fewer than a share of 0.93."""
    random = np.random.default_rng(seed)
    score, label = random.integers(0, 12, 60) / 8, np.append(random.integers(0, 2, 58), [0, 1])
    present, absent = score[label == 1], score[label == 0]
    cuts = [*np.unique(score).tolist(), np.inf]
    found = [Fraction(int((present >= cut).sum()), present.size) for cut in cuts]
    spared = [Fraction(int((absent < cut).sum()), absent.size) for cut in cuts]
    gain = [one + two for one, two in zip(found, spared, strict=True)]
    assert youden_threshold(score, label) == max(
        cut for cut, value in zip(cuts, gain, strict=True) if value == max(gain)
    )
    for share in sorted({*found, *spared}):
        highest = max(cut for cut, value in zip(cuts, found, strict=True) if value >= share)
        lowest = min(cut for cut, value in zip(cuts, spared, strict=True) if value >= share)
        assert threshold_at_sensitivity(score, label, float(share)) == highest
        assert threshold_at_specificity(score, label, float(share)) == lowest
