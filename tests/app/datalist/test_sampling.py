"""One to one sampling: both kinds alike in every epoch, none repeated before all were seen, and the same anew."""

from collections import Counter

import numpy as np
import pytest

from app.datalist.sampling import BalancedSampler, KnownSampler, ShuffledSampler


def labels(present: int, absent: int, unknown: int = 0) -> np.ndarray:
    return np.array([[1.0]] * present + [[0.0]] * absent + [[-1.0]] * unknown)


@pytest.mark.parametrize(("present", "absent"), [(3, 7), (7, 3), (5, 5), (1, 9), (2, 5)])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_both_kinds_alike_in_every_epoch(present, absent, epoch):
    sampler = BalancedSampler(labels(present, absent))
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert len(order) == len(sampler) == present + absent
    found = sum(index < present for index in order)
    # An odd epoch has one more of one kind.
    assert abs(2 * found - len(order)) <= len(order) % 2


@pytest.mark.parametrize(("present", "absent"), [(3, 17), (17, 3), (4, 4)])
def test_none_is_repeated_before_all_of_its_kind_were_seen(present, absent):
    counts = Counter(BalancedSampler(labels(present, absent)))
    for kind in (range(present), range(present, present + absent)):
        times = [counts[index] for index in kind]
        assert max(times) - min(times) <= 1


def test_over_epochs_every_item_is_seen():
    sampler = BalancedSampler(labels(3, 17))
    seen = set()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        seen |= set(sampler)
    assert seen == set(range(20))


def test_an_epoch_can_be_made_again_and_another_is_another():
    first, again = BalancedSampler(labels(8, 12), seed=3), BalancedSampler(labels(8, 12), seed=3)
    orders = []
    for epoch in (1, 2):
        first.set_epoch(epoch)
        again.set_epoch(epoch)
        assert list(first) == list(again)
        orders.append(list(first))
    assert orders[0] != orders[1]
    again.set_epoch(1)
    assert list(again) == orders[0]


def test_seeds_give_other_orders():
    assert list(BalancedSampler(labels(8, 12), seed=0)) != list(BalancedSampler(labels(8, 12), seed=1))


def test_global_randomness_is_neither_used_nor_touched():
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    list(BalancedSampler(labels(8, 12)))
    assert np.random.rand() == expected


def test_kinds_are_mixed():
    order = list(BalancedSampler(labels(50, 50)))
    assert 10 < sum(index < 50 for index in order[:50]) < 40


def test_what_nothing_is_known_of_is_left_out_and_counted():
    sampler = BalancedSampler(labels(2, 3, unknown=4))
    assert sampler.excluded == 4
    assert len(sampler) == 5
    assert set(sampler) <= set(range(5))


def test_kinds_of_several_findings():
    # By hand: any finding present makes an image one with a finding; else one known absent makes it one without.
    sampler = BalancedSampler([[1, 0], [-1, 1], [0, 0], [0, -2], [-1, -2], [0.7, 0], [0.3, -1]])
    assert [kind.tolist() for kind in sampler.kinds] == [[0, 1, 5], [2, 3, 6]]
    assert sampler.excluded == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (labels(0, 4), "there are 0 with a finding and 4 without"),
        (labels(4, 0), "there are 4 with a finding and 0 without"),
        (labels(0, 0, 3), "there are 0 with a finding and 0 without"),
    ],
    ids=["none present", "none absent", "nothing known"],
)
def test_one_kind_alone_is_refused(given, message):
    with pytest.raises(ValueError, match=f"one to one needs items of both kinds; {message}"):
        BalancedSampler(given)


def test_shuffled_visits_every_item_once_in_an_order_of_the_seed_and_epoch():
    orders = {}
    for seed, epoch in ((0, 1), (0, 2), (1, 1)):
        sampler = ShuffledSampler(20, seed)
        sampler.set_epoch(epoch)
        orders[seed, epoch] = tuple(sampler)
        assert sorted(sampler) == list(range(20))
        assert tuple(sampler) == orders[seed, epoch]
    assert len(set(orders.values())) == 3
    assert len(ShuffledSampler(20)) == 20


def test_each_item_of_which_anything_is_known_comes_once() -> None:
    sampler = KnownSampler([(1, -1), (-1, -2), (-2, 0), (0.5, -1)], seed=0)
    assert sorted(sampler) == [0, 2, 3]
    assert len(sampler) == 3
    assert sampler.excluded == 1


def test_orders_follow_from_seed_and_epoch() -> None:
    labels = [(1,)] * 20
    first, second = KnownSampler(labels, seed=1), KnownSampler(labels, seed=1)
    second.set_epoch(1)
    assert list(first) == list(KnownSampler(labels, seed=1))
    assert list(first) != list(second)
    assert list(first) != list(KnownSampler(labels, seed=2))


def test_nothing_known_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 2 items has a known label"):
        KnownSampler([(-1,), (-2,)])
