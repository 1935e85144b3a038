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
            json.loads(content, object_pairs_hook=unique_keys)
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


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these keys and values; as a hook for the standard library's parser.

    Raises:
        ValueError: names a key that is given twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(given_twice(next(name for name in names if names.count(name) > 1)))
    return content


def given_twice(key: object, where: str = "in one object") -> str:
    """The message for a key that is given twice."""
    return f"the key {key!r} is given twice {where}; only one can hold"
