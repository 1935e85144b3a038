"""The JSON files that the application writes about its own work: what may stand in them, and reading them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def read_record(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: The file.
        what: What it should be, such as ``the results of a run``.
        remedy: What the user should do if it is damaged, as a sentence.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is empty, cut short, not text, or not an object; names the file, the reason and the remedy.
    """
    content = path.read_bytes()
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = _reason(content, error)
    else:
        if isinstance(record, dict):
            return record
        reason = f"it holds a {type(record).__name__}, not an object"
    raise ValueError(f"{path}: not {what} ({reason}). {remedy}")


def without_nan(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value with None for each number that JSON does not have, in dictionaries and sequences at any depth.

    Example:
        >>> without_nan({"auc": float("nan"), "interval": (0.5, float("inf"))})
        {'auc': None, 'interval': [0.5, None]}
    """
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reason(content: bytes, error: Exception) -> str:
    if not content.strip():
        return "it is empty"
    if not content.strip(b"\0 \r\n\t"):
        return "it holds nothing but zeros, as after a power failure"
    return f"it is cut short or damaged ({str(error).splitlines()[0]})"
