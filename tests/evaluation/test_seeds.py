"""Methods of several seeds: the formulas of the papers where they apply, and the tests that are its limits."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation.compare import DifferentCasesError, compare_predictions
from evaluation.delong import area_covariance
from evaluation.predictions import PredictionTable
from evaluation.seeds import RunValues, compare_repeated_means, compare_repeated_predictions

FINDINGS = ("Nodule", "Mass")
NUMBER = np.repeat(np.arange(60), 2)


def table(seed, strength, images=120):
    """A run on the same cases; runs share what makes a patient look ill."""
    same, own = np.random.default_rng(0), np.random.default_rng(seed)
    label = (same.random((images, 2)) < 0.4).astype(float)
    score = same.normal(size=label.shape) + 0.5 * own.normal(size=label.shape) + strength * label
    image = np.array([f"{n}.png" for n in range(images)])
    return PredictionTable(FINDINGS, image, NUMBER[:images].astype(str), label, score)


def methods(runs=3):
    return [table(n, 1 + 0.1 * n) for n in range(runs)], [table(10 + n, 1.5 - 0.1 * n) for n in range(runs)]


def test_balanced_runs_have_the_variance_of_hillis():
    """Readers nested in tests (Hillis 2014): MS(R(T)) and error covariances, for two tests of three readers each."""
    first, second = methods()
    scores = np.stack([each.score[:, 0] for each in (*first, *second)], axis=1)
    areas = area_covariance(scores, first[0].label[:, 0], NUMBER)
    value, covariance = areas.auc.reshape(2, 3), areas.covariance.reshape(2, 3, 2, 3)
    cov2 = np.mean([covariance[t, j, t, k] for t in (0, 1) for j, k in ((0, 1), (0, 2), (1, 2))])
    cov3 = np.mean([covariance[0, j, 1, k] for j in range(3) for k in range(3)])
    mean_square = np.square(value - value.mean(axis=1, keepdims=True)).sum() / 4
    variance = 2 / 3 * (mean_square + max(3 * (cov2 - cov3), 0))
    spread = RunValues(areas.auc, areas.covariance, 3, 60).difference()
    assert spread.variance == pytest.approx(variance)
    row = compare_repeated_predictions(first, second).rows[0]
    assert row.difference.value == pytest.approx(value[0].mean() - value[1].mean())
    reach = stats.t.ppf(0.975, row_freedom(areas, row)) * math.sqrt(variance)
    assert row.difference.upper == pytest.approx(row.difference.value + reach)


def row_freedom(areas, row):
    """Satterthwaite's degrees of freedom by hand: two variances over three runs, and the rest over patients."""
    parts = [np.var(areas.auc[side], ddof=1) / 3 for side in (slice(3), slice(3, 6))]
    total = RunValues(areas.auc, areas.covariance, 3, 60).difference().variance
    patients = min(row.first.present_patients, row.first.absent_patients)
    squares = parts[0] ** 2 / 2 + parts[1] ** 2 / 2 + (total - sum(parts)) ** 2 / (patients - 1)
    return total**2 / squares


def test_without_patients_it_is_welchs_test():
    value = np.array([0.80, 0.84, 0.79, 0.86, 0.90, 0.83, 0.88])
    spread = RunValues(value, np.zeros((7, 7)), 3, 1000).difference()
    expected = stats.ttest_ind(value[:3], value[3:], equal_var=False)
    assert spread.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert spread.interval(0.95).lower == pytest.approx(low)
    assert spread.interval(0.95).upper == pytest.approx(high)


def test_runs_that_do_not_differ_give_delongs_variance():
    one, two = table(0, 1.0), table(1, 1.5)
    single = compare_predictions(one, two)
    repeated = compare_repeated_predictions([one, one], [two, two, two])
    for row, expected in zip((*repeated.rows, repeated.macro), (*single.rows, single.macro), strict=True):
        assert row.difference.value == pytest.approx(expected.difference.value)
        present = one.label[:, FINDINGS.index(row.finding) if row.finding in FINDINGS else 0] == 1
        assert row.first.present == (present.sum() if row.finding in FINDINGS else 2)
    scores = np.stack([one.score[:, 0], two.score[:, 0]], axis=1)
    covariance = area_covariance(scores, one.label[:, 0], NUMBER).covariance
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    row = repeated.rows[0]
    patients = min(row.first.present_patients, row.first.absent_patients)
    assert row.p == pytest.approx(2 * stats.t.sf(abs(row.difference.value) / error, patients - 1))


