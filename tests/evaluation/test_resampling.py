"""The bootstrap by weights against repeating cases, and against DeLong."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.delong import auc_interval
from evaluation.patients import patient_numbers
from evaluation.resampling import (
    bootstrap_auc,
    bootstrap_average_precision,
    bootstrap_mean,
    bootstrap_ratio,
    patient_weights,
)


def cases(seed=0, n=300, findings=3, patients=120):
    random = np.random.default_rng(seed)
    label = (random.random((n, findings)) < [0.2, 0.5, 0.05][:findings]).astype(float)
    score = np.round(random.normal(size=(n, findings)) + label, 1)
    return score, label, random.integers(0, patients, n)


def drawn(patient, replicates, seed):
    """Weights of cases, one row a replicate."""
    _, number = np.unique(patient, return_inverse=True)
    weights = np.concatenate([part.T for part in patient_weights(number.max() + 1, replicates, seed)])
    return weights[:, number].astype(int)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(bootstrap_auc, roc_auc_score), (bootstrap_average_precision, average_precision_score)]
)
def test_weights_are_repeated_cases(ours, theirs):
    # Oracle: scikit-learn on the drawn cases, repeated as often as they were drawn.
    score, label, patient = cases()
    label[:20, 0] = -1
    result = ours(score, label, patient, replicates=40, seed=3)
    for row, weight in zip(result.replicates, drawn(patient, 40, 3), strict=True):
        for c in range(3):
            kept = np.repeat(np.arange(300), np.where(label[:, c] >= 0, weight, 0))
            assert row[c] == pytest.approx(theirs(label[kept, c], score[kept, c]), abs=1e-12)
    known = label[:, 0] >= 0
    assert result.value[0] == pytest.approx(theirs(label[known, 0], score[known, 0]), abs=1e-12)


def test_without_ties_and_with_absent_cases_above_all_present_ones():
    score = np.array([[5.0], [4.0], [3.0], [2.0], [np.inf], [-np.inf]])
    label = np.array([[0], [1], [0], [1], [0], [1]])
    result = bootstrap_auc(score, label, replicates=50)
    for row, weight in zip(result.replicates, drawn(np.arange(6), 50, 0), strict=True):
        kept = np.repeat(np.arange(6), weight)
        both = len(set(label[kept, 0])) == 2
        finite = np.clip(score[kept, 0], -9, 9)
        expected = roc_auc_score(label[kept, 0], finite) if both else np.nan
        assert row[0] == pytest.approx(expected, nan_ok=True)
    assert result.undefined[0] == np.isnan(result.replicates).sum() > 0


def test_it_agrees_with_delong_when_every_case_is_a_patient():
    score, label, _ = cases(1, n=800)
    for c, interval in enumerate(bootstrap_auc(score, label, replicates=2000).intervals()):
        expected = auc_interval(score[:, c], label[:, c])
        # two standard errors of a percentile of 2,000 replicates, about a tenth of the half width
        width = expected.upper - expected.lower
        assert (interval.lower, interval.upper) == pytest.approx((expected.lower, expected.upper), abs=0.12 * width)


def test_copies_of_an_image_do_not_narrow_the_interval():
    score, label, _ = cases(2, findings=1)
    patient = np.arange(300)
    once = bootstrap_auc(score, label, patient, 300)
    thrice = bootstrap_auc(np.repeat(score, 3, 0), np.repeat(label, 3, 0), np.repeat(patient, 3), 300)
    np.testing.assert_allclose(once.replicates, thrice.replicates, atol=1e-12)


def test_differences_are_drawn_together():
    score, label, patient = cases()
    same = bootstrap_auc(score, label, patient, 50).minus(bootstrap_auc(2 * score + 1, label, patient, 50))
    assert (same.value == 0).all()
    assert (same.replicates == 0).all()


def test_a_finding_without_a_class_has_no_replicate():
    score, label, patient = cases()
    label[:, 2] = 0
    result = bootstrap_auc(score, label, patient, 20)
    assert result.undefined.tolist() == [0, 0, 20]
    assert np.isnan(result.intervals()[2].lower)


def test_means_and_ratios_are_weighted_sums():
    random = np.random.default_rng(0)
    value, patient = random.random((50, 2)), random.integers(0, 20, 50)
    value[:5, 0] = np.nan
    result = bootstrap_mean(value, patient, 30, seed=1)
    weights = drawn(patient, 30, 1)
    for row, weight in zip(result.replicates, weights, strict=True):
        assert row[0] == pytest.approx(np.average(value[5:, 0], weights=weight[5:]))
        assert row[1] == pytest.approx(np.average(value[:, 1], weights=weight))
    np.testing.assert_allclose(result.value, np.nanmean(value, axis=0))
    part, whole = random.random((50, 1)), random.random((50, 1))
    ratio = bootstrap_ratio(part, whole, patient, 30, seed=1)
    np.testing.assert_allclose(ratio.replicates, weights @ part / (weights @ whole))
    assert np.isnan(bootstrap_ratio(0 * part, 0 * whole, patient, 3).value[0])


def test_the_same_seed_draws_the_same_samples_in_parts_of_any_size():
    whole = np.concatenate([part.T for part in patient_weights(10, 70, 4)])
    assert whole.shape == (70, 10)
    assert (whole.sum(axis=1) == 10).all()
    np.testing.assert_array_equal(whole[:64], np.concatenate([part.T for part in patient_weights(10, 64, 4)]))


def test_patients_must_be_as_many_as_cases():
    with pytest.raises(ValueError, match=r"patients have shape \(3,\), but there are 2 cases"):
        bootstrap_auc([[1.0], [2.0]], [[0], [1]], [1, 2, 3])


def test_cases_without_a_name_are_not_one_patient():
    with pytest.raises(ValueError, match="2 of 3 cases have no patient"):
        bootstrap_auc(np.ones((3, 1)), np.ones((3, 1)), ["a", "", ""])
    with pytest.raises(ValueError, match="1 of 3 cases have no patient"):
        bootstrap_auc(np.ones((3, 1)), np.ones((3, 1)), [1, 2, np.nan])


@pytest.mark.parametrize("names", [["a", "", ""], ["a", None, None], ["a", None, ""], [b"a", b"", b""], [1, None, ""]])
def test_objects_without_a_name_are_not_one_patient(names):
    for array in (names, np.array(names, dtype=object)):
        with pytest.raises(ValueError, match="2 of 3 cases have no patient"):
            patient_numbers(array, 3)


def test_names_that_are_objects_are_those_of_text():
    count, index = patient_numbers(np.array(["b", "a", "b"], dtype=object), 3)
    assert (count, index.tolist()) == (2, [1, 0, 1])
    with pytest.raises(ValueError, match="by text or by numbers"):
        patient_numbers(np.array(["b", 1], dtype=object), 2)


@pytest.mark.parametrize("level", [-1, 0, 1, 95, np.nan])
def test_a_level_of_percentiles_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="the confidence level must lie between 0 and 1"):
        bootstrap_mean([[0.2], [0.4]], replicates=2).intervals(level)


def test_no_replicate_is_refused():
    with pytest.raises(ValueError, match="1 replicate or more, not 0"):
        bootstrap_auc(np.ones((3, 1)), np.ones((3, 1)), None, 0)
