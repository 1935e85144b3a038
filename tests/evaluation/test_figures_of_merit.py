"""Figures of merit over patients: against `area_covariance`, and against leaving patients out one by one."""

import numpy as np
import pytest

from evaluation import area_covariance, auc_per_finding
from evaluation.figures_of_merit import Units, areas, bootstrap_intervals, shares
from evaluation.resampling import Bootstrap

CASES, PATIENTS, SETS = 60, 25, 3


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties (N, K), labels, and patients of several cases, some of them of both classes."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, CASES)
    return generator.normal(label[:, None], 1, (CASES, SETS)).round(1), label, generator.integers(0, PATIENTS, CASES)


def units_of(score: np.ndarray, label: np.ndarray, patient: np.ndarray, weight: np.ndarray | None = None) -> Units:
    present, absent = label == 1, label == 0
    weights = np.ones(int(present.sum())) if weight is None else weight
    return Units(score[present], patient[present], weights, score[absent], patient[absent], PATIENTS)


def slow_areas(units: Units) -> np.ndarray:
    """By the definition, pair by pair."""
    higher = units.present[:, None] > units.absent[None]
    tied = units.present[:, None] == units.absent[None]
    weight = units.weight[:, None, None]
    return (weight * (higher + 0.5 * tied)).sum((0, 1)) / (units.weight.sum() * len(units.absent))


def leaving_out(units: Units, patient: int) -> Units:
    kept, other = units.present_patient != patient, units.absent_patient != patient
    return Units(
        units.present[kept],
        units.present_patient[kept],
        units.weight[kept],
        units.absent[other],
        units.absent_patient[other],
        units.patients,
    )


@pytest.mark.parametrize("seed", range(3))
def test_with_weights_of_one_areas_and_covariance_are_those_of_delong(seed):
    score, label, patient = drawn(seed)
    figures, expected = areas(units_of(score, label, patient)), area_covariance(score, label, patient)
    np.testing.assert_allclose(figures.value, expected.auc, rtol=0, atol=1e-15)
    np.testing.assert_allclose(figures.covariance(), expected.covariance, rtol=0, atol=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_areas_with_and_without_each_patient_by_definition(seed):
    score, label, patient = drawn(seed)
    score[::7] = -np.inf
    units = units_of(score, label, patient, np.random.default_rng(seed).uniform(0.2, 1, int(label.sum())))
    figures = areas(units)
    np.testing.assert_allclose(figures.value, slow_areas(units), rtol=1e-12)
    for number in range(PATIENTS):
        np.testing.assert_allclose(figures.without[number], slow_areas(leaving_out(units, number)), rtol=1e-12)


def test_the_jackknife_by_its_definition():
    score, label, patient = drawn(0)
    figures = areas(units_of(score, label, patient))
    columns = np.repeat(label[:, None], SETS, axis=1)
    known = np.unique(patient)
    without = np.array([auc_per_finding(score[patient != n], columns[patient != n]) for n in known])
    expected = np.cov(without.T, bias=True) * (len(known) - 1)
    np.testing.assert_allclose(figures.jackknife_covariance(), expected, rtol=1e-9)


def test_the_influence_of_weighted_areas_is_their_derivative():
    # Counting one patient's units a little more moves the figure by that patient's influence, as in the linearisation.
    score, label, patient = drawn(1)
    units = units_of(score, label, patient)
    influence, step = areas(units).influence, 1e-6
    present, absent = (len(np.unique(owner)) for owner in (units.present_patient, units.absent_patient))
    only = [n for n in np.unique(units.present_patient) if n not in units.absent_patient]
    for number in only:
        more = Units(
            *(getattr(units, name) for name in ("present", "present_patient")),
            units.weight.copy(),
            *[getattr(units, name) for name in ("absent", "absent_patient", "patients")],
        )
        more.weight[units.present_patient == number] += step
        slope = (slow_areas(more) - slow_areas(units)) / step
        scale = np.sqrt(present / (present - 1))
        np.testing.assert_allclose(influence[number], slope * scale, rtol=1e-4, atol=1e-7)
    assert only
    assert absent > 1


def test_shares_have_the_variance_of_a_mean():
    right = np.random.default_rng(2).integers(0, 2, (40, SETS))
    figures = shares(right, np.arange(40), 40)
    np.testing.assert_allclose(figures.value, right.mean(axis=0))
    expected = np.cov(right.T) / 40
    np.testing.assert_allclose(figures.covariance(), expected, rtol=1e-12)
    np.testing.assert_allclose(figures.jackknife_covariance(), expected, rtol=1e-12)


def test_patients_without_a_unit_do_not_count():
    right = np.array([[1.0], [0.0], [1.0]])
    few, many = shares(right, np.array([0, 1, 2]), 3), shares(right, np.array([0, 3, 5]), 9)
    np.testing.assert_allclose(few.jackknife_covariance(), many.jackknife_covariance(), rtol=1e-12)


def test_without_a_class_everything_is_undefined():
    nothing = np.zeros((0, 1))
    units = Units(np.ones((2, 1)), np.array([0, 1]), np.ones(2), nothing, np.zeros(0, dtype=int), 2)
    assert np.isnan(areas(units).value).all()
    assert np.isnan(shares(nothing, np.zeros(0, dtype=int), 2).value).all()


def test_one_patient_of_a_class_shows_no_variance():
    units = Units(np.ones((2, 1)), np.array([0, 0]), np.ones(2), np.zeros((2, 1)), np.array([1, 2]), 3)
    assert areas(units).value.tolist() == [1.0]
    assert np.isnan(areas(units).covariance()).all()


def test_a_score_that_is_not_a_number_is_refused():
    units = Units(np.array([[np.nan]]), np.array([0]), np.ones(1), np.zeros((1, 1)), np.array([1]), 2)
    with pytest.raises(ValueError, match="1 of 1 scores are NaN"):
        areas(units)


def test_intervals_of_replicates_on_the_logit_scale():
    # By hand: the logit of 0.8 is log(4); standard deviation 0.05, divided by 0.8 * 0.2.
    replicates = 0.8 + 0.05 * np.array([-1.0, 1.0, np.nan])[:, None]
    [interval] = bootstrap_intervals(Bootstrap(np.array([0.8]), replicates), trials=9)
    half = 1.959963984540054 * 0.05 / 0.16
    expected = [1 / (1 + np.exp(-(np.log(4) + side * half))) for side in (-1, 1)]
    assert (interval.lower, interval.upper) == pytest.approx(expected, abs=1e-12)


def test_intervals_of_what_does_not_vary_are_exact():
    # Nine of nine: the lower limit is the ninth root of 0.025.
    sure = Bootstrap(np.array([1.0, np.nan]), np.array([[1.0, np.nan], [1.0, np.nan]]))
    first, second = bootstrap_intervals(sure, trials=9)
    assert (first.lower, first.upper) == (pytest.approx(0.025 ** (1 / 9), abs=1e-12), 1)
    assert np.isnan([second.value, second.lower, second.upper]).all()
