"""Ids of a bundle's config, ``train#trainer#max_epochs``, and the references to them, as MONAI understands them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_REFERENCE = re.compile(r"@(\w*(?:::\w*)*)")
_RELATIVE = re.compile(r"[@%](?:::)+")


def normal(identifier: str) -> str:
    """An id with ``#`` between its parts; MONAI takes ``::`` as well."""
    return identifier.replace("::", "#")


def joined(parent: str, key: object) -> str:
    """The id of a key below another id; the whole config's id is empty."""
    return f"{parent}#{key}" if parent else str(key)


def walk(value: object, identifier: str = "") -> Iterator[tuple[str, object]]:
    """(id, value) of everything in a config, parents before children, the whole config not among them."""
    children: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, dict):
        children = ((key, child) for key, child in value.items() if key != "_meta_")
    elif isinstance(value, list):
        children = iter(enumerate(value))
    for key, child in children:
        below = joined(identifier, key)
        yield below, child
        yield from walk(child, below)


def value_at(config: object, identifier: str) -> object:
    """The value with an id.

    Raises:
        KeyError: there is none.
    """
    found = config
    for key in normal(identifier).split("#"):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise KeyError(identifier)
    return found


def references(value: object, identifier: str = "") -> list[str]:
    """The ids that a text refers to: all within a ``$`` expression, else one where the whole text is a reference."""
    if not isinstance(value, str) or "@" not in value:
        return []
    text = absolute(value, identifier)
    found = [normal(name) for name in _REFERENCE.findall(text) if name]
    if text.startswith("$"):
        return found
    return found if _REFERENCE.fullmatch(text) else []


def absolute(text: str, identifier: str) -> str:
    """A text with relative references (``@#key`` beside it, ``@##key`` one further up) made absolute."""
    text = text.replace("#", "::")
    parts = identifier.split("#")
    for prefix in sorted(set(_RELATIVE.findall(text)), reverse=True):
        above = parts[: max(0, len(parts) - prefix.count("::"))]
        text = text.replace(prefix, prefix[0] + "".join(f"{part}::" for part in above))
    return text


def is_code(value: object) -> bool:
    """Whether MONAI evaluates this text as Python."""
    return isinstance(value, str) and value.startswith("$")


def is_literal(value: object) -> bool:
    """Whether a value is what it says: no expression, reference or macro."""
    return not (isinstance(value, str) and value.startswith(("$", "@", "%")))


def followed(config: object, identifier: str) -> tuple[str, object]:
    """The id and the value that an id leads to through references; a broken or circular one ends there."""
    seen: set[str] = set()
    value = value_at(config, identifier)
    while identifier not in seen and isinstance(value, str) and value.startswith("@"):
        seen.add(identifier)
        named = references(value, identifier)
        if not named:
            break
        try:
            value = value_at(config, named[0])
        except KeyError:
            break
        identifier = named[0]
    return identifier, value


def reachable(config: object, starts: list[str]) -> set[str]:
    """Every id that is evaluated for the ids of ``starts``: what is below them, and what all that refers to."""
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        identifier = waiting.pop()
        if identifier in reached:
            continue
        try:
            value = value_at(config, identifier)
        except KeyError:
            continue
        reached.add(identifier)
        waiting += [below for below, _ in walk(value, identifier)]
        waiting += references(value, identifier)
    return reached
