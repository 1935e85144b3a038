"""YAML and JSON files that users give: read as data, within bounds that keep a hostile file from stalling the reader.

YAML aliases can make a few hundred bytes stand for millions of values, or for a mapping that contains itself.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from app.files.strict_json import given_twice, unique_keys

MOST_CHARACTERS = 40_000
"""In one file: about what is parsed in a second, and four times the largest config of this repository."""
MOST_VALUES = 10_000
"""In one file, with every alias written out."""
DEEPEST = 40
"""Nested lists and mappings."""

YAML_SUFFIXES = (".yaml", ".yml")
JSON_SUFFIX = ".json"

# PyYAML's constructors raise any of these for a text that does not fit its explicit type (``!!bool x``).
_NOT_PARSED = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class DocumentError(ValueError):
    """A file cannot be read or is out of bounds; the message names the file and the reason."""


def read_document(path: Path, fast: bool = False, encoding: str = "utf-8") -> Any:  # noqa: ANN401 - YAML
    """The content of a YAML or JSON file.

    Args:
        path: ``.json`` is read as JSON, anything else as YAML 1.1, as MONAI does.
        fast: Read YAML by libyaml if it is installed, ten times as fast as the parser that MONAI uses. The two differ
            on odd files, so use this only for trusted ones.
        encoding: of the text.

    Raises:
        DocumentError: the file cannot be read or parsed, gives a key twice, or is out of bounds.
    """
    text = _text(path, encoding)
    try:
        is_json = path.suffix.lower() == JSON_SUFFIX
        content = json.loads(text, object_pairs_hook=unique_keys) if is_json else _parsed_yaml(text, fast)
        _require_bounded(content)
    except RecursionError as error:
        raise DocumentError(f"{path}: nests more than {DEEPEST} lists and mappings.") from error
    except DocumentError as error:
        raise DocumentError(f"{path}: {error}") from error
    except _NOT_PARSED as error:
        raise DocumentError(f"{path}: cannot be parsed ({' '.join(str(error).split())}).") from error
    return content


def _text(path: Path, encoding: str) -> str:
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path}: cannot be read (not a file).")
    try:
        with path.open(encoding=encoding) as file:
            text = file.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: cannot be read (not text in {encoding}).") from error
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(f"{path}: is longer than {MOST_CHARACTERS} characters.")
    return text


def _parsed_yaml(text: str, fast: bool) -> Any:  # noqa: ANN401
    loader = _loader(fast)(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


@cache
def _loader(fast: bool) -> Any:  # noqa: ANN401 - a class of PyYAML, which has no types
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if fast else yaml.SafeLoader

    class Loader(base):  # type: ignore[misc,valid-type]
        """YAML's safe loader; refuses repeated keys, which MONAI would drop, and merge keys, which it does not know."""

        def fetch_flow_collection_start(self, kind: type) -> None:
            # The parser's time grows with the square of the depth, to minutes.
            if self.flow_level >= DEEPEST:
                raise RecursionError
            super().fetch_flow_collection_start(kind)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                line = f"line {key.start_mark.line + 1}"
                if key.tag == "tag:yaml.org,2002:merge":
                    raise ValueError(f"MONAI does not read merge keys ('<<', {line}): write them out")
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise ValueError(given_twice(name, f"({line})"))
                seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader


def _require_bounded(content: object) -> None:
    """Raise if a list or mapping contains itself, if there are too many values, or if they are nested too deeply."""
    measured: dict[int, tuple[int, int]] = {}

    def measure(value: object, above: tuple[int, ...]) -> tuple[int, int]:
        """The number of values and their depth; a part that aliases repeat is measured once."""
        if not isinstance(value, dict | list | tuple | set):
            return 1, 0
        if id(value) in above:
            raise DocumentError("a list or mapping contains itself.")
        if len(above) >= DEEPEST:
            raise RecursionError
        if id(value) not in measured:
            children = [*value, *value.values()] if isinstance(value, dict) else value
            parts = [measure(child, (*above, id(value))) for child in children]
            count, depth = 1 + sum(count for count, _ in parts), 1 + max((depth for _, depth in parts), default=0)
            if count > MOST_VALUES:
                raise DocumentError(f"holds more than {MOST_VALUES} values once its aliases are written out.")
            measured[id(value)] = count, depth
        count, depth = measured[id(value)]
        if len(above) + depth > DEEPEST:
            raise RecursionError
        return count, depth

    measure(content, ())
