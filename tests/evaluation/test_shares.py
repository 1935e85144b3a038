"""Wilson's interval for the effective number of cases."""

import math

import numpy as np
import pytest

from evaluation.distributions import wilson_interval
from evaluation.shares import share_interval


def clustered(random, patients, images):
    """Images called by a chance that is the patient's own: beta(4, 1), 0.8 on average, a correlation of 1/6."""
    return np.repeat(random.beta(4, 1, patients), images) > random.random(patients * images)


def test_patients_of_one_image_are_independent_cases():
    part = np.arange(20) < 13
    found, expected = share_interval(part, np.ones(20), np.arange(20)), wilson_interval(13, 20)
    assert (found.value, found.lower, found.upper) == pytest.approx(
        (expected.value, expected.lower, expected.upper), abs=1e-12
    )
    assert share_interval(part, np.ones(20)) == expected


def test_copies_of_an_image_count_as_one():
    part = np.repeat(np.arange(40) < 30, 5)
    found = share_interval(part, np.ones(200), np.repeat(np.arange(40), 5))
    expected = wilson_interval(30, 40)
    assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper), abs=0.005)
    every = share_interval(np.ones(200), np.ones(200), np.repeat(np.arange(40), 5))
    assert every == wilson_interval(40, 40)


def test_only_the_whole_counts():
    part, whole = np.array([1, 1, 0, 1, 0]), np.array([1, 1, 1, 0, 0])
    assert share_interval(part, whole) == wilson_interval(2, 3)
    assert share_interval(part, whole, list("aabcd")).value == 2 / 3
    assert math.isnan(share_interval(part, np.zeros(5), list("aabcd")).value)


def test_a_single_patient_counts_as_one_case():
    found = share_interval([1, 1, 0, 1], np.ones(4), ["a"] * 4)
    limits = wilson_interval(0.75, 1)
    assert (found.lower, found.upper) == (limits.lower, limits.upper)


def test_it_covers_while_independence_would_not():
    random, by_patient, by_image = np.random.default_rng(0), 0, 0
    for _ in range(600):
        part = clustered(random, 60, 8)
        patient = np.repeat(np.arange(60), 8)
        together, apart = share_interval(part, np.ones(480), patient), share_interval(part, np.ones(480))
        by_patient += together.lower <= 0.8 <= together.upper
        by_image += apart.lower <= 0.8 <= apart.upper
    assert 0.92 < by_patient / 600 < 0.98  # 0.9 points of standard error
    assert by_image / 600 < 0.9


@pytest.mark.parametrize(("patients", "chance"), [(20, 0.8), (60, 0.9)])
def test_a_patient_with_many_images_does_not_speak_for_all(patients, chance):
    random, inside = np.random.default_rng(1), 0
    for _ in range(500):
        images = np.where(np.arange(patients) % 10, random.integers(1, 4, patients), 15)  # one patient in ten has 15
        own = random.beta(2 * chance, 2 * (1 - chance), patients)  # a correlation of 1/3
        patient = np.repeat(np.arange(patients), images)
        found = share_interval(random.random(len(patient)) < own[patient], np.ones(len(patient)), patient)
        inside += found.lower <= chance <= found.upper
    assert inside / 500 > 0.91  # 82% with all patients counted alike


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"part has shape \(1,\) and whole \(2,\); they must be the same"):
        share_interval([1], [1, 1])
    with pytest.raises(ValueError, match=r"patients have shape \(1,\), but there are 2 cases"):
        share_interval([1, 0], [1, 0], patient=["a"])
