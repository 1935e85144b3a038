"""A bundle's config as MONAI would merge it of files and overrides, read as data: nothing in it is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from io import text_encoding
from pathlib import Path
from typing import Any

from app.checking.documents import JSON_SUFFIX, YAML_SUFFIXES, DocumentError, read_document
from app.checking.ids import absolute, normal, value_at, walk
from app.checking.problem import CheckError, Findings
from app.checking.trust import REMEDY, check_foreign, check_keys, is_trusted, refuse_first
from app.nearest import did_you_mean

COMMAND_LINE = "command line"
_FILE = re.compile(r"(.*\.(?:json|yaml|yml))(?=(?:::.*)|$)", re.IGNORECASE)
_MACROS_IN_MACROS = 5
_NOTHING = object()


@dataclass
class Loaded:
    """A merged config.

    Attributes:
        config: after files, overrides and macros.
        defaults: by id, the value that a later file or the command line replaced.
        findings: where each id comes from, and what was wrong in merging.
    """

    config: dict[str, object] = field(default_factory=dict)
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
                self._put(holder, int(last), identifier, value, key.startswith("+"))
            elif isinstance(holder, dict):
                self._put(holder, last, identifier, value, key.startswith("+"))
            else:
                raise KeyError(parent)
        except (KeyError, ValueError, IndexError):
            known = [each for each, held in walk(self.config) if isinstance(held, dict | list)]
            self.findings.add(identifier, f"there is no {parent or last!r} in the config.{did_you_mean(parent, known)}")

    def _put(self, holder: Any, key: str | int, identifier: str, value: object, extends: bool) -> None:  # noqa: ANN401
        is_there = key in holder if isinstance(holder, dict) else True
        old = holder[key] if is_there else None
        if extends and isinstance(old, dict) and isinstance(value, dict):
            old.update(value)
        elif extends and isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif extends and is_there:
            self.findings.add(identifier, "'+' extends a list by a list or a mapping by a mapping, nothing else.")
        else:
            self._keep(identifier)
            holder[key] = value

    def _keep(self, identifier: str) -> None:
        try:
            self.defaults.setdefault(identifier, deepcopy(value_at(self.config, identifier)))
        except KeyError:
            return


def load(files: Sequence[str | Path], overrides: Mapping[str, object] | None = None, trust: bool = False) -> Loaded:
    """Read and merge config files and overrides as ``python -m monai.bundle run`` does.

    Args:
        files: YAML or JSON; a later one goes over the earlier ones.
        overrides: by id, as a user typed them; null ones change nothing, as in MONAI.
        trust: whether files from elsewhere may hold anything. Otherwise what they may not hold is among the problems.

    Raises:
        CheckError: a file is missing or cannot be parsed; all such files are named.
    """
    # ``own``: what trusted files and the user alone make of it.
    loaded, own, first = Loaded(), Loaded(), None
    for file, content in _read_all(files):
        trusted = trust or is_trusted(file)
        if not trusted:
            check_keys(content, file, loaded.findings)
            first = content if file == Path(files[0]) else first
        # Copied as a whole: aliases stay one object, which a later file changes in all places, as for MONAI.
        for each in (loaded, own) if trusted else (loaded,):
            for key, value in deepcopy(content).items():
                each.set(str(key), value, str(file))
    for key, value in (overrides or {}).items():
        if value is not None:
            for each in (loaded, own):
                # MONAI puts these together before the config, where ``+`` has nothing to extend yet.
                each.set(key.removeprefix("+"), deepcopy(value), COMMAND_LINE)
    written = deepcopy(loaded.config)
    _expand(loaded, trust)
    if first is not None:
        refuse_first(first, Path(files[0]), loaded.findings)
    elif not trust:
        check_foreign(written, own.config, loaded.findings, loaded.config)
    return loaded


def foreign_overrides(
    files: Sequence[str | Path], parts: Iterable[Mapping[str, object]], source: Path, trust: bool = False
) -> Findings:
    """What configs, and the overrides that a file holds for them, may not hold.

    Args:
        files: as for `load`.
        parts: overrides by id; each part alone goes over the files.
        source: the file that the overrides stand in.
        trust: whether both may hold anything.

    Returns:
        With the problems of the first part that has any.

    Raises:
        CheckError: a config is missing or cannot be parsed.
    """
    own = load(files, trust=trust)
    for part in parts if not (trust or is_trusted(source)) else ():
        if own.findings.problems:
            break
        check_keys(part, source, own.findings)
        loaded = Loaded(deepcopy(own.config), findings=own.findings)
        for key, value in part.items():
            loaded.set(key, deepcopy(value), str(source))
        check_foreign(loaded.config, own.config, own.findings, loaded.config)
    return own.findings


def _read_all(files: Sequence[str | Path]) -> list[tuple[Path, dict[str, object]]]:
    contents, unreadable = [], []
    for file in map(Path, files):
        try:
            contents.append((file, _read(file)))
        except CheckError as error:
            unreadable.append(str(error))
    if unreadable:
        raise CheckError("\n".join(unreadable))
    return contents


def _read(file: Path) -> dict[str, object]:
    if file.suffix.lower() not in (*YAML_SUFFIXES, JSON_SUFFIX):
        raise CheckError(f"{file}: a config is a .yaml, .yml or .json file.")
    try:
        # In the computer's own encoding, as MONAI reads it: in ISO 8859-1 the second byte of some letters ends a line.
        content = read_document(file, fast=is_trusted(file), encoding=text_encoding(None))
    except DocumentError as error:
        raise CheckError(str(error)) from error
    if not isinstance(content, dict):
        raise CheckError(f"{file}: a config is a mapping of names to values, not {type(content).__name__}.")
    return content


def _expand(loaded: Loaded, trust: bool) -> None:
    """Put in the place of each macro, ``%id`` or ``%file::id``, what it names, as MONAI does."""
    waiting = [(identifier, value, 0) for identifier, value in walk(loaded.config)]
    while waiting:
        identifier, value, depth = waiting.pop(0)
        if not isinstance(value, str) or not value.startswith("%"):
            continue
        if depth > _MACROS_IN_MACROS:
            loaded.findings.add(identifier, f"{value!r}: these macros name each other.")
            continue
        named = _named(loaded, identifier, value, trust)
        if named is _NOTHING:
            continue
        parent, _, last = identifier.rpartition("#")
        holder: Any = value_at(loaded.config, parent) if parent else loaded.config
        holder[int(last) if isinstance(holder, list) else last] = named
        # MONAI replaces those within on its next way through the config.
        waiting += [(identifier, named, depth + 1)]
        waiting += [(below, child, depth + 1) for below, child in walk(named, identifier)]


def _named(loaded: Loaded, identifier: str, value: str, trust: bool) -> object:
    """A copy of what a macro names; ``_NOTHING``, with a problem, where there is none, or it may not be named."""
    text = absolute(value, identifier)[1:]
    path = next(iter(_FILE.findall(text)), "")
    name = text.rsplit(path, 1)[1].removeprefix("::") if path else text
    content: object = loaded.config
    if path and not (trust or is_trusted(Path(path))):
        loaded.findings.add(identifier, f"{value!r} names a config from outside of bundles/. {REMEDY}")
        return _NOTHING
    try:
        content = _read(Path(path)) if path else content
        return deepcopy(value_at(content, name) if name else content)
    except CheckError as error:
        loaded.findings.add(identifier, f"{value!r}: {error}")
    except KeyError:
        known = [each for each, _ in walk(content)]
        loaded.findings.add(identifier, f"{value!r} names nothing that there is.{did_you_mean(normal(name), known)}")
    return _NOTHING
