"""Numbers of patients and powers, against pROC's, published tables and the variances of the measures themselves."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from evaluation.delong import area_covariance
from evaluation.power import (
    PlannedVariance,
    fewest,
    hanley_mcneil,
    interval_width,
    normal_scores,
    obuchowski,
    pilot_variance,
    power_above,
    power_of_difference,
    stated_variance,
)

CHANCE = stated_variance((0.5 + 1e-12,), of=obuchowski)


def power_against_chance(area, present, absent, level=0.95):
    variance = stated_variance((area,), of=obuchowski).at(present, absent)
    return power_above(variance, CHANCE.at(present, absent), area - 0.5, level)


def test_one_area_agrees_with_proc():
    # pROC's documentation and tests (test-power.roc.test.R): power.roc.test(ncases = 41, ncontrols = 72, auc = 0.73).
    # pROC takes 1.414 for the root of 2.
    assert power_against_chance(0.73, 41, 72) == pytest.approx(0.9897453, abs=2e-6)
    # power.roc.test(auc = r.s100b$auc, power = 0.95, kappa = 1.7): 29.29764 cases; the area is 0.7313686.
    cases = fewest(lambda n: power_against_chance(0.7313686, n / 1000, 1.7 * n / 1000) >= 0.95) / 1000
    assert cases == pytest.approx(29.29764, abs=2e-3)


@pytest.mark.parametrize(
    ("ratio", "cases"),
    # Obuchowski et al. 2004, table 4, as pROC's tests have it: areas of 0.6 and 0.7, one-sided 5%, power 90%.
    [(0.25, (334, 80)), (0.5, (202, 49)), (1, (135, 33)), (2, (102, 25)), (4, (85, 21))],
)
def test_one_area_agrees_with_obuchowskis_table(ratio, cases):
    for area, expected in zip((0.6, 0.7), cases, strict=True):
        found = fewest(lambda n, a=area: power_against_chance(a, n, ratio * n, level=0.9) >= 0.9)
        assert found == expected


def test_normal_scores_have_the_variance_of_large_samples():
    # Under chance it is Wilcoxon's (1/12 for either class); else measured on a million scores, to 0.5%.
    assert normal_scores(0.5) == pytest.approx((1 / 12, 1 / 12))
    random, label = np.random.default_rng(0), np.arange(10**6) % 2
    scores = random.normal(size=label.size) + math.sqrt(2) * NormalDist().inv_cdf(0.85) * label
    measured = area_covariance(scores[:, None], label).covariance[0, 0]
    assert stated_variance((0.85,)).at(5 * 10**5, 5 * 10**5) == pytest.approx(measured, rel=5e-3)


def test_hanley_and_mcneil_agree_with_their_formula():
    # Equation 1 of the paper: with 1,000 of each the term that is left out is below 0.1% of the variance.
    area, m, n = 0.8, 1000, 1000
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    full = (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)
    assert stated_variance((area,), of=hanley_mcneil).at(m, n) == pytest.approx(full, rel=2e-3)


def clustered(patients=80):
    random = np.random.default_rng(2)
    owner = np.repeat(np.arange(patients), random.integers(1, 5, patients))
    label = (random.random(owner.size) < 0.3).astype(float)  # many patients have present and absent images
    label[random.random(owner.size) < 0.05] = -1
    score = random.normal(size=(owner.size, 2)) + label[:, None] + random.normal(size=patients)[owner][:, None]
    return score, label, owner


def test_at_its_own_size_a_pilot_has_the_variance_of_the_test():
    score, label, owner = clustered()
    covariance = area_covariance(score, label, owner).covariance
    present, known = np.unique(owner[label == 1]), np.unique(owner[label >= 0])
    sizes = len(present), len(known) - len(present)
    assert pilot_variance(score, label, owner).at(*sizes) == pytest.approx(
        covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    )
    assert pilot_variance(score[:, :1], label, owner).at(*sizes) == pytest.approx(covariance[0, 0])
    assert pilot_variance(score, label, owner).evidence == len(present)


@pytest.mark.parametrize("times", [2, 5])
def test_a_study_of_copies_has_the_variance_that_was_planned(times):
    """Every patient several times is the larger study with the same squares; its own correction for few is smaller."""
    score, label, owner = clustered()
    larger = np.concatenate([owner + copy * 1000 for copy in range(times)])
    covariance = area_covariance(np.tile(score, (times, 1)), np.tile(label, times), larger).covariance
    measured = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    has = len(np.unique(owner[label == 1]))
    lacks = len(np.unique(owner[label >= 0])) - has
    assert pilot_variance(score, label, owner).at(times * has, times * lacks) == pytest.approx(measured, rel=0.02)


def test_more_patients_without_the_finding_help_less_and_less():
    variance = pilot_variance(*clustered())
    values = [variance.at(50, absent) for absent in (50, 100, 1000, 10**6)]
    assert values == sorted(values, reverse=True)
    assert values[2] - values[3] < values[0] - values[1]


def test_cautious_is_the_limit_of_a_variance():
    # chi-square of 19 degrees of freedom is above 13.716 in 80% of samples (tables).
    variance = PlannedVariance(1, (0, 1), (0.1, 0, 0, 0.1), evidence=20)
    assert variance.cautious(0.8).at(50, 50) / variance.at(50, 50) == pytest.approx(19 / 13.716, rel=1e-4)
    assert stated_variance((0.8,)).cautious() == stated_variance((0.8,))


def test_power_is_that_of_the_normal_test():
    # z of 2.8016 = 1.95996 + 0.84162 has a power of 80%.
    assert power_of_difference(1.0, 2.8016) == pytest.approx(0.8, abs=1e-4)
    assert power_of_difference(1.0, -2.8016) == pytest.approx(0.8, abs=1e-4)
    assert power_of_difference(1.0, -1.0, margin=3.8016) == pytest.approx(0.8, abs=1e-4)
    assert interval_width(0.8, 0.01**2) == pytest.approx(2 * 1.959964 * 0.01, rel=1e-2)


def test_two_models_that_agree_need_fewer_patients():
    alone, together = (stated_variance((0.8, 0.85), each, obuchowski).at(50, 50) for each in (0, 0.6))
    one, two = (sum(obuchowski(area)) / 50 for area in (0.8, 0.85))
    assert alone == pytest.approx(one + two)
    # By hand: the covariance of each class is the correlation times both deviations.
    parts = sum(math.sqrt(a * b) for a, b in zip(obuchowski(0.8), obuchowski(0.85), strict=True)) / 50
    assert together == pytest.approx(one + two - 2 * 0.6 * parts)


@pytest.mark.parametrize(("areas", "correlation"), [((0.5,), 0), ((1.0,), 0), ((0.8, 1.1), 0), ((0.8, 0.9), 1.0)])
def test_impossible_statements_are_refused(areas, correlation):
    with pytest.raises(ValueError, match="cannot be planned for"):
        stated_variance(areas, correlation)


def test_a_pilot_without_present_patients_is_refused():
    score, label, owner = clustered()
    with pytest.raises(ValueError, match="0 patients of the pilot have present cases"):
        pilot_variance(score, np.zeros_like(label), owner)
    with pytest.raises(ValueError, match="1 patients of the pilot have absent cases"):
        pilot_variance(score, np.where(owner == 3, 0, 1), owner)


def test_a_study_that_no_size_suffices_for_is_refused():
    with pytest.raises(ValueError, match="no study can show that"):
        fewest(lambda count: False)
