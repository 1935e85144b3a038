"""Partial areas against R's pROC and scikit-learn; their variance against DeLong's and by resampling."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.auc_tests import compare_paired
from evaluation.cases import Counts
from evaluation.delong import auc_interval
from evaluation.partial_areas import compare_partial_auc, partial_auc, partial_auc_of_sensitivities

# The grades 1 to 5 of the 72 patients with good and the 41 with poor outcome in Turck et al., "A multiparameter panel
# method for outcome prediction following aneurysmal subarachnoid hemorrhage", Intensive Care Medicine 36, 2010.
GRADE = np.repeat([1, 2, 3, 4, 5, 1, 2, 3, 4, 5], [37, 20, 3, 8, 4, 2, 12, 1, 8, 18])
OUTCOME = np.repeat([0, 1], [72, 41])


def binormal(seed, present, absent, shift=1.3):
    random = np.random.default_rng(seed)
    score = np.concatenate([random.normal(shift, 1, present), random.normal(0, 1, absent)])
    return score, np.repeat([1, 0], [present, absent])


@pytest.mark.parametrize(
    ("low", "high", "area", "standardised"),
    [
        # pROC 1.19, tests/testthat/test-auc.R: auc(r.wfns, partial.auc = c(high, low)), and with partial.auc.correct
        (0.9, 1.0, 0.0334417344173442, 0.649693339038653),
        (0.8, 0.9, 0.0598373983739837, 0.763749402199904),
        (0.0, 0.5, 0.488134475939354, 0.952537903757416),
        (0.0, 1.0, 0.823678861788618, 0.823678861788618),
    ],
)
def test_specificities_agree_with_proc(low, high, area, standardised):
    result = partial_auc(GRADE, OUTCOME, specificity=(low, high))
    assert (result.area.value, result.standardised.value) == pytest.approx((area, standardised), abs=1e-14)
    assert result.mean.value == pytest.approx(area / (high - low))
    assert result.counts == Counts(41, 72, 0, 41, 72)


@pytest.mark.parametrize(
    ("low", "high", "area", "standardised"),
    [
        # As above with partial.auc.focus = "se".
        (0.9, 1.0, 0.0400999322493225, 0.68473648552275),
        (0.8, 0.9, 0.0609953703703703, 0.770561002178649),
        (0.0, 0.5, 0.483358739837398, 0.933434959349593),
    ],
)
def test_sensitivities_agree_with_proc(low, high, area, standardised):
    result = partial_auc_of_sensitivities(GRADE, OUTCOME, sensitivity=(low, high))
    assert (result.area.value, result.standardised.value) == pytest.approx((area, standardised), abs=1e-14)
    assert result.counts == Counts(41, 72, 0, 41, 72)


@pytest.mark.parametrize("most", [0.01, 0.1, 0.37, 1.0])
def test_standardised_area_agrees_with_scikit_learn(most):
    score, label = binormal(0, 80, 300)
    score = score.round(1)
    expected = roc_auc_score(label, score, max_fpr=most)
    assert partial_auc(score, label, specificity=(1 - most, 1)).standardised.value == pytest.approx(expected)


def test_parts_add_up_to_the_whole():
    score, label = binormal(1, 30, 50)
    parts = [partial_auc(score, label, specificity=ends).area.value for ends in ((0, 0.3), (0.3, 0.31), (0.31, 1))]
    assert sum(parts) == pytest.approx(auc_interval(score, label).value)


def test_whole_range_is_delongs_test():
    score, label = binormal(2, 40, 90)
    other = score + np.random.default_rng(3).normal(size=130)
    patient = np.arange(130) // 2
    expected = compare_paired(score, other, label, patient)
    result = compare_partial_auc(score, other, label, patient, specificity=(0, 1))
    assert result.p == pytest.approx(expected.p)
    assert (result.difference.lower, result.difference.upper) == pytest.approx(
        (expected.difference.lower, expected.difference.upper)
    )


@pytest.mark.parametrize("ends", [(0.9, 1.0), (0.7, 0.9), (0.0, 0.5)])
def test_variance_is_that_of_the_jackknife(ends):
    """Leaving out each patient in turn; for a value that is no smooth function of the cases the two differ a little."""
    score, label = binormal(5, 60, 120)
    other = score + 0.7 * np.random.default_rng(4).normal(size=180)

    def difference(rows):
        return np.subtract(*(partial_auc(side[rows], label[rows], None, ends).mean.value for side in (score, other)))

    left_out = np.array([difference(np.arange(180) != case) for case in range(180)])
    variances = [left_out[label == each].var() * (np.sum(label == each) - 1) for each in (0, 1)]
    twice = [np.repeat(each, 2) for each in (score, other, label, np.arange(180))]
    for arguments in ((score, other, label, None), twice):
        result = compare_partial_auc(*arguments, ends)
        half = 1.959964 * math.sqrt(sum(variances))
        assert result.difference.upper - result.difference.value == pytest.approx(half, rel=0.1)


def test_same_scores_do_not_differ():
    score, label = binormal(6, 20, 40)
    result = compare_partial_auc(score, 2 * score, label)
    assert (result.difference.lower, result.difference.upper, result.p) == (0, 0, 1)


def test_what_shows_no_variance_has_exact_limits():
    perfect = partial_auc([0, 0, 1, 1], [0, 0, 1, 1])
    assert perfect.mean.value == perfect.standardised.value == 1
    assert 0 < perfect.mean.lower < 0.5  # Clopper and Pearson's of two of two: 0.16
    assert partial_auc([0, 1, 2], [0, 0, 1]).mean.lower == pytest.approx(0.025)  # one of one
    nothing = partial_auc([0, 1], [1, 1])
    assert all(math.isnan(each.value) for each in (nothing.mean, nothing.area, nothing.standardised))
    assert math.isnan(compare_partial_auc([0, 1], [1, 0], [1, 1]).p)


@pytest.mark.parametrize("ends", [(0.9, 0.9), (1, 0.9), (-0.1, 0.5), (0.5, 1.1), (math.nan, 1)])
def test_range_is_checked(ends):
    with pytest.raises(ValueError, match="a range lies within"):
        partial_auc([0, 1], [0, 1], specificity=ends)


def test_intervals_cover():
    """200 sets of 30 present and 300 absent cases; the truth by integrating the binormal curve."""
    from scipy.integrate import quad
    from scipy.stats import norm

    truth = quad(lambda x: norm.sf(norm.isf(x) - 1.3), 0, 0.1)[0] / 0.1
    means = [partial_auc(*binormal(seed, 30, 300)).mean for seed in range(200)]
    covered = sum(mean.lower <= truth <= mean.upper for mean in means)
    assert 0.92 * 200 <= covered <= 0.99 * 200


def test_scores_that_rank_alike_do_not_differ_even_with_one_present_case():
    score, label = np.arange(10.0), np.arange(10) == 6
    result = compare_partial_auc(score, np.exp(score), label, specificity=(0.5, 1))
    assert (result.difference.value, result.difference.lower, result.difference.upper, result.p) == (0, 0, 0, 1)
