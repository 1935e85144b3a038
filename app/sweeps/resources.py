"""What a cell claims of a machine: ``resources`` in a study file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from app.cluster import Resources
from app.sweeps.fields import as_mapping

ALLOWED = {
    "cpus": "a whole number from 1, or a share of one processor, such as 0.5",
    "gpus": "a whole number from 0, or a share of one GPU, such as 0.5",
    "memory": "bytes, or a number with a unit, such as 8GB",
}
UNITS = {"": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_MEMORY = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[A-Za-z]*)")


def parse_resources(given: object, where: str) -> dict[str, float]:
    """Read ``{cpus: 4, gpus: 0.5, memory: 8GB}``; each key may be left out.

    Raises:
        ValueError: A key is unknown, or a value is none that can be claimed.

    Example:
        >>> parse_resources({"gpus": 0.5, "memory": "8GB"}, "resources")
        {'gpus': 0.5, 'memory': 8000000000.0}
    """
    resources = {}
    for key, value in as_mapping(given, where, tuple(ALLOWED)).items():
        number = _number(value, with_unit=key == "memory")
        # A part of two GPUs is no GPU: what is above 1 must be whole.
        is_whole_or_share = number is not None and (0 < number <= 1 or (number > 1 and number % 1 == 0))
        if number is None or not (is_whole_or_share or (number == 0 and key == "gpus")):
            raise ValueError(f"{where}: {key} must be {ALLOWED[key]}, not {value!r}.")
        resources[key] = number
    return resources


def claim(resources: Mapping[str, float], has_gpus: bool) -> Resources:
    """What a cell claims if its study file gives these: one processor by default, and one GPU where there are any.

    Example:
        >>> claim({"cpus": 4}, has_gpus=True)
        Resources(cpus=4, gpus=1.0, memory=0)
    """
    gpus = resources.get("gpus", float(has_gpus))
    return Resources(resources.get("cpus", 1.0), gpus, int(resources.get("memory", 0)))


def processes(resources: Mapping[str, float]) -> int:
    """How many processes train a cell together: one for each of its GPUs.

    Example:
        >>> processes({"gpus": 2}), processes({"gpus": 0.5}), processes({})
        (2, 1, 1)
    """
    return max(1, int(resources.get("gpus", 1)))


def _number(value: object, with_unit: bool) -> float | None:
    """The number that a value is, or with a unit, the bytes; None if it is none."""
    match = _MEMORY.fullmatch(value) if with_unit and isinstance(value, str) else None
    if match is not None and match["unit"] in UNITS:
        return float(int(float(match["number"]) * UNITS[match["unit"]]))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
