"""DeLong's variance against all pairs, against the data published with the method, and its undefined cases."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

from evaluation.auc_tests import compare_paired, compare_unpaired
from evaluation.delong import area_covariance, auc_interval, auc_intervals, macro_auc_interval
from evaluation.resampling import bootstrap_auc

# Albumin, total protein, K-G score and whether surgery failed (0) or helped (1) in ovarian cancer with intestinal
# obstruction: the example of DeLong et al. 1988, without the six patients that lack a test.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def all_pairs(scores, label):
    """DeLong's areas and covariance written as the paper's sums over every pair."""
    present, absent = scores[label == 1], scores[label == 0]
    kernel = (present[:, None] > absent[None]) + 0.5 * (present[:, None] == absent[None])  # (m, n, K)
    area = kernel.mean(axis=(0, 1))
    v10, v01 = kernel.mean(axis=1) - area, kernel.mean(axis=0) - area
    m, n = len(present), len(absent)
    return area, v10.T @ v10 / (m - 1) / m + v01.T @ v01 / (n - 1) / n


def random_cases(seed, n=120, models=3, ties=True):
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.3).astype(float)
    scores = random.normal(size=(n, models)) + random.normal(size=(n, 1)) + label[:, None]
    return (np.round(scores, 1) if ties else scores), label


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_sum_over_all_pairs(seed, ties):
    scores, label = random_cases(seed, ties=ties)
    area, covariance = all_pairs(scores, label)
    found = area_covariance(scores, label)
    np.testing.assert_allclose(found.auc, area, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    parts = sum(each.covariance for each in found.classes)
    np.testing.assert_allclose(parts, covariance, atol=1e-12)
    alone, together = auc_interval(scores[:, 0], label), found.result(0)
    assert vars(alone) == pytest.approx(vars(together), rel=1e-9)


def test_infinite_scores_are_ranks():
    scores, label = random_cases(1)
    extreme = scores.copy()
    extreme[scores == scores.max(axis=0)], extreme[scores == scores.min(axis=0)] = np.inf, -np.inf
    np.testing.assert_array_equal(area_covariance(extreme, label).covariance, area_covariance(scores, label).covariance)


@pytest.mark.parametrize(
    ("column", "area", "error", "lower", "upper"),
    [(0, 0.7366, 0.0927, 0.5549, 0.9182), (1, 0.6478, 0.1000, 0.4518, 0.8439), (2, 0.7258, 0.1028, 0.5243, 0.9273)],
    ids=["albumin", "total protein", "K-G score"],
)
def test_published_areas_of_the_ovarian_data(column, area, error, lower, upper):
    # Expected: SAS/STAT User's Guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves", with normal
    # limits; ours differ on purpose, their variance does not.
    scores, label = ovarian()
    result, areas = auc_interval(scores[:, column], label), area_covariance(scores, label)
    assert (result.present, result.absent) == (31, 12)
    half = 1.959963984540054 * math.sqrt(areas.covariance[column, column])
    np.testing.assert_allclose(
        [result.value, result.value - half, result.value + half], [area, lower, upper], atol=5e-5
    )
    assert half / 1.959963984540054 == pytest.approx(error, abs=5e-5)
    # Twelve absent patients: wider, and less so above, where the variance is smaller.
    assert result.lower < lower
    assert result.upper < upper


@pytest.mark.parametrize(
    ("column", "difference", "lower", "upper", "p"),
    [(0, 0.0108, -0.1761, 0.1976, 0.9102), (1, -0.0780, -0.2830, 0.1271, 0.4561)],
    ids=["albumin", "total protein"],
)
def test_published_differences_from_the_k_g_score(column, difference, lower, upper, p):
    scores, label = ovarian()
    result = compare_paired(scores[:, column], scores[:, 2], label)
    # The published limits and p are normal; the statistic is the same.
    error = result.difference.value / result.z
    value, normal = result.difference.value, 1.959963984540054 * error
    found = (value, value - normal, value + normal, 2 * norm.sf(abs(result.z)))
    np.testing.assert_allclose(found, [difference, lower, upper, p], atol=5e-5)
    # Ours are Student's, wider, and agree with each other.
    assert result.p > p
    assert result.difference.upper - value > normal


def ovarian():
    table = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4)
    return table[:, :3] * [1, 1, -1], table[:, 3]


@pytest.mark.parametrize("seed", range(4))
def test_swapping_two_classifiers_negates_z(seed):
    scores, label = random_cases(seed)
    one, two = compare_paired(scores[:, 0], scores[:, 1], label), compare_paired(scores[:, 1], scores[:, 0], label)
    assert one.z == -two.z
    assert one.p == two.p
    assert (one.difference.lower, one.difference.upper) == (-two.difference.upper, -two.difference.lower)


@pytest.mark.parametrize("seed", range(4))
def test_paired_test_is_that_of_the_covariance(seed):
    scores, label = random_cases(seed)
    _, covariance = all_pairs(scores[:, :2], label)
    result = compare_paired(scores[:, 0], scores[:, 1], label)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert result.z == pytest.approx((result.first.value - result.second.value) / error, abs=1e-9)


def test_unpaired_variances_add():
    one, label = random_cases(0, models=1)
    two, other = random_cases(1, models=1)
    result = compare_unpaired(np.append(one[:, 0], 5), np.append(label, -1), two[:, 0], other)
    assert result.first == auc_interval(np.append(one[:, 0], 5), np.append(label, -1))  # the unknown case is counted
    error = math.sqrt(all_pairs(one, label)[1][0, 0] + all_pairs(two, other)[1][0, 0])
    assert result.z == pytest.approx(result.difference.value / error, abs=1e-9)


@pytest.mark.parametrize("change", [lambda s: s, lambda s: 3 * s - 7, np.exp], ids=["same", "affine", "exponential"])
def test_scores_that_rank_alike_do_not_differ_at_all(change):
    scores, label = random_cases(2, models=1)
    label[:10] = -1
    result = compare_paired(scores[:, 0], change(scores[:, 0]), label)
    assert (result.difference.value, result.difference.lower, result.difference.upper) == (0, 0, 0)
    assert (result.z, result.p) == (0, 1)


def test_unknown_labels_are_left_out_and_counted():
    scores, label = random_cases(3)
    label[:7], label[7:9], label[9] = -1, -2, np.nan
    known = label >= 0
    result = auc_interval(scores[:, 0], label)
    expected = auc_interval(scores[known, 0], label[known])
    assert (result.value, result.lower, result.upper) == (expected.value, expected.lower, expected.upper)
    assert (result.unknown, expected.unknown) == (10, 0)
    by_finding = auc_intervals(scores, np.stack([label] * 3, axis=1))
    assert by_finding[0] == result


def test_covariance_of_different_findings_agrees_with_resampling():
    # Oracle: 4,000 plain bootstrap replicates; their standard error of a covariance is about 3%.
    random = np.random.default_rng(0)
    common = random.normal(size=(400, 1))
    label = (common + 0.3 * random.normal(size=(400, 2)) > 0.5).astype(float)
    scores = label + random.normal(size=(400, 1)) + 0.3 * random.normal(size=(400, 2))
    replicates = bootstrap_auc(scores, label, replicates=4000).replicates
    found, expected = area_covariance(scores, label).covariance, np.cov(replicates.T)
    np.testing.assert_allclose(found, expected, atol=0.08 * expected[0, 0])
    assert expected[0, 1] > 0.3 * expected[0, 0]  # or the test would show nothing


def test_cases_of_one_patient_count_once():
    scores, label = random_cases(4, models=1)
    patient = np.arange(len(label))
    single = all_pairs(scores, label)[1][0, 0]
    alone = area_covariance(scores, label, patient).covariance[0, 0]
    assert alone == pytest.approx(single, rel=1e-12)  # patients of one case each are cases
    thrice = area_covariance(np.repeat(scores, 3, axis=0), np.repeat(label, 3), np.repeat(patient, 3)).covariance[0, 0]
    assert thrice == pytest.approx(single, rel=1e-12)  # while without patients it would be a third of it


def test_patients_with_unknown_labels_alone_change_nothing():
    scores, label = random_cases(4, models=1)
    patient = np.arange(len(label)) // 2
    known = area_covariance(scores, label, patient).covariance
    more = np.concatenate([scores, scores]), np.concatenate([label, np.full(len(label), -1.0)])
    unknown = area_covariance(*more, np.concatenate([patient, patient + 1000])).covariance
    assert unknown == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_variance_by_patient_agrees_with_all_pairs(seed):
    """Obuchowski's sums over the patients of each class, from all pairs; three patients hold both classes."""
    random = np.random.default_rng(seed)
    patient, label = random.integers(0, 30, 90), random.integers(0, 2, 90)
    label[patient > 2] = (patient % 2)[patient > 2]
    score = random.integers(0, 9, 90) + 2.0 * label
    wins = np.heaviside(score[label == 1][:, None] - score[label == 0][None], 0.5)
    sums = np.zeros((2, 30))
    for row, (chosen, placement) in enumerate(((label == 1, wins.mean(axis=1)), (label == 0, wins.mean(axis=0)))):
        for owner, value in zip(patient[chosen], placement, strict=True):
            sums[row, owner] += (value - wins.mean()) / chosen.sum()
        owners = len(set(patient[chosen].tolist()))
        sums[row] *= math.sqrt(owners / (owners - 1))
    variance = area_covariance(score[:, None], label, patient).covariance[0, 0]
    assert variance == pytest.approx(np.square(sums.sum(axis=0)).sum(), rel=1e-12)


