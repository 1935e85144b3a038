"""The order in which strategies choose, and batches within a budget."""

import itertools
import math

import numpy as np
import pytest

from app.selection.batch import Offer, fill
from app.selection.strategies import by_value, covering, disagreement, uncertainty

NOTHING = np.array([], dtype=np.int64)


def test_uncertainty_is_the_mean_entropy_of_what_is_known():
    # By hand: H(0.25) = 0.25 * 2 + 0.75 * log2(4 / 3).
    quarter = 0.5 + 0.75 * math.log2(4 / 3)
    p = np.array([[0.25, np.nan], [0.25, 0.5], [np.nan, np.nan], [0.0, 1.0]])
    np.testing.assert_allclose(uncertainty(p), [quarter, (quarter + 1) / 2, 0, 0], atol=1e-9)


def test_a_committee_disagrees_only_where_its_members_differ():
    # By hand: H(0.5) - (H(0.25) + H(0.75)) / 2, and nothing where one member alone says something.
    quarter = 0.5 + 0.75 * math.log2(4 / 3)
    p = np.array([[[0.25], [0.4], [0.9]], [[0.75], [0.4], [np.nan]]])
    np.testing.assert_allclose(disagreement(p), [1 - quarter, 0, 0], atol=1e-9)
    with pytest.raises(ValueError, match="two seeds or more"):
        disagreement(p[:1])


def test_coverage_is_within_twice_the_best_radius():
    """Gonzalez, 1985: greedy k-centre is within twice the optimum, which is found here by trying all."""
    vectors = np.random.default_rng(0).normal(size=(14, 2))
    start = np.array([3])
    picks = covering(vectors)(start, 3)

    def radius(centres: tuple[int, ...]) -> float:
        return np.linalg.norm(vectors[:, None] - vectors[list(centres)], axis=2).min(axis=1).max()

    best = min(radius((3, *others)) for others in itertools.combinations(range(14), 3))
    assert len({3, *picks.tolist()}) == 4
    assert radius((3, *picks.tolist())) <= 2 * best


def test_ties_are_in_random_order():
    orders = {tuple(by_value(np.zeros(6), seed)(NOTHING, 6).tolist()) for seed in range(5)}
    assert len(orders) > 1


def offer(patients: int, images: int, price: float = 1.0) -> Offer:
    number = patients * images
    return Offer(np.arange(number) % patients, np.zeros(number, np.int64), np.full(number, price), [0.0])


def test_one_image_a_patient_within_the_budget():
    value = np.repeat(np.arange(4.0), 50)  # all images of the best quarter come first, several of a patient
    batch = fill(offer(50, 4), by_value(value, 0), budget=30, share=0.2, seed=0)
    both = np.concatenate([batch.random, batch.chosen])
    assert (len(batch.random), len(batch.chosen), batch.cost) == (6, 24, 30)
    assert len(set((both % 50).tolist())) == 30


def test_coverage_spends_all_though_it_offers_patients_twice():
    vectors = np.random.default_rng(1).normal(size=(200, 3))
    batch = fill(offer(50, 4), covering(vectors), budget=50, share=0.2, seed=0)
    assert batch.cost == 50  # every patient once


def test_a_patient_of_many_images_is_not_drawn_sooner():
    # Patient 0 has 100 images and 20 patients have one each: of 10 random patients, about 10 / 21 are patient 0.
    patient = np.concatenate([np.zeros(100, np.int64), np.arange(1, 21)])
    many = Offer(patient, np.zeros(120, np.int64), np.ones(120), [0.0])
    drawn = [0 in patient[fill(many, None, 10, 1, seed).random] for seed in range(200)]
    assert 0.38 < np.mean(drawn) < 0.58  # 10 / 21 = 0.476, three standard errors are 0.106


def test_levels_have_prices_and_set_up_costs():
    mixed = Offer(np.arange(4), np.array([0, 1, 1, 0]), np.array([1.0, 4.0, 4.0, 1.0]), [0.0, 10.0])
    batch = fill(mixed, lambda taken, count: np.setdiff1d(np.arange(4), taken), budget=20, share=1, seed=0)
    assert batch.cost == 20  # by hand: 1 + 4 + 4 + 1 + 10
    with pytest.raises(ValueError, match=r"--budget 0\.5: does not pay for one image"):
        fill(mixed, None, 0.5, 1, 0)
