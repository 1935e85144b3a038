"""Claims and nodes: how many tasks fit, and what is claimed after a task ran out of memory."""

import pytest

from app.cluster.nodes import require
from app.cluster.resources import Node, Resources, more_memory, nodes_of

GB = 10**9
NODE = Node("1f2e3d4c", "gpu03", Resources(cpus=8, gpus=4, memory=64 * GB))


@pytest.mark.parametrize(
    ("claim", "slots"),
    [
        (Resources(cpus=1), 8),
        (Resources(cpus=0.5), 16),
        (Resources(cpus=1, gpus=0.5), 8),
        (Resources(cpus=1, gpus=0.4), 8),  # two to each of four GPUs, as 0.4 fits twice into one
        (Resources(cpus=0.1, gpus=0.4), 8),
        (Resources(cpus=1, gpus=2), 2),
        (Resources(cpus=1, gpus=1, memory=40 * GB), 1),
        (Resources(cpus=1, gpus=8), 0),
    ],
)
def test_as_many_fit_as_the_scarcest_resource_allows(claim, slots):
    assert NODE.slots(claim) == slots


@pytest.mark.parametrize(
    ("claim", "larger"),
    [
        (Resources(2, 0.5, 8 * GB), Resources(2, 1, 16 * GB)),
        (Resources(2, 0.5), Resources(2, 1)),
        (Resources(2, 1, 40 * GB), Resources(2, 1, 64 * GB)),  # all that the node has, as it has no 80
        (Resources(2), Resources(8)),  # claimed no memory: alone on the node
        (Resources(8), None),
        (Resources(2, 1, 64 * GB), None),
    ],
)
def test_more_memory_is_claimed_where_a_node_has_more(claim, larger):
    assert more_memory(claim, [NODE]) == larger


def test_a_claim_that_no_node_meets_is_refused_with_what_they_have():
    require([NODE], Resources(8, 4, 64 * GB))
    with pytest.raises(ValueError, match=r"no node .* 1 CPUs, 8 GPUs at once \(gpu03: 8 CPUs, 4 GPUs, 64\.0 GB\)"):
        require([NODE], Resources(1, 8))


def test_dead_nodes_are_no_nodes():
    described = {"NodeID": "a", "NodeManagerHostname": "b", "Resources": {"CPU": 2.0}}
    assert nodes_of([{**described, "Alive": True}, {**described, "Alive": False}]) == [Node("a", "b", Resources(2.0))]
