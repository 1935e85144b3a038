"""Whether a batch can fit into memory: a lower bound of what it takes against what is available."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from app.checking.ids import followed, is_literal
from app.checking.kinds import is_integer
from app.checking.problems import Problems

_GIGABYTE = 1e9


def batch_bytes(batch_size: int, size: int, findings: int) -> int:
    """The least that a batch takes on its device: an image and one mask per finding, as bytes and as 32-bit floats.

    The layers of the network take many times as much in training; only running it shows how much.

    Example:
        >>> batch_bytes(batch_size=16, size=256, findings=1)
        10485760
    """
    return batch_size * (1 + findings) * size * size * (1 + 4)


def check_memory(config: dict[str, object], findings: int, problems: Problems) -> None:
    """Find a batch of ``batch_size`` images of ``image_size`` that alone exceeds the memory it must fit into."""
    batch_size, size = (followed(config, key)[1] if key in config else None for key in ("batch_size", "image_size"))
    if not is_integer(batch_size) or not is_integer(size) or batch_size < 1 or size < 1:
        return
    needed = batch_bytes(batch_size, size, findings)
    place, available = available_memory(_device(config))
    if available is None:
        return
    if needed > available:
        text = f"a batch of {batch_size} images and {findings} masks each of {size} x {size} takes"
        text += (
            f" {needed / _GIGABYTE:.1f} GB at least, before the network; {place} has {available / _GIGABYTE:.1f} GB."
        )
        problems.add("batch_size", f"{text} At most {available // batch_bytes(1, size, findings)} images fit.")
    else:
        problems.facts.append(
            f"a batch takes {needed / _GIGABYTE:.3g} GB at least, of {available / _GIGABYTE:.3g} GB of {place} "
            "(images and masks alone: what the network takes is not estimated)"
        )


def available_memory(device: str) -> tuple[str, int | None]:
    """Which memory a device has, in words, and its bytes (None if unknown): a GPU's total, or what a computer has free.

    Args:
        device: such as ``cpu`` or ``cuda:1``; empty for the first GPU if there is one, else the CPU.
    """
    if not device.startswith("cpu"):
        total = _gpu_memory(device.partition(":")[2] or "0")
        if total is not None or device:
            return "the GPU", total
    return "this computer's free memory", _free_memory()


def _gpu_memory(index: str) -> int | None:
    if not Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", f"--id={index}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        return int(answer.split()[0]) * 2**20
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return None


def _free_memory() -> int | None:
    """Bytes that a process may still take, within the limit of its container; None if the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    limit = Path("/sys/fs/cgroup/memory.max")
    if free is not None and limit.is_file() and limit.read_text().strip().isdecimal():
        free = min(free, int(limit.read_text()))
    return free


def _device(config: dict[str, object]) -> str:
    value = config.get("device", "")
    value = value.get("device", "") if isinstance(value, dict) else value
    return value if isinstance(value, str) and is_literal(value) else ""
