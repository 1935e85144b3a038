"""Several processes on this machine, to which its processors and GPUs are dealt out."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Sequence

from app.cluster.kinds import DIED, TRIES_AGAIN
from app.cluster.shares import environments
from app.interrupts import sigterm_as_exit

POLL_SECONDS = 0.5

logger = logging.getLogger(__name__)


def run_in_processes(command: Sequence[str], dealt: Sequence[Sequence[str]]) -> None:
    """Start a command once for each share of the GPUs, with its share of the processors, and wait for all.

    A process that is killed is started again a few times. SIGTERM and Ctrl-C end all of them in order.

    Args:
        command: Exits with 0 or 1.
        dealt: The GPUs of each process; none are named if it is empty.

    Raises:
        ValueError: A process died, or died too often.
    """

    def start(index: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env={**os.environ, **shares[index]}, stdout=subprocess.DEVNULL)

    shares = environments(dealt)
    processes = [start(index) for index in range(len(shares))]
    left = [TRIES_AGAIN[DIED]] * len(processes)
    try:
        with sigterm_as_exit():
            while any(process.poll() is None for process in processes):
                time.sleep(POLL_SECONDS)
                for index, process in enumerate(processes):
                    if (process.poll() or 0) < 0 and left[index]:
                        logger.warning("a process was ended by signal %d; another takes its place", -process.returncode)
                        left[index] -= 1
                        processes[index] = start(index)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        codes = [process.wait() for process in processes]
    if any(code not in (0, 1) for code in codes):
        raise ValueError(f"a process of the study died (exit statuses {', '.join(map(str, codes))}); start it again.")
