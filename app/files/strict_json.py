"""JSON that people write: read fast, and refused if an object gives a key twice."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_NEEDS_SLOW_READING = re.compile(rb"\\|\s:")
"""Escapes, and blanks before a colon: with them, counting ``":`` does not count the keys."""


def strict_loads(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse a JSON text; other parsers silently keep the last of two equal keys.

    Raises:
        ValueError: The text is not JSON, or an object gives a key twice; names the key.

    Example:
        >>> strict_loads(b'{"label": [1, null]}')
        {'label': [1, None]}
        >>> strict_loads(b'{"label": [1], "label": [0]}')
        Traceback (most recent call last):
        ValueError: the key 'label' is given twice in one object; only one can hold
    """
    value = orjson.loads(content)
    # If the text has as many names as the value has keys, none is repeated. Otherwise it is read again, slowly.
    if _NEEDS_SLOW_READING.search(content) or content.count(b'":') != _key_count(value):
        try:
            json.loads(content, object_pairs_hook=unique_keys)
        except RecursionError as error:
            raise ValueError("its objects and lists are nested too deeply") from error
    return value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make the dictionary of one JSON object: an ``object_pairs_hook`` of ``json.loads``.

    Raises:
        ValueError: A key is given twice; names it.
    """
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(given_twice(next(name for name in names if names.count(name) > 1)))
    return result


def given_twice(key: object, place: str = "in one object") -> str:
    """The message about a key that is given twice."""
    return f"the key {key!r} is given twice {place}; only one can hold"


def _key_count(value: object) -> int:
    """Keys of all objects in a value; lists that begin with a number or a text are taken to hold no objects."""
    if isinstance(value, dict):
        return len(value) + sum(_key_count(each) for each in value.values() if isinstance(each, (dict, list)))
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return sum(map(_key_count, value))
    return 0
