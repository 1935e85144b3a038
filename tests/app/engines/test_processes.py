"""Two processes that train and evaluate together give the results of one; torchrun's variables are checked."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing, nn

from app.engines.processes import (
    LAUNCHER_SETS,
    bare,
    from_main,
    is_main,
    join,
    leave,
    over_ranks,
    parallel,
    rank,
    same_buffers,
    share_statistics,
    world_size,
)
from tests.app.engines.tiny_training import ScoreAlone, evaluated, tiny_network, trained

CPU = torch.device("cpu")
TRAININGS: dict[str, dict[str, Any]] = {
    "every batch a step": {},
    # Three batches per epoch: a step of two, and one of the last.
    "two batches a step": {"accumulate": 2},
    # Divided evenly into three and three.
    "less than a batch": {"count": 6, "batch_size": 8},
    "an output that the loss does not use": {"loss": ScoreAlone()},
    "a layer that is trained from the second epoch on": {"frozen_in_first_epoch": True},
}
# Fewer batches than processes, and fewer items than processes, are among them.
COUNTS = (9, 13, 4, 1)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(place: int, processes: int, port: int) -> dict[str, str]:
    """Variables that torchrun sets."""
    values = (place, place, processes, processes, "127.0.0.1", port)
    return dict(zip(LAUNCHER_SETS, map(str, values), strict=True))


def share(place: int, port: int, folder: str) -> None:
    """One of two processes."""
    os.environ |= environment(place, 2, port)
    torch.set_num_threads(1)
    join()
    join()
    seen: dict[str, Any] = {"rank": rank(), "world": world_size(), "main": is_main()}
    seen |= {name: trained(**settings) for name, settings in TRAININGS.items()}
    seen |= {str(count): evaluated(count) for count in COUNTS}
    network = tiny_network()
    network.seen.fill_(10.0 + place)
    same_buffers(network)
    seen["buffer"] = network.seen.item()
    seen["refused"] = refusal(lambda: trained(batch_size=5))
    seen["refused statistics"] = refusal(lambda: share_statistics(network, CPU))
    seen["ranks"], seen["first"] = over_ranks(place), from_main(place)
    torch.save(seen, Path(folder) / f"{place}.pt")
    leave()


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def shares(tmp_path_factory) -> list[dict[str, Any]]:
    """The results of each of two processes."""
    folder = tmp_path_factory.mktemp("shares")
    multiprocessing.spawn(share, (free_port(), str(folder)), nprocs=2)
    return [torch.load(folder / f"{place}.pt", weights_only=True) for place in range(2)]


def test_ranks_and_shared_values(shares):
    assert [(s["rank"], s["world"], s["main"]) for s in shares] == [(0, 2, True), (1, 2, False)]
    assert [(s["ranks"], s["first"]) for s in shares] == [([0, 1], 0)] * 2


@pytest.mark.parametrize("name", TRAININGS)
def test_weights_are_those_of_one_process(shares, name):
    alone = trained(**TRAININGS[name])
    for seen in shares:
        for key, value in alone["weights"].items():
            # A mean of means is rounded differently.
            torch.testing.assert_close(seen[name]["weights"][key], value, atol=1e-6, rtol=1e-5)
    assert all(
        torch.equal(shares[0][name]["weights"][key], shares[1][name]["weights"][key]) for key in alone["weights"]
    )


@pytest.mark.parametrize("name", TRAININGS)
def test_processes_divide_the_batches_of_one(shares, name):
    alone = trained(**TRAININGS[name])["visited"]
    first, second = (seen[name]["visited"] for seen in shares)
    assert len(first) == len(second) == len(alone)
    for mine, other, whole in zip(first, second, alone, strict=True):
        assert not set(mine) & set(other)
        assert sorted(mine + other) == sorted(whole)


def test_a_layer_frozen_at_first_is_trained_later(shares):
    changed = shares[1]["a layer that is trained from the second epoch on"]["weights"]["body.weight"]
    assert not torch.equal(changed, tiny_network().body.weight)


@pytest.mark.parametrize("count", COUNTS)
def test_an_evaluation_gives_the_numbers_of_one_process(shares, count):
    alone = evaluated(count)
    assert alone["index"].tolist() == list(range(count))
    for seen in shares:
        metrics, expected = seen[str(count)].pop("metrics"), dict(alone["metrics"])
        assert metrics.keys() == expected.keys()
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, rel=1e-6, nan_ok=True), name
        for name, array in seen[str(count)].items():
            if name in ("logit", "score"):
                # Smaller batches sum products in another order.
                torch.testing.assert_close(array, alone[name], atol=1e-6, rtol=0)
            else:
                assert torch.equal(array, alone[name]), name


def test_buffers_are_those_of_rank_0(shares):
    assert [seen["buffer"] for seen in shares] == [10.0, 10.0]


def test_a_batch_that_cannot_be_divided_is_refused(shares):
    expected = "batch_size is 5, that of all processes together, but must be a multiple of their number, 2"
    assert [seen["refused"] for seen in shares] == [expected, expected]


def test_sync_batch_norm_needs_gpus(shares):
    assert [seen["refused statistics"] for seen in shares] == ["sync_batch_norm works on GPUs only, not on cpu"] * 2


def test_a_single_process_joins_no_group(monkeypatch):
    for name in LAUNCHER_SETS:
        monkeypatch.delenv(name, raising=False)
    # Some cluster schedulers set these for every process.
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("MASTER_ADDR", "node0")
    join()
    network = nn.Linear(1, 1)
    assert (rank(), world_size(), is_main()) == (0, 1, True)
    assert parallel(network, CPU) is network
    assert bare(network) is network
    assert share_statistics(network, CPU) is network


def test_a_single_process_of_torchrun_joins_no_group(monkeypatch):
    for name, value in environment(0, 1, 1).items():
        monkeypatch.setenv(name, value)
    join()
    assert (rank(), world_size()) == (0, 1)


@pytest.mark.parametrize("name", [name for name in LAUNCHER_SETS if name != "RANK"])
def test_incomplete_torchrun_variables_are_refused(monkeypatch, name):
    for each, value in environment(0, 2, 1).items():
        monkeypatch.setenv(each, value)
    monkeypatch.delenv(name)
    with pytest.raises(RuntimeError, match=f"describes several processes but lacks {name}: start them with torchrun"):
        join()
