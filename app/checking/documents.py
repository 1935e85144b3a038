"""YAML and JSON files that users give: read as data, within bounds, and refused where only a trick can be meant.

A few hundred bytes of aliases stand for millions of values, and a mapping that holds itself for no end of them: who
walks over what such a file holds never comes back.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from app.files.strict_json import given_twice, unique_keys

MOST_CHARACTERS = 40_000
"""Of one file: about what is parsed in a second; the largest config of this repository has a quarter of it."""
MOST_VALUES = 10_000
"""Of one file, with every alias written out."""
DEEPEST = 40
"""Lists and mappings within each other."""

YAML_SUFFIXES = (".yaml", ".yml")
JSON_SUFFIX = ".json"

# Constructors of YAML's other types raise whatever a text that is none of the type makes them stumble over.
_NOT_PARSED = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class DocumentError(ValueError):
    """A file cannot be read, or holds what no config, study or table needs; the message names it and says why."""


def read_document(path: Path, fast: bool = False, encoding: str = "utf-8") -> Any:  # noqa: ANN401 - whatever the file holds
    """What a YAML or JSON file holds.

    Args:
        path: ``.json`` is JSON, anything else YAML 1.1, as MONAI reads it.
        fast: read YAML by libyaml where there is one, ten times as fast as the parser that MONAI takes. The two differ
            on odd files, so this is for files that are trusted.
        encoding: of the text.

    Raises:
        DocumentError: the file cannot be read or parsed, gives a key twice, or is out of bounds.
    """
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path}: cannot be read (not a file).")
    try:
        with path.open(encoding=encoding) as file:
            text = file.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: cannot be read (no text).") from error
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(f"{path}: is longer than the {MOST_CHARACTERS} characters that are read of such a file.")
    try:
        is_json = path.suffix.lower() == JSON_SUFFIX
        content = json.loads(text, object_pairs_hook=unique_keys) if is_json else _yaml(text, fast)
        _require_bounded(content)
    except RecursionError as error:
        raise DocumentError(f"{path}: holds more than {DEEPEST} lists and mappings within each other.") from error
    except DocumentError as error:
        raise DocumentError(f"{path}: {error}") from error
    except _NOT_PARSED as error:
        raise DocumentError(f"{path}: cannot be parsed ({' '.join(str(error).split())}).") from error
    return content


def _yaml(text: str, fast: bool) -> Any:  # noqa: ANN401
    loader = _loader(fast)(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


@cache
def _loader(fast: bool) -> Any:  # noqa: ANN401 - a class of PyYAML's, which has no types
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if fast else yaml.SafeLoader

    class Loader(base):  # type: ignore[misc,valid-type]
        """YAML's safe loader, which refuses what MONAI's would drop (a key twice) or not know (merge keys)."""

        def fetch_flow_collection_start(self, kind: type) -> None:
            # The parser takes the square of the depth, and would be at it for minutes.
            if self.flow_level >= DEEPEST:
                raise RecursionError
            super().fetch_flow_collection_start(kind)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                line = f"line {key.start_mark.line + 1}"
                if key.tag == "tag:yaml.org,2002:merge":
                    raise DocumentError(f"merge keys ('<<', {line}) are none of what MONAI reads: write them out.")
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise ValueError(given_twice(name, f"({line})"))
                seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader


def _require_bounded(content: object) -> None:
    """Raise where lists and mappings hold themselves, too many values or too many of each other."""
    measured: dict[int, tuple[int, int]] = {}

    def measure(value: object, above: tuple[int, ...]) -> tuple[int, int]:
        """How many values there are, and how deep they lie; a part that stands in several places is measured once."""
        if not isinstance(value, dict | list | tuple | set):
            return 1, 0
        if id(value) in above:
            raise DocumentError("a list or mapping holds itself.")
        if len(above) >= DEEPEST:
            raise RecursionError
        if id(value) not in measured:
            children: Iterable[object] = [*value, *value.values()] if isinstance(value, dict) else value
            parts = [measure(child, (*above, id(value))) for child in children]
            count, depth = 1 + sum(count for count, _ in parts), 1 + max((depth for _, depth in parts), default=0)
            if depth + len(above) > DEEPEST:
                raise RecursionError
            if count > MOST_VALUES:
                raise DocumentError(f"stands for more than {MOST_VALUES} values once its aliases are written out.")
            measured[id(value)] = count, depth
        return measured[id(value)]

    measure(content, ())
