"""Reading the small JSON files that the application writes about its own work."""

from __future__ import annotations

import json
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


def _reason(content: bytes, error: Exception) -> str:
    if not content.strip():
        return "it is empty"
    if not content.strip(b"\0 \r\n\t"):
        return "it holds nothing but zeros, as after a power failure"
    return f"it is cut short or damaged ({str(error).splitlines()[0]})"
