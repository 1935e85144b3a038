"""Whether a batch can fit into memory: a lower bound of what one takes against what there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from app.checking.ids import followed, is_literal, value_at
from app.checking.problem import Findings

_GIGABYTE = 1e9


def batch_bytes(batch_size: int, size: int, findings: int) -> int:
    """The least that a batch takes on its device: image and one mask a finding, as bytes and as 32-bit floats.

    The network's own layers come on top, many times this in training; they are not counted, as only running shows them.
    """
    return batch_size * (1 + findings) * size * size * (1 + 4)


def check_memory(config: dict[str, object], names: int, findings: Findings) -> None:
    """Find a batch that alone is larger than the memory it must be in.

    Args:
        config: with ``batch_size`` and ``image_size``; without them nothing is judged.
        names: how many findings there are.
        findings: to add to.
    """
    batch_size, size = _number(config, "batch_size"), _number(config, "image_size")
    if not (batch_size and size) or batch_size < 1 or size < 1:
        return
    needed = batch_bytes(batch_size, size, names)
    where, available = available_memory(_device(config))
    if available is None:
        return
    if needed > available:
        findings.add(
            "batch_size",
            f"a batch of {batch_size} images and {names} masks each of {size} x {size} takes "
            f"{needed / _GIGABYTE:.1f} GB at least, before the network; {where} has {available / _GIGABYTE:.1f} GB. "
            f"At most {int(available // batch_bytes(1, size, names))} of them fit.",
        )
    else:
        findings.facts.append(
            f"a batch takes {needed / _GIGABYTE:.3g} GB at least, of {available / _GIGABYTE:.3g} GB of {where} "
            "(images and masks alone: what the network takes is not estimated)"
        )


def available_memory(device: str) -> tuple[str, int | None]:
    """Which memory a device has, in words, and how many bytes: all of a GPU's, what is free of the computer's.

    Args:
        device: ``cpu``, ``cuda`` or the like; empty for the first GPU where there is one, else the CPU.

    Returns:
        None for the number where it cannot be told.
    """
    if not device.startswith("cpu"):
        total = _gpu_memory(int(device.partition(":")[2] or 0))
        if total is not None or device:
            return "the GPU", total
    return "this computer's free memory", _free_memory()


def _gpu_memory(index: int) -> int | None:
    if not Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", f"--id={index}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        return int(answer.split()[0]) * 2**20
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        # Without an answer nothing can be judged; the caller is told so by None.
        return None


def _free_memory() -> int | None:
    """Bytes that a process may still take, a container's limit considered; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    limit = Path("/sys/fs/cgroup/memory.max")
    if free is not None and limit.is_file() and limit.read_text().strip().isdecimal():
        free = min(free, int(limit.read_text()))
    return free


def _number(config: dict[str, object], key: str) -> int | None:
    if key not in config:
        return None
    _, value = followed(config, key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _device(config: dict[str, object]) -> str:
    try:
        value = value_at(config, "device")
    except KeyError:
        return ""
    if isinstance(value, dict):
        value = value.get("device", "")
    return value if isinstance(value, str) and is_literal(value) else ""
