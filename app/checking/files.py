"""A bundle's config as MONAI would merge it of files and overrides, read as data: nothing in it is evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from app.checking.ids import absolute, joined, normal, value_at, walk
from app.checking.problem import CheckError, Findings, nearest

COMMAND_LINE = "command line"
_FILE = re.compile(r"(.*?\.(?:json|yaml|yml))(?=::|$)(?:::)?(.*)", re.IGNORECASE)


@dataclass
class Loaded:
    """A merged config.

    Attributes:
        config: after files, overrides and macros.
        contents: by file, what it holds, those that macros name included.
        defaults: by id, the value that a later file or the command line replaced.
        findings: where each id comes from, and what was wrong in merging.
    """

    config: dict[str, object] = field(default_factory=dict)
    contents: dict[Path, dict[str, object]] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    def set(self, key: str, value: object, source: str) -> None:
        """Set, or with a leading ``+`` extend, the value of an id, as a later file does."""
        identifier = normal(key.removeprefix("+"))
        self.findings.origins[identifier] = source
        parent, _, last = identifier.rpartition("#")
        try:
            holder = value_at(self.config, parent) if parent else self.config
            if isinstance(holder, list):
                self._keep(identifier)
                holder[int(last)] = value
            elif isinstance(holder, dict):
                self._put(holder, last, identifier, value, key.startswith("+"))
            else:
                raise KeyError(parent)
        except (KeyError, ValueError, IndexError):
            known = [each for each, held in walk(self.config) if isinstance(held, dict | list)]
            self.findings.add(identifier, f"there is no {parent or last!r} in the config.{nearest(parent, known)}")

    def _put(self, holder: dict[str, object], last: str, identifier: str, value: object, extends: bool) -> None:
        old = holder.get(last)
        if extends and isinstance(old, dict) and isinstance(value, dict):
            old.update(value)
        elif extends and isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif extends and last in holder:
            self.findings.add(identifier, "'+' extends a list by a list or a mapping by a mapping, nothing else.")
        else:
            self._keep(identifier)
            holder[last] = value

    def _keep(self, identifier: str) -> None:
        try:
            self.defaults.setdefault(identifier, deepcopy(value_at(self.config, identifier)))
        except KeyError:
            return


def load(files: Sequence[str | Path], overrides: Mapping[str, object] | None = None) -> Loaded:
    """Read and merge config files and overrides as ``python -m monai.bundle run`` does.

    Args:
        files: YAML or JSON; a later one goes over the earlier ones.
        overrides: by id; null ones change nothing, as in MONAI.

    Raises:
        CheckError: a file is missing or cannot be parsed; all such files are named.
    """
    loaded, unreadable = Loaded(), []
    for file in map(Path, files):
        try:
            content = _read(file, loaded.findings)
        except CheckError as error:
            unreadable.append(str(error))
            continue
        loaded.contents[file] = deepcopy(content)
        for key, value in content.items():
            loaded.set(str(key), value, str(file))
    if unreadable:
        raise CheckError("\n".join(unreadable))
    for key, value in (overrides or {}).items():
        if value is not None:
            loaded.set(key, deepcopy(value), COMMAND_LINE)
    _expand(loaded)
    return loaded


def _read(file: Path, findings: Findings) -> dict[str, object]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise CheckError(f"{file}: cannot be read ({reason}).") from error
    try:
        if file.suffix.lower() == ".json":
            content = json.loads(text)
        elif file.suffix.lower() in (".yaml", ".yml"):
            node = yaml.compose(text, Loader=_loader())
            _tell_repeated(node, "", str(file), findings)
            content = yaml.load(text, Loader=_loader())
        else:
            raise CheckError(f"{file}: a config is a .yaml, .yml or .json file.")
    except (ValueError, yaml.YAMLError) as error:
        if isinstance(error, CheckError):
            raise
        raise CheckError(f"{file}: cannot be parsed ({' '.join(str(error).split())}).") from error
    if not isinstance(content, dict):
        raise CheckError(f"{file}: a config is a mapping of names to values, not {type(content).__name__}.")
    return content


def _loader() -> type[yaml.SafeLoader]:
    # libyaml's reads the same ten times as fast, where PyYAML was built with it.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _tell_repeated(node: yaml.Node | None, identifier: str, source: str, findings: Findings) -> None:
    """A key twice in one mapping: YAML's reader takes the last one, silently."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            below = normal(joined(identifier, key.value))
            if key.value in seen:
                findings.origins.setdefault(below, source)
                findings.add(below, f"this key is there twice (line {key.start_mark.line + 1}); only one can hold.")
            if key.value == "<<":
                findings.origins.setdefault(below, source)
                findings.add(below, "merge keys ('<<') are none of what MONAI reads: write the values out.")
            seen.add(key.value)
            _tell_repeated(value, below, source, findings)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _tell_repeated(value, joined(identifier, index), source, findings)


def _expand(loaded: Loaded) -> None:
    """Put in the place of each macro, ``%id`` or ``%file::id``, what it names, as MONAI does."""
    for identifier, value in list(walk(loaded.config)):
        if not isinstance(value, str) or not value.startswith("%"):
            continue
        match = _FILE.fullmatch(absolute(value, identifier)[1:])
        name = match[2] if match else absolute(value, identifier)[1:]
        content: object = loaded.config
        if match:
            file = Path(match[1])
            try:
                content = loaded.contents.setdefault(file, _read(file, loaded.findings))
            except CheckError as error:
                loaded.findings.add(identifier, f"{value!r}: {error}")
                continue
        try:
            named = deepcopy(value_at(content, name) if name else content)
        except KeyError:
            known = [each for each, _ in walk(content)]
            loaded.findings.add(identifier, f"{value!r} names nothing that there is.{nearest(normal(name), known)}")
            continue
        parent, _, last = identifier.rpartition("#")
        holder = value_at(loaded.config, parent) if parent else loaded.config
        if isinstance(holder, list):
            holder[int(last)] = named
        elif isinstance(holder, dict):
            holder[last] = named
