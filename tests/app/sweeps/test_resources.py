"""``resources`` of a study file: what is read, and what is refused."""

import re

import pytest

from app.cluster import Resources
from app.sweeps.resources import claim, parse_resources, processes


@pytest.mark.parametrize(
    ("given", "resources"),
    [
        (None, {}),
        ({"cpus": 4, "gpus": 0.5, "memory": "8GB"}, {"cpus": 4, "gpus": 0.5, "memory": 8e9}),
        ({"memory": "1.5 GiB"}, {"memory": 1.5 * 2**30}),
        ({"memory": 4096}, {"memory": 4096}),
        ({"gpus": 0}, {"gpus": 0}),
        ({"gpus": 2.0, "cpus": 0.25}, {"gpus": 2, "cpus": 0.25}),
    ],
)
def test_resources_are_read(given, resources):
    assert parse_resources(given, "resources") == resources


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gpu": 1}, "unknown 'gpu'; known are cpus, gpus, memory. Did you mean 'gpus'?"),
        ({"gpus": 1.5}, "gpus must be a whole number from 0, or a share of one GPU, such as 0.5, not 1.5"),
        ({"gpus": -1}, "gpus must be"),
        ({"cpus": 0}, "cpus must be a whole number from 1"),
        ({"cpus": True}, "cpus must be"),
        ({"cpus": "4"}, "cpus must be"),
        ({"memory": "8 gigabytes"}, "memory must be bytes, or a number with a unit, such as 8GB, not '8 gigabytes'"),
        ({"memory": 0}, "memory must be"),
        ({"gpus": float("nan")}, "gpus must be"),
        ({"cpus": float("inf")}, "cpus must be"),
        ([1], "must be a mapping"),
    ],
)
def test_what_cannot_be_claimed_is_refused(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_resources(given, "resources")


def test_a_cell_claims_one_gpu_by_default_where_there_are_any():
    assert claim({}, has_gpus=True) == Resources(1, 1)
    assert claim({"gpus": 0}, has_gpus=True) == Resources(1, 0)
    assert claim({"memory": 5}, has_gpus=False) == Resources(1, 0, 5)


def test_a_process_for_each_whole_gpu():
    assert [processes(each) for each in ({}, {"gpus": 0}, {"gpus": 0.5}, {"gpus": 1}, {"gpus": 4})] == [1, 1, 1, 1, 4]
