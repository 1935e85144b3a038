"""Ids of a bundle's config, such as ``train#trainer#max_epochs``, and references to them, as MONAI reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_REFERENCE = re.compile(r"@(\w*(?:::\w*)*)")
_RELATIVE = re.compile(r"[@%](?:::)+")


def normal(identifier: str) -> str:
    """An id with ``#`` between its parts; MONAI also takes ``::``.

    Example:
        >>> normal("train::trainer#amp")
        'train#trainer#amp'
    """
    return identifier.replace("::", "#")


def joined(parent: str, key: object) -> str:
    """The id of a key below another id; the id of the whole config is empty."""
    return f"{parent}#{key}" if parent else str(key)


def walk(value: object, identifier: str = "") -> Iterator[tuple[str, object]]:
    """(id, value) of everything below a value, parents before children; not of ``_meta_``.

    Example:
        >>> list(walk({"a": [1, 2]}))
        [('a', [1, 2]), ('a#0', 1), ('a#1', 2)]
    """
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
    """The value of an id.

    Raises:
        KeyError: there is no such id.
    """
    value = config
    for key in normal(identifier).split("#"):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise KeyError(identifier)
    return value


def references(value: object, identifier: str = "") -> list[str]:
    """The ids that a value refers to: any number in a ``$`` expression, else one if all of the text is a reference.

    Example:
        >>> references("$@network.parameters() if @train::amp else None")
        ['network', 'train#amp']
        >>> references("@##network", "train#trainer#network")
        ['train#network']
    """
    if not isinstance(value, str) or "@" not in value:
        return []
    text = absolute(value, identifier)
    if not text.startswith("$") and not _REFERENCE.fullmatch(text):
        return []
    return [normal(name) for name in _REFERENCE.findall(text) if name]


def absolute(text: str, identifier: str) -> str:
    """A text with its relative references (``@#key``: a sibling, ``@##key``: one level higher) made absolute."""
    text = text.replace("#", "::")
    parts = identifier.split("#")
    for prefix in sorted(set(_RELATIVE.findall(text)), reverse=True):
        above = parts[: max(0, len(parts) - prefix.count("::"))]
        text = text.replace(prefix, prefix[0] + "".join(f"{part}::" for part in above))
    return text


def is_code(value: object) -> bool:
    """Whether MONAI evaluates a value as Python."""
    return isinstance(value, str) and value.startswith("$")


def is_literal(value: object) -> bool:
    """Whether a value stands for itself: it is no expression, reference or macro."""
    return not (isinstance(value, str) and value.startswith(("$", "@", "%")))


def is_plain(value: object) -> bool:
    """Whether a value is a number, a switch, a text that stands for itself, or a list of these."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return isinstance(value, int | float | str) and is_literal(value)


def followed(config: object, identifier: str) -> tuple[str, object]:
    """The id and value at the end of a chain of references; a broken or circular chain ends where it breaks.

    Raises:
        KeyError: there is no such id.
    """
    seen: set[str] = set()
    value = value_at(config, identifier)
    while identifier not in seen and isinstance(value, str) and value.startswith("@"):
        seen.add(identifier)
        names = references(value, identifier)
        try:
            value = value_at(config, names[0])
        except (KeyError, IndexError):
            break
        identifier = names[0]
    return identifier, value


def reachable(config: object, starts: list[str]) -> set[str]:
    """Every id that is evaluated along with those of ``starts``: all below them, and all that those refer to."""
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
