"""What a task claims of a node, and what nodes have."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GIGABYTE = 10**9


@dataclass(frozen=True)
class Resources:
    """What one task claims.

    Attributes:
        cpus: Processors, above 0.
        gpus: A share of one GPU (below 1), or a whole number of GPUs.
        memory: Bytes of main memory; 0 claims none. Ray places tasks by it and does not enforce it.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0

    def __str__(self) -> str:
        """For example ``2 CPUs, 0.5 GPUs, 8.0 GB``."""
        memory = f", {self.memory / GIGABYTE:.1f} GB" if self.memory else ""
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs{memory}"


@dataclass(frozen=True)
class Node:
    """A machine of the cluster and what it has in all."""

    id: str
    host: str
    has: Resources

    def slots(self, claim: Resources) -> int:
        """How many tasks with this claim it can run at once.

        Example:
            >>> Node("1", "a", Resources(8, 2, 0)).slots(Resources(2, 0.5, 0))
            4
        """
        by_cpus = math.floor(self.has.cpus / claim.cpus)
        by_gpus = _whole(self.has.gpus) * math.floor(1 / claim.gpus) if 0 < claim.gpus < 1 else None
        if claim.gpus >= 1:
            by_gpus = math.floor(self.has.gpus / claim.gpus)
        by_memory = self.has.memory // claim.memory if claim.memory else None
        return min(each for each in (by_cpus, by_gpus, by_memory) if each is not None)


def more_memory(claim: Resources, nodes: Sequence[Node]) -> Resources | None:
    """The claim for another try of a task that ran out of memory: the whole GPU and twice the main memory.

    A task that claimed neither then gets all processors of a node, so that few others run beside it.

    Returns:
        None if there is no node with more than the task had.
    """
    larger = dataclasses.replace(
        claim,
        gpus=1.0 if 0 < claim.gpus < 1 else claim.gpus,
        memory=min(2 * claim.memory, max((node.has.memory for node in nodes), default=0)),
    )
    if larger == claim and not claim.memory:
        larger = dataclasses.replace(claim, cpus=max((node.has.cpus for node in nodes), default=0.0))
    is_more = larger != claim and any(node.slots(larger) for node in nodes)
    return larger if is_more else None


def nodes_of(described: Sequence[Mapping[str, object]]) -> list[Node]:
    """The nodes that are alive, from what ``ray.nodes()`` returns."""
    nodes = []
    for each in described:
        if each["Alive"]:
            has = each["Resources"]
            assert isinstance(has, Mapping)
            resources = Resources(has.get("CPU", 0.0), has.get("GPU", 0.0), int(has.get("memory", 0)))
            nodes.append(Node(str(each["NodeID"]), str(each["NodeManagerHostname"]), resources))
    return nodes


def _whole(number: float) -> int:
    return math.floor(number)
