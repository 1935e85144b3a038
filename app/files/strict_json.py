"""JSON that people write: read as fast as may be, and refused where an object has a key twice."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_UNUSUAL = re.compile(rb"\\|\s:")
"""What there is where a quotation mark and a colon side by side may be no key's, or a key's may stand apart."""


def strict_loads(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON text; other readers keep the last of two equal keys, and say nothing.

    Raises:
        ValueError: no JSON, or an object with a key twice; names the key.
    """
    value = orjson.loads(content)
    # Where as many names are written as there are keys, none is there twice. All else is read again, slowly.
    if _UNUSUAL.search(content) or content.count(b'":') != _keys(value):
        try:
            json.loads(content, object_pairs_hook=_unique)
        except RecursionError as error:
            raise ValueError("its objects and lists are nested too deeply") from error
    return value


def _keys(value: object) -> int:
    """How many keys all objects of a value have, but for those in lists that begin with something else."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(each) for each in value.values() if isinstance(each, (dict, list)))
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return sum(map(_keys, value))
    return 0


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice in one object; only one can hold")
    return found
