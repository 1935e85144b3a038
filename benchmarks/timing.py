"""Processor time, which other work on the machine hardly changes: of one piece of work, or of several in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def shortest(work: Callable[[], T], times: int) -> tuple[float, T]:
    """Seconds of the quickest of some calls, and what the last one returned."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def in_turn(ways: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, list[float]]:
    """Seconds a file of each call of each way; a way returns how many files it took."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in np.random.default_rng(repeat).permutation(list(ways)):  # one leaves the caches to the next
            start = time.process_time()
            files = ways[name]()
            taken[name].append((time.process_time() - start) / files)
    return taken