def test_one_patient_with_all_present_cases_shows_no_variance():
    score, label = np.array([5.0, 3, 1, 2, 4, 0, 2.5, 1.5]), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    result = auc_interval(score, label, [9, 9, 9, 1, 2, 3, 4, 5])
    alone = auc_interval([3, 2, 4, 0, 2.5, 1.5], [1, 0, 0, 0, 0, 0])
    assert result.lower < 0.15  # nearly as little as one present case tells
    assert alone.lower < 0.15
    assert result.upper > 0.9


def test_copies_of_a_perfectly_ranked_patient_are_no_evidence():
    label = np.repeat([0, 0, 0, 1, 1, 1], 10)
    result = auc_interval(label + 0.0, label, np.repeat(np.arange(6), 10))
    single, many = auc_interval(np.arange(6), np.arange(6) > 2), auc_interval(label + 0.0, label)
    # Three patients of each class, not thirty images, and images of a patient need not agree so well elsewhere.
    assert single.lower < result.lower < 0.6
    assert many.lower > 0.85


def test_labels_may_be_text():
    scores, label = random_cases(0, models=1)
    text = np.where(np.arange(120) < 5, "", label.astype(int).astype(str))
    label[:5] = np.nan
    assert auc_interval(scores[:, 0], text) == auc_interval(scores[:, 0], label)
    with pytest.raises(ValueError, match="could not convert string to float: 'yes'"):
        auc_interval([1, 2], ["yes", "0"])


