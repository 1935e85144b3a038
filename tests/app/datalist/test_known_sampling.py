"""The sampler of items of which something is known."""

import pytest

from app.datalist.known_sampling import KnownSampler


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
