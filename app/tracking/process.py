"""Which process a run belongs to, whether that process still lives, and runs whose process is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def identity() -> dict[str, str]:
    """Tags that tell this process from any other, also after a reboot or when its number is used again."""
    return {
        "frugal.host": _host(),
        "frugal.boot": _boot(),
        "frugal.pid": str(os.getpid()),
        "frugal.process_start": _start(os.getpid()),
    }


def is_here(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote these tags was one of this host's."""
    return tags.get("frugal.host") == _host()


def is_gone(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote these tags, as `identity` gave them, surely runs no more.

    False when it cannot be known: another host or container, or tags that are not ours.
    """
    if not is_here(tags) or not tags.get("frugal.pid", "").isdigit():
        return False
    if tags.get("frugal.boot") != _boot():
        return True
    pid = int(tags["frugal.pid"])
    return not _exists(pid) or _start(pid) != tags.get("frugal.process_start")


def sweep(client: MlflowClient) -> list[str]:
    """Set runs that say RUNNING, but whose process on this host is gone, to KILLED.

    Returns:
        The ids of those runs: what ``kill -9``, a full memory or a power failure left behind.
    """
    swept = []
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    query = f"attributes.status = 'RUNNING' and tags.`frugal.host` = '{_host()}'"
    for run in client.search_runs(experiments, query, max_results=1000):
        if is_gone(run.data.tags):
            client.set_tag(
                run.info.run_id, "error", "the process ended without a word (kill -9, out of memory, reboot)"
            )
            client.set_terminated(run.info.run_id, "KILLED")
            swept.append(run.info.run_id)
    return swept


def _host() -> str:
    """Name of the host and, on Linux, the number of its process-id space: containers can share a name."""
    space = Path("/proc/self/ns/pid")
    name = socket.gethostname().replace("'", "")
    try:
        return f"{name} {space.readlink()}"
    except OSError:
        return name


def _boot() -> str:
    """Changes with every start of the machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When the process started, in clock ticks since boot (field 22 of proc(5)'s stat); empty where unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, the command's name in parentheses, may itself hold blanks and parentheses.
    return stat.rpartition(")")[2].split()[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
