"""Parts of a study file, checked: mappings, names, lists, and patterns of factor values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.nearest import did_you_mean

NAME = re.compile(r"(?!\.+$)[\w.+\-]([\w.+\- ]*[\w.+\-])?")


def as_mapping(given: object, where: str, known: Sequence[str] | None = None) -> dict[str, Any]:
    """A mapping with its keys as text; empty for None.

    Raises:
        ValueError: It is no mapping, or a key is not ``known``.
    """
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"{where}: must be a mapping, not {given!r}.")
    mapping = {as_text(key): value for key, value in given.items()}
    if known is not None:
        require_known(mapping, known, where)
    return mapping


def as_text(given: object) -> str:
    """A value of YAML as text; booleans as YAML writes them.

    Example:
        >>> as_text(True), as_text(0.001)
        ('true', '0.001')
    """
    return str(given).lower() if isinstance(given, bool) else str(given)


def as_name(given: object, where: str) -> str:
    """A value as a name that can be part of a folder's name."""
    text = as_text(given)
    if isinstance(given, (list, dict)) or given is None or not NAME.fullmatch(text):
        raise ValueError(f"{where}: {given!r} is no name; use letters, digits, spaces and . + - _ (or name the value).")
    return text


def as_texts(given: object, where: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError(f"{where}: must be a list of texts, not {given!r}.")
    return tuple(given)


def require_known(names: Iterable[str], known: Sequence[str], where: str) -> None:
    """Raise ValueError, with the nearest known name, if a name is not known."""
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: unknown {name!r}; known are {', '.join(known)}.{did_you_mean(name, known)}")


def as_pattern(given: object, factors: Mapping[str, Iterable[str]], where: str) -> dict[str, tuple[str, ...]]:
    """A pattern that cells match: for some factors, the allowed value or a list of them.

    Example:
        >>> as_pattern({"size": 100}, {"size": ["100", "400"], "level": ["box"]}, "at")
        {'size': ('100',)}
    """
    pattern = {}
    for factor, values in as_mapping(given, where, tuple(factors)).items():
        names = tuple(as_text(value) for value in (values if isinstance(values, list) else [values]))
        require_known(names, tuple(factors[factor]), f"{where}: {factor}")
        pattern[factor] = names
    return pattern


def matches(values: Mapping[str, str], pattern: Mapping[str, Sequence[str]]) -> bool:
    """Whether a cell with these factor values matches a pattern."""
    return all(values[factor] in names for factor, names in pattern.items())
