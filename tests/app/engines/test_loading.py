"""Loaders: every image once, in the same batches for any number of workers and processes."""

import pickle
from collections.abc import Iterable
from itertools import chain

import pytest
import torch
from torch.utils.data import RandomSampler

from app.datalist.sampling import BalancedSampler, ShuffledSampler
from app.engines.loading import EvaluationLoader, SharedSampler, TrainingLoader, WholeBatches, dealt_batches
from tests.app.engines.tiny_training import Radiographs


def visited(loader: TrainingLoader | EvaluationLoader) -> list[list[int]]:
    return [batch["index"].tolist() for batch in loader]


def joined(parts: Iterable[list]) -> list:
    return list(chain.from_iterable(parts))


@pytest.mark.parametrize(("count", "batch", "processes"), [(24, 8, 2), (25, 8, 4), (40, 8, 8), (7, 6, 3), (8, 8, 1)])
def test_processes_divide_each_batch(count, batch, processes):
    whole = ShuffledSampler(count, seed=3)
    shared = [SharedSampler(ShuffledSampler(count, seed=3), batch, place, processes) for place in range(processes)]
    for epoch in (1, 2):
        for sampler in (whole, *shared):
            sampler.set_epoch(epoch)
        order, parts = list(whole), [list(each) for each in shared]
        assert [len(part) for part in parts] == [len(each) for each in shared]
        # Equal counts, so that no process waits for a batch that another one does not have.
        assert len({len(part) for part in parts}) == 1
        size = batch // processes
        for number in range(count // batch):
            together = [index for part in parts for index in part[number * size : (number + 1) * size]]
            assert together == order[number * batch : (number + 1) * batch]


@pytest.mark.parametrize(("count", "processes"), [(5, 2), (7, 4), (3, 3)])
def test_an_epoch_of_less_than_a_batch_is_divided_evenly(count, processes):
    shared = [SharedSampler(ShuffledSampler(count), 8 * processes, place, processes) for place in range(processes)]
    parts = [list(each) for each in shared]
    assert sorted(joined(parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [len(part) for part in parts] == [len(each) for each in shared]


@pytest.mark.parametrize(("batch", "processes"), [(9, 2), (0, 1), (3, 4)])
def test_batches_that_cannot_be_divided_are_refused(batch, processes):
    with pytest.raises(ValueError, match=f"batch_size is {batch}, .* a multiple of their number, {processes}"):
        SharedSampler(ShuffledSampler(10), batch, 0, processes)


def test_an_order_that_does_not_follow_from_the_epoch_is_refused():
    with pytest.raises(TypeError, match="RandomSampler has no set_epoch"):
        TrainingLoader(range(4), 2, sampler=RandomSampler(range(4)))


def test_fewer_images_than_processes_are_refused():
    with pytest.raises(ValueError, match="an epoch of 3 images cannot be shared by 4 processes"):
        SharedSampler(ShuffledSampler(3), 8, 0, 4)


def test_the_order_does_not_depend_on_the_number_of_workers():
    orders = {}
    for workers in (0, 2):
        loader = TrainingLoader(Radiographs(23), 5, seed=4, workers=workers)
        orders[workers] = []
        for epoch in (1, 2, 1):
            loader.set_epoch(epoch)
            orders[workers].append(visited(loader))
    assert orders[0] == orders[2]
    first, second, again = orders[0]
    assert first == again != second
    # The last three images are dropped.
    assert [len(batch) for batch in first] == [5, 5, 5, 5]
    assert len(set(joined(first))) == 20


def test_a_single_batch_is_not_dropped():
    assert [sorted(batch) for batch in visited(TrainingLoader(Radiographs(3), 8))] == [[0, 1, 2]]


def test_a_given_sampler_decides_the_order():
    sampler = BalancedSampler([[1.0]] * 3 + [[0.0]] * 9, seed=2)
    loader = TrainingLoader(Radiographs(12), 4, sampler=sampler)
    loader.set_epoch(7)
    alone = BalancedSampler([[1.0]] * 3 + [[0.0]] * 9, seed=2)
    alone.set_epoch(7)
    assert joined(visited(loader)) == list(alone)


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_do_not_draw_from_the_global_generator(workers):
    before = torch.random.get_rng_state()
    visited(TrainingLoader(Radiographs(9), 4, workers=workers))
    visited(EvaluationLoader(Radiographs(9), 4, workers=workers))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_prepared_masks_are_read_as_planes():
    batch = next(iter(EvaluationLoader(Radiographs(4), 4)))
    assert batch["image"].dtype == torch.uint8
    assert batch["planes"].shape == (2, 8)
    plain = [{"image": torch.full((1, 2, 2), float(number)), "index": number} for number in range(4)]
    batch = next(iter(EvaluationLoader(plain, 3)))
    assert batch["image"].shape == (3, 1, 2, 2)
    assert batch["index"].tolist() == [0, 1, 2]


def test_the_dataset_of_whole_batches_can_be_pickled():
    whole = pickle.loads(pickle.dumps(WholeBatches(Radiographs(3))))
    assert len(whole) == 3
    assert whole.__getitems__([2, 0])["index"].tolist() == [2, 0]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [8, 9, 20, 64])
def test_every_item_is_evaluated_by_one_process(count, processes):
    dealt = [dealt_batches(range(count), 4, place, processes) for place in range(processes)]
    assert all(dealt)
    assert sorted(index for batches in dealt for batch in batches for index in batch) == list(range(count))
    if count >= 4 * processes:
        # The same batches as with one process, so their losses are the same too.
        alone = dealt_batches(range(count), 4, 0, 1)
        assert sorted(joined(dealt)) == alone


def test_every_process_evaluates_a_batch():
    assert [dealt_batches(range(2), 4, place, 3) for place in range(3)] == [[[0]], [[1]], [[0]]]
    assert dealt_batches((), 4, 0, 2) == []


def test_a_batch_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="batch_size is 0, but must be 1 or more"):
        EvaluationLoader(Radiographs(2), 0)


def test_a_file_that_is_left_out_changes_no_other_batch():
    whole = Radiographs(10)
    without = Radiographs(8)
    without.positions = [0, 1, 3, 4, 6, 7, 8, 9]  # of 10, of which numbers 2 and 5 are left out
    assert visited(EvaluationLoader(whole, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert visited(EvaluationLoader(without, 4)) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert visited(EvaluationLoader(whole, 4).over(without)) == [[0, 1, 2], [3, 4, 5], [6, 7]]
