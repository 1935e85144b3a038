"""A bundle's config as MONAI merges it from files and overrides, read as data: nothing in it is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from io import text_encoding
from pathlib import Path
from typing import Any

from app.checking.documents import JSON_SUFFIX, YAML_SUFFIXES, DocumentError, read_document
from app.checking.ids import absolute, normal, value_at, walk
from app.checking.merged import MergedConfig
from app.checking.problems import CheckError, Problem
from app.checking.trust import REMEDY, check_keys, check_untrusted, is_trusted, refuse_first
from app.checking.weights import take_over
from app.nearest import did_you_mean

COMMAND_LINE = "command line"
_FILE = re.compile(r"(.*\.(?:json|yaml|yml))(?=(?:::.*)|$)", re.IGNORECASE)
_MACROS_IN_MACROS = 5
_NOTHING = object()


def load(
    files: Sequence[str | Path],
    overrides: Mapping[str, object] | None = None,
    trust: bool = False,
    run_id: str | None = None,
) -> MergedConfig:
    """Read and merge config files and overrides as ``python -m monai.bundle run`` does, and what weights bring.

    Args:
        files: YAML or JSON; later files override earlier ones.
        overrides: by id, as a user typed them; null ones change nothing, as in MONAI.
        trust: whether all files are trusted. Otherwise the problems include what the untrusted ones may not hold.
        run_id: the workflow; if it evaluates or applies weights, these bring their settings. None: no workflow.

    Raises:
        CheckError: files are missing or cannot be parsed; names all of them.
    """
    # ``own``: merged from trusted files and the user's overrides alone.
    first = str(files[0]) if files else ""
    merged, own, untrusted_first = MergedConfig(first=first), MergedConfig(first=first), None
    for file, content in _read_all(files):
        is_own = trust or is_trusted(file)
        if not is_own:
            check_keys(content, file, merged.problems)
            untrusted_first = content if file == Path(files[0]) else untrusted_first
        # Copied as a whole: aliases stay one object, which a later file changes everywhere, as in MONAI.
        for each in (merged, own) if is_own else (merged,):
            for key, value in deepcopy(content).items():
                each.set(str(key), value, str(file))
    for key, value in (overrides or {}).items():
        if value is not None:
            for each in (merged, own):
                # MONAI merges overrides with each other first, when ``+`` has nothing to extend yet.
                each.set(key.removeprefix("+"), deepcopy(value), COMMAND_LINE)
    if run_id is not None:
        take_over(merged, own, run_id, trust)
    unexpanded = deepcopy(merged.config)
    _expand_macros(merged, trust)
    if untrusted_first is not None:
        refuse_first(untrusted_first, Path(files[0]), merged.problems)
    elif not trust:
        check_untrusted(unexpanded, own.config, merged.config, merged.problems)
    return merged


def untrusted_overrides(
    own: MergedConfig, cells: Iterable[Mapping[str, object]], source: Path, trust: bool = False
) -> list[Problem]:
    """What config files, and overrides that are written in another file, hold but may not.

    Args:
        own: the files, by `load`.
        cells: sets of overrides by id; each set is applied to the files by itself.
        source: the file in which the overrides are written.
        trust: whether files and overrides are all trusted.

    Returns:
        The problems of the files and of the first set that has any.
    """
    for cell in cells if not (trust or is_trusted(source)) else ():
        if own.problems.problems:
            break
        check_keys(cell, source, own.problems)
        merged = MergedConfig(deepcopy(own.config), problems=own.problems)
        for key, value in cell.items():
            merged.set(key, deepcopy(value), str(source))
        check_untrusted(merged.config, own.config, merged.config, own.problems)
    return own.problems.problems


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
        # In the encoding of this computer, as MONAI reads it: in ISO 8859-1, a byte of some letters ends a line.
        content = read_document(file, fast=is_trusted(file), encoding=text_encoding(None))
    except DocumentError as error:
        raise CheckError(str(error)) from error
    if not isinstance(content, dict):
        raise CheckError(f"{file}: a config is a mapping of names to values, not {type(content).__name__}.")
    return content


def _expand_macros(merged: MergedConfig, trust: bool) -> None:
    """Replace each macro, ``%id`` or ``%file::id``, by what it names, as MONAI does."""
    waiting = [(identifier, value, 0) for identifier, value in walk(merged.config)]
    while waiting:
        identifier, value, depth = waiting.pop(0)
        if not isinstance(value, str) or not value.startswith("%"):
            continue
        if depth > _MACROS_IN_MACROS:
            merged.problems.add(identifier, f"{value!r}: these macros name each other.")
            continue
        named = _named(merged, identifier, value, trust)
        if named is _NOTHING:
            continue
        parent, _, last = identifier.rpartition("#")
        holder: Any = value_at(merged.config, parent) if parent else merged.config
        holder[int(last) if isinstance(holder, list) else last] = named
        # MONAI replaces macros in macros when it walks over the config again.
        waiting += [(identifier, named, depth + 1)]
        waiting += [(below, child, depth + 1) for below, child in walk(named, identifier)]


def _named(merged: MergedConfig, identifier: str, value: str, trust: bool) -> object:
    """A copy of what a macro names; ``_NOTHING``, with a problem, if that does not exist or may not be named."""
    text = absolute(value, identifier)[1:]
    path = next(iter(_FILE.findall(text)), "")
    name = text.rsplit(path, 1)[1].removeprefix("::") if path else text
    content: object = merged.config
    if path and not (trust or is_trusted(Path(path))):
        merged.problems.add(identifier, f"{value!r} names a config from outside of the installation. {REMEDY}")
        return _NOTHING
    try:
        content = _read(Path(path)) if path else content
        return deepcopy(value_at(content, name) if name else content)
    except CheckError as error:
        merged.problems.add(identifier, f"{value!r}: {error}")
    except KeyError:
        known = [each for each, _ in walk(content)]
        merged.problems.add(identifier, f"{value!r} names nothing that exists.{did_you_mean(normal(name), known)}")
    return _NOTHING
