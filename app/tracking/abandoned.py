"""Runs whose process is gone: how they are recognised, and their status set to KILLED."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def process_tags() -> dict[str, str]:
    """Tags that tell this process from every other one, even after a reboot or if its number is used again."""
    pid = str(os.getpid())
    return {"frugal.host": _host(), "frugal.boot": _boot(), "frugal.pid": pid, "frugal.process_start": _start(pid)}


def is_on_this_host(tags: Mapping[str, str]) -> bool:
    """Whether the process with these tags ran on this host."""
    return tags.get("frugal.host") == _host()


def is_gone(tags: Mapping[str, str]) -> bool:
    """Whether the process with these tags has certainly ended; False if that cannot be known from this host."""
    if not is_on_this_host(tags):
        return False
    return tags.get("frugal.boot") != _boot() or tags.get("frugal.process_start") != _start(tags["frugal.pid"])


def sweep(client: MlflowClient) -> list[str]:
    """Set runs that are RUNNING, but whose process on this host is gone, to KILLED.

    Returns:
        Ids of those runs, which ``kill -9``, a full memory or a power failure left behind.
    """
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    query = f"attributes.status = 'RUNNING' and tags.`frugal.host` = '{_host()}'"
    runs = client.search_runs(experiments, query, max_results=1000)
    swept = [run.info.run_id for run in runs if is_gone(run.data.tags)]
    for run_id in swept:
        client.set_tag(run_id, "error", "the process ended without a word (kill -9, out of memory, reboot)")
        client.set_terminated(run_id, "KILLED")
    return swept


def _host() -> str:
    """Name of the host and its process-id namespace, as containers can share a name."""
    return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"


def _boot() -> str:
    """An id that changes with every start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start(pid: str) -> str:
    """When a process started, in clock ticks since boot (field 22 of proc(5)'s stat); empty if there is none."""
    try:
        # The second field, the command's name in parentheses, may itself hold spaces and parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
