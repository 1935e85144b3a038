"""What a dotted Python name stands for, found by reading source files: nothing is imported, nothing runs.

Importing torch and MONAI takes seconds and runs code; a signature is in the text already.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
OWN = ("app", "transforms", "evaluation")
"""Packages of this repository: their lazy names stand in their source as well."""

# Before each line at the margin that begins something new.
_PIECES = re.compile(r"^(?=[^\s)\]}#])", re.MULTILINE)
_NAME = re.compile(r"(?:class|def|async def) (\w+)")


class MissingNameError(LookupError):
    """A name does not exist; ``known`` are the names beside it."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.known = known


@dataclass(frozen=True)
class Definition:
    """A class or function, or (``node`` None) something whose form its source does not tell.

    Attributes:
        module: where it is defined, or where following it had to stop.
        name: in that module; empty for a module itself.
        node: its source.
    """

    module: str
    name: str = ""
    node: ast.ClassDef | Function | None = None


@dataclass
class Namespace:
    """The names of a module: what each is (the text of what is not parsed yet), and where ``*`` is imported from."""

    names: dict[str, ast.ClassDef | Function | tuple[str, str] | ast.expr | str | None] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)


def find(dotted: str) -> Definition:
    """What a dotted name stands for.

    Raises:
        MissingNameError: there is no such module, or it has no such name.
    """
    module, rest = _module_part(dotted)
    if not rest:
        return Definition(module)
    found = _in_module(module, rest[0], frozenset())
    for name in rest[1:]:
        found = _member(found, name)
    return found


def in_module(module: str, name: str) -> Definition:
    """What a name stands for in the text of a module.

    Raises:
        MissingNameError: the module has no such name.
    """
    return _in_module(module, name, frozenset())


def words(module: str, name: str) -> tuple[str, ...]:
    """The words of a constant that a module writes out: of a list or tuple, or the keys of a mapping.

    Raises:
        MissingNameError: the module has no such constant.
    """
    node = namespace(module).names.get(name)
    if not isinstance(node, ast.Tuple | ast.List | ast.Dict):
        raise MissingNameError(f"{module}.{name}")
    parts = node.keys if isinstance(node, ast.Dict) else node.elts
    return tuple(each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str))


def short(name: str) -> Definition:
    """What a name without a dot stands for: a class or function of MONAI, or a built-in one.

    Raises:
        MissingNameError: MONAI defines none; its names are known then.
    """
    pattern = re.compile(rf"^(?:class|def) {re.escape(name)}\b", re.MULTILINE)
    for module, path in _monai_files():
        text = _bytes(path)
        if name.encode() in text and pattern.search(text.decode()):
            return _in_module(module, name, frozenset())
    if hasattr(builtins, name):
        return Definition("builtins", name)
    raise MissingNameError(name, _monai_names())


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _monai_names() -> tuple[str, ...]:
    found = (re.findall(rb"^(?:class|def) ([A-Za-z]\w*)", _bytes(path), re.MULTILINE) for _, path in _monai_files())
    return tuple(sorted({name.decode() for names in found for name in names}))


@cache
def module_file(name: str) -> Path | None:
    """The source file of a module, or None where there is no such module; compiled ones give their own file."""
    top, *rest = name.split(".")
    folders = _top_folders(top)
    if not rest:
        return folders[0] / "__init__.py" if folders else _top_file(top)
    for part in rest[:-1]:
        folders = tuple(folder / part for folder in folders if (folder / part).is_dir())
    for folder in folders:
        for path in (folder / rest[-1] / "__init__.py", folder / f"{rest[-1]}.py"):
            if path.is_file():
                return path
        compiled = next(folder.glob(f"{rest[-1]}.*so"), None)
        if compiled is not None:
            return compiled
    return None


@cache
def namespace(module: str) -> Namespace:
    """The names that a module's source defines; none for a compiled module."""
    path, found = module_file(module), Namespace()
    if path is None or path.suffix != ".py" or not path.is_file():
        return found
    is_package = path.name == "__init__.py"
    body, blocks = _outline(path.read_text(encoding="utf-8"))
    for node in _statements(body):
        if isinstance(node, ast.ClassDef | Function):
            found.names[node.name] = node
        elif isinstance(node, ast.ImportFrom):
            _add_imported(found, node, _source_of(node, module, is_package))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                found.names[name] = (alias.name if alias.asname else name, "")
        else:
            _add_assigned(found, node)
    found.names.update(blocks)
    return found


def _module_part(dotted: str) -> tuple[str, list[str]]:
    """The longest start of a dotted name that is a module, and what is left."""
    parts = dotted.split(".")
    if module_file(parts[0]) is None:
        raise MissingNameError(dotted)
    length = 1
    while length < len(parts) and module_file(".".join(parts[: length + 1])) is not None:
        length += 1
    return ".".join(parts[:length]), parts[length:]


