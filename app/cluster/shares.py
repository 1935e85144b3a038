"""A machine shared by several processes: what each gets of its processors and GPUs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from app.cluster.worker import DEVICES, device_names


def visible_devices() -> tuple[str, ...]:
    """Names of the GPUs that this process may use: those that ``CUDA_VISIBLE_DEVICES`` lists, otherwise all."""
    if DEVICES in os.environ:
        return device_names()
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))


def deal(devices: Sequence[str], jobs: int) -> list[tuple[str, ...]]:
    """Devices of each of several processes: as many as there are for each, or one that several share evenly.

    Example:
        >>> deal(["0", "1", "2", "3"], jobs=2)
        [('0', '1'), ('2', '3')]
        >>> deal(["0", "1"], jobs=3)
        [('0',), ('1',), ('0',)]
    """
    count = len(devices)
    if count < jobs:
        return [tuple(devices[job % count : job % count + 1]) if count else () for job in range(jobs)]
    return [tuple(devices[count * job // jobs : count * (job + 1) // jobs]) for job in range(jobs)]


def environments(dealt: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Variables by which each process keeps to its share of the processors and to its GPUs.

    Args:
        dealt: The GPUs of each process; none are named if it is empty.
    """
    threads = (
        {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // len(dealt)))}
    )
    return [threads | ({DEVICES: ",".join(devices)} if devices else {}) for devices in dealt]