def test_macro_average_of_one_finding_is_the_finding():
    scores, label = random_cases(5, models=1)
    one = macro_auc_interval(area_covariance(scores, label))
    result = auc_interval(scores[:, 0], label)
    assert (one.value, one.lower, one.upper) == pytest.approx((result.value, result.lower, result.upper), rel=1e-9)
    nothing = macro_auc_interval(area_covariance(scores, np.ones(len(label))))
    assert math.isnan(nothing.value)


@pytest.mark.parametrize(
    ("score", "label", "value", "lower", "upper"),
    [
        # Clopper and Pearson's for k of k would reach to 0.025 ** (1 / k); k is the size of the rarer class.
        (np.arange(20), np.arange(20) >= 10, 1.0, 0.025**0.1, 1.0),
        (-np.arange(20), np.arange(20) >= 10, 0.0, 0.0, 1 - 0.025**0.1),
        ([1, 2, 3, 4], [0, 0, 0, 1], 1.0, 0.025, 1.0),
    ],
    ids=["perfect", "reversed", "one present"],
)
def test_intervals_without_variance_stay_honest(score, label, value, lower, upper):
    result = auc_interval(score, label)
    assert (result.value, result.lower, result.upper) == pytest.approx((value, lower, upper), abs=0.11)
    assert result.upper - result.lower > 0.2


def test_constant_scores_and_one_case_of_a_class_have_wide_intervals():
    constant = auc_interval(np.zeros(40), np.arange(40) < 10)
    assert constant.value == 0.5
    assert constant.lower == pytest.approx(0.187, abs=5e-4)  # Clopper and Pearson for 5 of 10
    single = auc_interval([1, 2, 3, 4], [0, 0, 1, 0])
    assert single.value == pytest.approx(2 / 3)
    assert 0 <= single.lower < 0.1
    assert single.upper > 0.95


def test_a_missing_class_has_no_area():
    result = auc_interval([1, 2, 3], [1, 1, -1])
    assert np.isnan([result.value, result.lower, result.upper]).all()
    assert (result.present, result.absent, result.unknown) == (2, 0, 1)
    compared = compare_paired([1, 2], [2, 1], [1, 1])
    assert np.isnan([compared.p, compared.z, compared.difference.value]).all()


def test_perfect_against_reversed_is_a_sign_test():
    score, label = np.arange(8.0), np.arange(8) >= 4
    result = compare_paired(score, -score, label)
    assert math.isnan(result.z)
    assert result.p == 2 * 0.5**4
    assert result.difference.value == 1
    assert 0 < result.difference.lower < 1


@pytest.mark.parametrize("seed", range(30))
def test_intervals_never_leave_the_unit_interval(seed):
    random = np.random.default_rng(seed)
    label = np.arange(30) < random.integers(1, 6)
    score = random.normal(size=30) + 2 * label
    for patient, level in itertools.product((None, random.integers(0, 12, 30)), (0.8, 0.95, 0.999)):
        result = auc_interval(score, label, patient, level)
        assert 0 <= result.lower <= result.value <= result.upper <= 1


def test_a_million_cases():
    random = np.random.default_rng(0)
    label = random.random(1_000_000) < 0.5
    result = auc_interval(random.normal(size=1_000_000) + label, label)
    assert result.value == pytest.approx(0.7602, abs=0.002)  # Phi(1 / sqrt 2)
    assert result.upper - result.lower == pytest.approx(0.00186, abs=0.0001)


def test_patients_must_be_as_many_as_cases():
    with pytest.raises(ValueError, match=r"patients have shape \(2,\), but there are 3 cases"):
        auc_interval([1, 2, 3], [0, 1, 1], [1, 2])
