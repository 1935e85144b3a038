"""Differences of paired shares: exact tests against statsmodels and by enumeration, intervals by simulation."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from evaluation.paired_shares import compare_shares, exchange_p
from evaluation.shares import share_interval


def pairs(both, only_first, only_second, neither):
    """Two columns of calls with so many cases of each kind."""
    counts = (both, only_first, only_second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        # statsmodels 0.15.0, mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue
        ((59, 6, 16, 80), 0.052478790283203125),
        ((101, 121, 59, 33), 4.4344492637551645e-06),
        ((30, 9, 2, 9), 0.0654296875),
        ((5, 0, 0, 5), 1.0),
    ],
)
def test_p_of_independent_cases_is_mcnemars(table, p):
    first, second = pairs(*table)
    every = np.ones(len(first), dtype=bool)
    assert compare_shares(first, second, every).p == pytest.approx(p, rel=1e-12)
    assert compare_shares(first, second, every, np.arange(len(first))).p == pytest.approx(p, rel=1e-12)
    assert compare_shares(second, first, every).p == pytest.approx(p, rel=1e-12)


def test_p_of_patients_is_that_of_all_exchanges():
    random = np.random.default_rng(0)
    for _ in range(10):
        gain, patient = random.integers(-1, 2, 40), random.integers(0, 9, 40)
        sums = np.bincount(patient, weights=gain, minlength=9)
        totals = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=9)]
        expected = np.mean(np.array(totals) >= abs(sums.sum()))
        assert exchange_p(gain, patient) == pytest.approx(expected)


def test_p_of_many_patients_is_obuchowskis():
    """Obuchowski, Statistics in Medicine 17, 1998: the squared sum over the sum of the patients' squares."""
    random = np.random.default_rng(1)
    patient = np.repeat(np.arange(1500), 4)
    tendency = random.normal(size=1500)[patient]
    gain = np.sign(np.round(tendency + random.normal(size=6000) + 0.02)).astype(int)
    sums = np.bincount(patient, weights=gain)
    z = abs(sums.sum()) / math.sqrt(np.square(sums).sum())
    assert exchange_p(gain, patient) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.005)


def test_copies_of_a_patients_cases_change_nothing():
    first, second = pairs(20, 8, 3, 9)
    once = compare_shares(first, second, np.ones(40, dtype=bool))
    three_times = [np.repeat(each, 3) for each in (first, second, np.ones(40, dtype=bool))]
    copied = compare_shares(*three_times, patient=np.repeat(np.arange(40), 3))
    assert copied.p == pytest.approx(once.p)
    # The design effect is 3 but for the 39 / 40 and 119 / 120 of the variances.
    assert copied.difference.lower == pytest.approx(once.difference.lower, abs=0.002)
    assert (copied.only_first, copied.only_second) == (24, 9)


def test_interval_is_bonett_and_prices():
    """By hand from their equation 3: (b + 1) / (n + 2), (c + 1) / (n + 2) with b = 8, c = 3, n = 40."""
    first, second = pairs(20, 8, 3, 9)
    result = compare_shares(first, second, np.ones(40, dtype=bool))
    one, two = 9 / 42, 4 / 42
    half = 1.959964 * math.sqrt((one + two - (one - two) ** 2) / 42)
    assert result.difference.value == 5 / 40
    assert (result.difference.lower, result.difference.upper) == pytest.approx((one - two - half, one - two + half))
    assert result.first == share_interval(first, np.ones(40, dtype=bool))


def test_cases_outside_do_not_count():
    first, second = pairs(20, 8, 3, 9)
    whole = np.arange(40) % 2 == 0
    result = compare_shares(first, second, whole, np.arange(40) // 4)
    assert result == compare_shares(first[whole], second[whole], np.ones(20, dtype=bool), (np.arange(40) // 4)[whole])
    nothing = compare_shares(first, second, np.zeros(40, dtype=bool))
    assert math.isnan(nothing.p)
    assert math.isnan(nothing.difference.value)


def test_equal_calls_leave_a_difference_open():
    result = compare_shares([1, 1, 0], [1, 1, 0], [1, 1, 1], ["a", "a", "b"])
    assert (result.difference.value, result.p) == (0.0, 1.0)
    assert -0.8 < result.difference.lower < 0 < result.difference.upper < 0.8
    assert compare_shares([1, 1], [0, 0], [1, 1], ["a", "a"]).difference.upper == 1


@pytest.mark.parametrize(("patients", "most", "share"), [(50, 1, 0.9), (40, 6, 0.8)])
def test_intervals_cover_and_tests_keep_their_level(patients, most, share):
    """200 sets of two models that are equally often right; 95% with a standard error of 1.5 points."""
    random = np.random.default_rng(2)
    covered = rejected = 0
    for _ in range(200):
        owner = np.repeat(np.arange(patients), random.integers(1, most + 1, patients))
        shared, own = random.normal(size=patients)[owner], random.normal(size=(2, patients))[:, owner]
        latent = 0.6 * shared + 0.4 * own + 0.69 * random.normal(size=(2, len(owner)))
        first, second = latent < math.sqrt(0.6**2 + 0.4**2 + 0.69**2) * NormalDist().inv_cdf(share)
        result = compare_shares(first, second, np.ones(len(owner), dtype=bool), owner)
        covered += result.difference.lower <= 0 <= result.difference.upper
        rejected += result.p < 0.05
    assert covered >= 0.92 * 200
    assert rejected <= 0.06 * 200


@pytest.mark.parametrize("level", [0.001, 0.1, 0.5, 0.95])
def test_the_interval_contains_the_difference_at_every_level(level):
    difference = compare_shares(np.ones(50), np.zeros(50), np.ones(50), level=level).difference
    assert difference.lower <= difference.value <= difference.upper


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"A \(2,\), B \(1,\) and whole \(2,\) must have one shape"):
        compare_shares([1, 0], [1], [1, 1])
    with pytest.raises(ValueError, match=r"patients have shape \(1,\), but there are 2 cases"):
        compare_shares([1, 0], [1, 0], [1, 1], patient=["a"])
