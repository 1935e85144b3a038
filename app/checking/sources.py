"""What a dotted Python name stands for, found by reading source files: nothing is imported and nothing runs.

Importing torch and MONAI would take seconds and run code.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from importlib.machinery import ModuleSpec, all_suffixes
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
OWN = ("app", "transforms", "evaluation")
"""Packages of this repository. Their lazy names are in their source as well."""

# What a name is bound to: a definition, an import (module, name or ""), an assigned value, or something unknown.
_Binding = ast.ClassDef | Function | tuple[str, str] | ast.expr | None


class MissingNameError(LookupError):
    """A name does not exist; ``known`` holds the names beside it."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.known = known


@dataclass(frozen=True)
class Definition:
    """A module, class or function, or (if ``node`` is None) something that its source does not describe.

    Attributes:
        module: where it is defined, or as far as it could be followed.
        name: in that module; empty for the module itself.
        node: the class or function in the source.
    """

    module: str
    name: str = ""
    node: ast.ClassDef | Function | None = None

    def member(self, name: str) -> Definition:
        """What a name within this module or class stands for; this definition itself if its source does not tell.

        Raises:
            MissingNameError: the module has no such name.
        """
        if not self.name:
            return _in_module(self.module, name)
        if not isinstance(self.node, ast.ClassDef):
            return Definition(self.module, self.name)
        nodes = [each for each in self.node.body if isinstance(each, ast.ClassDef | Function) and each.name == name]
        return Definition(self.module, f"{self.name}.{name}", nodes[0] if nodes else None)


def find(dotted: str) -> Definition:
    """What a dotted name stands for.

    Raises:
        MissingNameError: there is no such module, or it has no such name.

    Example:
        >>> find("json.JSONDecoder").module
        'json.decoder'
    """
    parts = dotted.split(".")
    if module_file(parts[0]) is None:
        raise MissingNameError(dotted)
    length = 1
    while length < len(parts) and module_file(".".join(parts[: length + 1])) is not None:
        length += 1
    return reduce(Definition.member, parts[length:], Definition(".".join(parts[:length])))


def find_short(name: str) -> Definition:
    """What a name without a dot stands for in a config: a class or function of MONAI, or a built-in one.

    Raises:
        MissingNameError: there is none.
    """
    word = name.encode(errors="replace")
    pattern = re.compile(rb"^(?:class|def) " + re.escape(word) + rb"\b", re.MULTILINE)
    for module, path in _monai_files().items():
        if word in _content(path) and pattern.search(_content(path)):
            return _in_module(module, name)
    if hasattr(builtins, name):
        return Definition("builtins", name)
    raise MissingNameError(name, _monai_names())


def constant_words(module: str, name: str) -> tuple[str, ...]:
    """The words of a list, tuple or mapping (its keys) that a module assigns to a name.

    Raises:
        MissingNameError: the module assigns none.

    Example:
        >>> constant_words("app.datalist.item", "SECTIONS")
        ('training', 'validation', 'test')
    """
    node = _bindings(module)[0].get(name)
    if not isinstance(node, ast.Tuple | ast.List | ast.Dict):
        raise MissingNameError(f"{module}.{name}")
    parts = node.keys if isinstance(node, ast.Dict) else node.elts
    return tuple(each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str))


@cache
def module_file(name: str) -> Path | None:
    """The file of a module, which may be a compiled one; None if there is no such module."""
    parent, _, last = name.rpartition(".")
    if not last.isidentifier():
        return None
    if not parent:
        spec = _top_level(name)
        return None if spec is None else Path(spec.origin or name)
    files = [f"{last}/__init__.py", *(f"{last}{suffix}" for suffix in all_suffixes())]
    return next((folder / file for folder in _folders(parent) for file in files if (folder / file).is_file()), None)


@cache
def _folders(package: str) -> tuple[Path, ...]:
    parent, _, last = package.rpartition(".")
    if parent:
        return tuple(folder / last for folder in _folders(parent) if (folder / last).is_dir())
    spec = _top_level(package)
    return () if spec is None else tuple(map(Path, spec.submodule_search_locations or ()))


@cache
def _top_level(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _in_module(module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition:
    """What a name stands for in a module, followed through imports and aliases."""
    bindings, stars = _bindings(module) if (module, name) not in seen else ({}, [])
    seen |= {(module, name)}
    binding = bindings.get(name)
    if isinstance(binding, ast.ClassDef | Function):
        return Definition(module, name, binding)
    if isinstance(binding, tuple):
        source, original = binding
        is_known = original and module_file(source) is not None
        return _in_module(source, original, seen) if is_known else Definition(source, original)
    if isinstance(binding, ast.Name) and binding.id in bindings:
        return _in_module(module, binding.id, seen)
    if name in bindings:
        return Definition(module, name)
    if module_file(f"{module}.{name}") is not None:
        return Definition(f"{module}.{name}")
    for star in stars:
        try:
            return _in_module(star, name, seen)
        except MissingNameError:
            continue
    makes_names = "__getattr__" in bindings and not module.startswith(OWN)
    if makes_names or not all(map(_is_python, [module, *stars])):
        return Definition(module, name)
    raise MissingNameError(f"{module}.{name}", (*bindings, *_submodules(module)))


@cache
def _bindings(module: str) -> tuple[dict[str, _Binding], list[str]]:
    """The names that a module binds in its source, and the modules that it imports ``*`` from."""
    names: dict[str, _Binding] = {}
    stars: list[str] = []
    path = module_file(module)
    if path is None or not _is_python(module):
        return names, stars
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _statements(ast.parse(path.read_bytes()).body):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                names[node.name] = node
            case ast.ImportFrom():
                source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                stars += [source for alias in node.names if alias.name == "*"]
                names |= {alias.asname or alias.name: (source, alias.name) for alias in node.names if alias.name != "*"}
            case ast.Import():
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    names[alias.asname or top] = (alias.name if alias.asname else top, "")
            case ast.Assign():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        names[target.id] = node.value
                    elif isinstance(target, ast.Tuple):
                        names |= {each.id: None for each in target.elts if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = node.value
    return names, stars


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at module level, including those under ``if``, ``with`` and ``try``."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            # Handlers first, as the later binding wins: that of a ``try`` that succeeds.
            blocks = [*(handler.body for handler in getattr(node, "handlers", ())), node.body]
            blocks += [getattr(node, "orelse", []), getattr(node, "finalbody", [])]
            yield from _statements([each for block in blocks for each in block])
        else:
            yield node


def _is_python(module: str) -> bool:
    path = module_file(module)
    return path is not None and path.suffix == ".py"


def _submodules(module: str) -> Iterator[str]:
    path = module_file(module)
    if path is not None and path.name == "__init__.py":
        yield from (
            each.stem for each in path.parent.iterdir() if each.suffix in ("", ".py") and each.stem[0] not in "_."
        )


@cache
def _monai_files() -> dict[str, Path]:
    """The file of each module of MONAI; first the modules that define most of what configs name."""
    files = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for root in _folders("monai")
        for path in root.rglob("*.py")
    }
    first = ("monai.engines", "monai.transforms.compose", "monai.handlers", "monai.inferers", "monai.losses")
    return {name: files[name] for name in sorted(files, key=lambda name: (not name.startswith(first), name))}


@cache
def _monai_names() -> tuple[str, ...]:
    pattern = re.compile(rb"^(?:class|def) ([A-Za-z]\w*)", re.MULTILINE)
    return tuple(
        sorted({name.decode() for path in _monai_files().values() for name in pattern.findall(_content(path))})
    )


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
