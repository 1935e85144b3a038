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
        if name in found or top in sys.stdlib_module_names:
            continue
        path = _source(name)
        if path is not None:
            found[name], imported = _parsed(path, path.stat().st_mtime_ns, name)
            pending += imported
        elif top not in found and not _own_folders(top):  # else a name within one of our modules
            found[top] = _version(top)


def _source(module: str) -> Path | None:
    """The source file of a module that is not of an installed package; None for all others. Imports nothing."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is not None:
        return Path(file) if file.endswith(".py") and not _is_installed(Path(file)) else None
    top, _, rest = module.partition(".")
    for folder in _own_folders(top):
        inside = folder.joinpath(*rest.split(".")) if rest else folder
        for path in (inside / "__init__.py", inside.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _own_folders(package: str) -> tuple[Path, ...]:
    """Folders of a package that is not installed; of a single module, what would be its folder."""
    loaded = sys.modules.get(package)
    spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(package)
    if spec is None:
        return ()
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if not places and spec.origin is not None and spec.origin.endswith(".py"):
        places = [Path(spec.origin).with_suffix("")]
    return tuple(place for place in places if not _is_installed(place))


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
