"""Which code a transform runs: the source files that it and its imports come from, and the versions of libraries."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def source_identity(thing: Any) -> dict[str, str]:  # noqa: ANN401  a class or function
    """Hashes of our own modules that a class or function is defined with, and versions of installed packages.

    A module of an installed package stands for the package's version. Any other module stands for its syntax tree,
    so that comments and layout do not count, along with all that it imports, however deep.

    Returns:
        By name of module or package.
    """
    found: dict[str, str] = {}
    for kind in getattr(thing, "__mro__", (thing,)):
        _collect(getattr(kind, "__module__", None) or "builtins", found)
    return dict(sorted(found.items()))


def _collect(module: str, found: dict[str, str]) -> None:
    pending = [module]
    while pending:
        name = pending.pop()
        top = name.partition(".")[0]
        if name in found or top in found or top in sys.stdlib_module_names:
            continue
        if _own_source(top) is None and not _is_own_folder(top):
            found[top] = _version(top)
            continue
        path = _own_source(name)
        if path is None:  # a name within a module, or a folder
            continue
        found[name], imported = _parsed(path, path.stat().st_mtime_ns, name)
        pending += imported


def _own_source(module: str) -> Path | None:
    """The source file of a module that is not installed as a package; None for all others."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file is None and loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):  # not a module but a name in one
            return None
        file = spec.origin if spec else None
    path = Path(file) if file else None
    if path is None or path.suffix != ".py" or _is_installed(path):
        return None
    return path


@functools.lru_cache(maxsize=1024)
def _parsed(path: Path, _changed: int, module: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    text = ast.dump(tree)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, *([node.module] if node.module else [])]) if node.level else node.module or ""
            imported.append(base)
            imported += [f"{base}.{alias.name}" for alias in node.names]  # some of them modules
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), tuple(name for name in imported if name)


@functools.lru_cache(maxsize=1024)
def _is_own_folder(package: str) -> bool:
    """Whether a package is a folder without ``__init__.py`` that is not installed."""
    spec = importlib.util.find_spec(package) if package not in sys.modules else sys.modules[package].__spec__
    places = list(spec.submodule_search_locations or ()) if spec is not None and spec.origin is None else []
    return bool(places) and not any(_is_installed(Path(place)) for place in places)


def _is_installed(path: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & set(path.parts))


@functools.lru_cache(maxsize=1024)
def _version(package: str) -> str:
    # Not the module's own word, which would be missing before its first import and there after it.
    names = _distributions().get(package, [])
    # What follows "+" names a build of the same version, for another accelerator.
    return ",".join(importlib.metadata.version(name).partition("+")[0] for name in sorted(set(names)))


@functools.lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