def test_the_macro_average_is_that_of_each_run():
    first, second = methods()
    macro = compare_repeated_predictions(first, second).macro
    rows = compare_repeated_predictions(first, second).rows
    assert macro.first.value == pytest.approx(np.mean([row.first.value for row in rows]))
    # By hand: every run's mean over findings, as if that were the only measure.
    scores = np.concatenate([each.score for each in (*first, *second)], axis=1)
    areas = area_covariance(scores, np.tile(first[0].label, 6), NUMBER)
    mean = np.kron(np.eye(6), [0.5, 0.5])
    counts = min(min(c.present_patients, c.absent_patients) for c in areas.counts)
    expected = RunValues(mean @ areas.auc, mean @ areas.covariance @ mean.T, 3, counts).difference()
    assert macro.p == pytest.approx(expected.p)


def test_means_of_images_are_means_over_patients_and_seeds():
    random = np.random.default_rng(4)
    common = random.random((120, 1)) * 0.2
    first, second = (
        [common + random.random((120, 1)) * 0.1 + shift for shift in shifts] for shifts in ((0, 0.1), (0.3, 0.2))
    )
    first[0][7] = math.nan
    row = compare_repeated_means(first, second, ("Nodule",), NUMBER).rows[0]
    known = np.arange(120) != 7
    values = np.concatenate([*first, *second], axis=1)[known]
    assert row.first.value == pytest.approx(values[:, :2].mean())
    assert (row.first.present, row.first.unknown) == (119, 1)
    # Linearised by hand: what each patient adds to a mean over 119 images.
    influence = np.stack([(values - values.mean(axis=0))[NUMBER[known] == p].sum(axis=0) / 119 for p in range(60)])
    expected = RunValues(values.mean(axis=0), influence.T @ influence * 60 / 59, 2, 60).difference()
    assert row.p == pytest.approx(expected.p)


def test_a_finding_without_a_present_case_has_no_test():
    first, second = methods()
    for each in (*first, *second):
        each.label[:, 0] = 0
    result = compare_repeated_predictions(first, second)
    assert math.isnan(result.rows[0].p)
    assert math.isnan(result.rows[0].difference.value)
    assert result.macro.p == pytest.approx(result.rows[1].p)
    assert result.macro.first.present == 1


def test_one_run_of_a_method_and_other_cases_are_refused():
    first, second = methods()
    with pytest.raises(ValueError, match="B has 1 run"):
        compare_repeated_predictions(first, second[:1])
    with pytest.raises(ValueError, match="A has 0 run"):
        compare_repeated_predictions([], second)
    with pytest.raises(DifferentCasesError, match=r"A, run 1 and boxes, run 3 .* 2 images only in A, run 1"):
        compare_repeated_predictions(first, [*second[:2], table(3, 1.0, images=118)], ("A", "boxes"))


@pytest.mark.parametrize(("deviation", "patients"), [(0.0, 40), (0.5, 200)])
def test_p_is_below_5_percent_in_5_percent_of_equal_methods(deviation, patients):
    """200 sets, whose standard error is 1.5 points; benchmarks/seeds.py has more."""
    random = np.random.default_rng(5)
    p = []
    for _ in range(200):
        common = random.normal(size=(patients, 1))
        runs = [common + random.normal(size=(patients, 1)) + deviation * random.normal() for _ in range(6)]
        p.append(compare_repeated_means(runs[:3], runs[3:], ("Nodule",)).rows[0].p)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.035)


@pytest.mark.parametrize("level", [0, 1, 95, math.nan])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="the confidence level must lie between 0 and 1"):
        compare_repeated_predictions(*methods(), level=level)