def _in_module(module: str, name: str, seen: frozenset[tuple[str, str]]) -> Definition:
    if (module, name) in seen:
        raise MissingNameError(f"{module}.{name}")
    seen |= {(module, name)}
    own = namespace(module)
    if name in own.names:
        return _followed(module, name, seen)
    if module_file(f"{module}.{name}") is not None:
        return Definition(f"{module}.{name}")
    for star in own.stars:
        try:
            return _in_module(star, name, seen)
        except MissingNameError:
            continue
    path = module_file(module)
    makes_names = "__getattr__" in own.names and not module.startswith(OWN)
    if path is None or path.suffix != ".py" or makes_names or _has_compiled_star(own):
        return Definition(module, name)
    raise MissingNameError(f"{module}.{name}", tuple(own.names) + _submodules(module))


def _followed(module: str, name: str, seen: frozenset[tuple[str, str]]) -> Definition:
    """What a name of a module's text stands for, through imports and renamings."""
    names = namespace(module).names
    entry = names[name]
    if isinstance(entry, str):
        (entry,) = ast.parse(entry).body  # type: ignore[assignment]
        names[name] = entry
    if isinstance(entry, ast.ClassDef | Function):
        return Definition(module, name, entry)
    if isinstance(entry, tuple):
        source, original = entry
        if module_file(source) is None:
            return Definition(source, original)
        return _in_module(source, original, seen) if original else Definition(source)
    if isinstance(entry, ast.Name) and entry.id != name and entry.id in namespace(module).names:
        return _in_module(module, entry.id, seen)
    return Definition(module, name)


def _member(found: Definition, name: str) -> Definition:
    if found.node is None and not found.name:
        return _in_module(found.module, name, frozenset())
    if isinstance(found.node, ast.ClassDef):
        for node in found.node.body:
            if isinstance(node, ast.ClassDef | Function) and node.name == name:
                return Definition(found.module, f"{found.name}.{name}", node)
    return Definition(found.module, f"{found.name}.{name}")


def _outline(text: str) -> tuple[list[ast.stmt], dict[str, str]]:
    """A module's statements without its classes and functions, and the text of each of those by name.

    Of a long file one class is asked for as a rule; parsing that one alone takes a fraction of the time.
    """
    kept: list[str] = []
    blocks: dict[str, str] = {}
    decorators = ""
    for part in _PIECES.split(text):
        piece, decorators = decorators + part, ""
        if part.startswith("@"):
            decorators = piece
            continue
        name = _NAME.match(part)
        if piece.count('"""') % 2 or piece.count("'''") % 2:
            # Text at the margin within a string: this file can only be read as a whole.
            return ast.parse(text).body, {}
        if name is None:
            kept.append(piece)
        else:
            blocks[name[1]] = piece
    try:
        return ast.parse("".join(kept)).body, blocks
    except SyntaxError:
        return ast.parse(text).body, {}


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at module level, those under conditions and ``try`` among them."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [each for handler in node.handlers for each in handler.body]
            # What holds where all goes well comes last, and so is what a name ends up as.
            yield from _statements([*handlers, *node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from _statements(node.body)
        else:
            yield node


def _source_of(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


def _add_imported(found: Namespace, node: ast.ImportFrom, source: str) -> None:
    for alias in node.names:
        if alias.name == "*":
            found.stars.append(source)
        elif module_file(source) is not None and module_file(f"{source}.{alias.name}") is not None:
            # ``from package import name`` where a module has the name: the package's own name wins if it has one.
            own = source != "" and alias.name in _package_names(source)
            found.names[alias.asname or alias.name] = (source, alias.name) if own else (f"{source}.{alias.name}", "")
        else:
            found.names[alias.asname or alias.name] = (source, alias.name)


def _package_names(source: str) -> set[str]:
    """Classes and functions that a package's own file defines or imports, found without following anything."""
    path = module_file(source)
    if path is None or path.suffix != ".py":
        return set()
    text = path.read_text()
    return set(re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE)) | set(
        re.findall(r"^from \.(?P<name>\w+) import (?P=name)\b", text, re.MULTILINE)
    )


def _add_assigned(found: Namespace, node: ast.stmt) -> None:
    targets: list[ast.expr] = []
    value: ast.expr | None = None
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign):
        targets, value = [node.target], node.value
    for target in targets:
        if isinstance(target, ast.Name):
            found.names[target.id] = value
        elif isinstance(target, ast.Tuple):
            found.names.update({each.id: None for each in target.elts if isinstance(each, ast.Name)})


def _has_compiled_star(own: Namespace) -> bool:
    paths = [module_file(star) for star in own.stars]
    return any(path is None or path.suffix != ".py" for path in paths)


def _submodules(module: str) -> tuple[str, ...]:
    path = module_file(module)
    if path is None or path.name != "__init__.py":
        return ()
    return tuple(each.stem for each in path.parent.iterdir() if each.suffix in ("", ".py") and each.stem[0] not in "_.")


@cache
def _top_folders(name: str) -> tuple[Path, ...]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ()
    return tuple(map(Path, spec.submodule_search_locations or ())) if spec is not None else ()


@cache
def _top_file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return Path(spec.origin or name)


@cache
def _monai_files() -> tuple[tuple[str, Path], ...]:
    """(module, file) of all of MONAI, those first in which most of what configs name is defined."""
    found = []
    for root in _top_folders("monai"):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root.parent).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    first = ("monai.engines", "monai.transforms.compose", "monai.handlers", "monai.inferers", "monai.losses")
    return tuple(sorted(found, key=lambda pair: (not pair[0].startswith(first), pair[0])))
