"""Several processes on this machine, to which its processors and GPUs are dealt out."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Sequence

from app.cluster import device_names
from app.cluster.kinds import DIED, TRIES_AGAIN
from app.cluster.worker import DEVICES
from app.interrupts import sigterm_as_exit

POLL_SECONDS = 0.5

logger = logging.getLogger(__name__)


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


def run_in_processes(command: Sequence[str], dealt: Sequence[Sequence[str]]) -> None:
    """Start a command once for each share of the GPUs, with its share of the processors, and wait for all.

    A process that is killed is started again a few times. SIGTERM and Ctrl-C end all of them in order.

    Args:
        command: Exits with 0 or 1.
        dealt: The GPUs of each process; none are named if it is empty.

    Raises:
        ValueError: A process died, or died too often.
    """
    threads = max(1, (os.cpu_count() or 1) // len(dealt))
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}

    def start(devices: Sequence[str]) -> subprocess.Popen[bytes]:
        own = {**environment, **({DEVICES: ",".join(devices)} if devices else {})}
        return subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL)

    processes = [start(devices) for devices in dealt]
    left = [TRIES_AGAIN[DIED]] * len(processes)
    try:
        with sigterm_as_exit():
            while any(process.poll() is None for process in processes):
                time.sleep(POLL_SECONDS)
                for index, process in enumerate(processes):
                    if (process.poll() or 0) < 0 and left[index]:
                        logger.warning("a process was ended by signal %d; another takes its place", -process.returncode)
                        left[index] -= 1
                        processes[index] = start(dealt[index])
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        codes = [process.wait() for process in processes]
    if any(code not in (0, 1) for code in codes):
        raise ValueError(f"a process of the study died (exit statuses {', '.join(map(str, codes))}); start it again.")
