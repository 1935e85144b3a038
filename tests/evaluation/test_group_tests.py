"""The pooled test of groups against exact permutation, Student's test, and populations without a difference."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from evaluation.group_tests import Placed, difference_p, placed


def group(values, first=0):
    """Cases of as many patients, numbered from the first."""
    return Placed(np.asarray(values, dtype=float), np.arange(first, first + len(values)))


def permuted(first, second):
    """Two-sided p: twice the share of all exchanges with a difference at least as far to the side of the observed."""
    together, size = np.concatenate([first, second]), len(first)
    means = [together[list(chosen)].sum() for chosen in itertools.combinations(range(len(together)), size)]
    observed, means = first.sum(), np.array(means)
    return min(1.0, 2 * min(np.mean(means >= observed - 1e-12), np.mean(means <= observed + 1e-12)))


def test_it_is_students_test_if_groups_are_as_large():
    random = np.random.default_rng(0)
    first, second = random.normal(size=12), random.normal(0.7, size=12)
    assert difference_p([(group(first), group(second, 12))], 24) == pytest.approx(
        ttest_ind(first, second).pvalue, rel=1e-4
    )


@pytest.mark.parametrize("seed", range(6))
def test_it_is_close_to_all_exchanges_of_skewed_placements(seed):
    random = np.random.default_rng(seed)
    first, second = random.beta(4, 1, 4), random.beta(3, 1, 20)  # 10,626 exchanges
    found, exact = difference_p([(group(first), group(second, 4))], 24), permuted(first, second)
    assert found == pytest.approx(exact, abs=0.05)


def test_no_p_value_is_smaller_than_exchanges_could_show():
    perfect = difference_p([(group([1, 1, 1]), group([0.5] * 20 + [0.4], 3))], 24)
    assert perfect == pytest.approx(2 / math.comb(24, 3))
    assert difference_p([(group([1, 1, 1]), group([0, 0, 0], 3))], 6) == 2 / 20
    assert difference_p([(group([0.5] * 3), group([0.5] * 9, 3))], 12) == 1


def test_copies_of_an_image_add_no_evidence():
    random = np.random.default_rng(4)
    first, second = random.random(8), random.random(30) ** 0.5
    sides = group(first), group(second, 8)
    once = difference_p([sides], 38)
    copied = [Placed(np.repeat(side.placement, 4), np.repeat(side.patient, 4)) for side in sides]
    apart = [group(np.repeat(first, 4)), group(np.repeat(second, 4), 32)]
    assert difference_p([tuple(copied)], 38) == pytest.approx(once, rel=0.15)
    assert difference_p([tuple(apart)], 152) < 0.2 * once


def test_patients_in_both_groups_are_their_own_control():
    random = np.random.default_rng(5)
    own = random.random(40)
    first, second = np.clip(own + 0.05, 0, 1), np.clip(own + random.normal(0, 0.01, 40), 0, 1)
    paired = difference_p([(group(first), group(second))], 40)  # the same 40 patients
    apart = difference_p([(group(first), group(second, 40))], 80)
    assert paired < 1e-6 < 0.1 < apart


def test_it_fires_as_often_as_it_says_where_nothing_differs():
    random, p = np.random.default_rng(6), []
    for _ in range(600):
        images = random.integers(1, 5, 55)
        patient = np.repeat(np.arange(55), images)
        noise = np.repeat(random.normal(0, 0.7, 55), images) + random.normal(0, 0.7, len(patient))
        absent, few = random.normal(-1.2, 1, 100), patient < 5
        sides = (placed(noise, absent, side, patient) for side in (few, ~few))
        p.append(difference_p([tuple(sides)], 55))
    assert (
        0.03 < np.mean(np.array(p) < 0.05) < 0.07
    )  # a standard error of 0.9 points; by each group's own variance 0.16
