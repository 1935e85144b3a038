"""Expressions (texts that begin with ``$``), read but never evaluated: do they parse, and do their names exist?"""

from __future__ import annotations

import ast
import builtins
import re

from app.checking.ids import absolute, is_code, walk
from app.checking.problems import Problems
from app.checking.signatures import Signature, signature
from app.checking.sources import OWN, Definition, MissingNameError, find, module_file
from app.nearest import did_you_mean

_REFERENCE = re.compile(r"@\w*(?:::\w*)*")
_STAND_IN = "_referred_"
_GIVEN = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}
_BUILTINS = set(dir(builtins))
# What ast.parse raises, also for null bytes and for thousands of nested operators.
_NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
_Import = ast.Import | ast.ImportFrom


def check_expressions(config: object, problems: Problems) -> None:
    """Find expressions that do not parse, imports of nothing, and names, attributes and arguments that do not exist."""
    names = _imported(config)
    for identifier, value in walk(config):
        if not is_code(value):
            continue
        statement = _import_in(value, identifier)
        if statement is not None:
            _check_import(identifier, statement, problems)
            continue
        try:
            tree = ast.parse(_python(str(value), identifier), mode="eval")
        except _NO_PYTHON as error:
            reason = getattr(error, "msg", str(error)) or "nested too deeply"
            problems.add(identifier, f"{value!r} is no Python expression: {reason}.")
            continue
        _check_names(identifier, tree, names, problems)
        _check_members(identifier, tree, names, problems)


def _imported(config: object) -> dict[str, str]:
    """The full name behind each name that MONAI and the import statements of the config provide."""
    names = dict(_GIVEN)
    for identifier, value in walk(config):
        statement = _import_in(value, identifier)
        if statement is not None:
            alias, full = statement.names[0], _imported_name(statement)
            top = alias.name.split(".")[0]
            names[alias.asname or top] = full if alias.asname or isinstance(statement, ast.ImportFrom) else top
    return names


def _python(value: str, identifier: str) -> str:
    """The Python of an expression, with a plain name in the place of each reference."""
    return _REFERENCE.sub(_STAND_IN, absolute(value, identifier)[1:]).strip()


def _import_in(value: object, identifier: str) -> _Import | None:
    if not is_code(value) or "import" not in str(value):
        return None
    try:
        body = ast.parse(_python(str(value), identifier)).body
    except _NO_PYTHON:
        return None
    return body[0] if body and isinstance(body[0], _Import) else None


def _imported_name(statement: _Import) -> str:
    source = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
    return source + statement.names[0].name


def _check_import(identifier: str, statement: _Import, problems: Problems) -> None:
    if len(statement.names) > 1:
        problems.add(identifier, "MONAI takes only the first name of an import: write one name a line.")
    dotted = _imported_name(statement)
    try:
        found = find(dotted)
    except MissingNameError as error:
        missing = str(error)
        hint = did_you_mean(missing.rpartition(".")[2], error.known or OWN)
        problems.add(identifier, f"there is no {missing!r} to import.{hint}")
        return
    if isinstance(statement, ast.Import) and module_file(found.module) is None:
        problems.add(identifier, f"there is no {dotted!r} to import.")


def _check_names(identifier: str, tree: ast.Expression, names: dict[str, str], problems: Problems) -> None:
    nodes = list(ast.walk(tree))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)} | set(names)
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in bound | _BUILTINS | {_STAND_IN}:
            text = f"{node.id!r} is neither imported nor a name of Python.{did_you_mean(node.id, bound)}"
            problems.add(identifier, text)


def _check_members(identifier: str, tree: ast.Expression, names: dict[str, str], problems: Problems) -> None:
    """Look up what the expression takes from modules of this repository, and how it calls it."""
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        dotted = _full_name(node, names)
        if dotted.split(".")[0] not in OWN:
            continue
        try:
            found = find(dotted)
        except MissingNameError as error:
            missing = str(error)
            hint = did_you_mean(missing.rpartition(".")[2], error.known)
            problems.add(identifier, f"there is no {missing!r}.{hint}", f"name {missing}")
            continue
        if id(node) in calls:
            _check_call(identifier, calls[id(node)], found, problems)


def _full_name(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of ``module.name`` if the module is imported; empty for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        above = _full_name(node.value, names)
        return f"{above}.{node.attr}" if above else ""
    return ""


def _check_call(identifier: str, call: ast.Call, definition: Definition, problems: Problems) -> None:
    is_spread = any(isinstance(each, ast.Starred) for each in call.args) or any(not each.arg for each in call.keywords)
    if is_spread:
        return
    for text in _call_problems(call, signature(definition)):
        problems.add(identifier, text)


def _call_problems(call: ast.Call, taken: Signature) -> list[str]:
    texts, given = [], [str(each.arg) for each in call.keywords]
    if len(call.args) > len(taken.names) and not taken.takes_more:
        texts.append(f"{taken.name} takes {len(taken.names)} arguments, not {len(call.args)}.")
    for name in given:
        if name not in taken.names and not taken.takes_any:
            texts.append(f"{taken.name} takes no argument {name!r}.{did_you_mean(name, taken.names)}")
    filled = {*taken.names[: len(call.args)], *given}
    missing = [name for name in taken.required if name not in filled]
    return texts + ([f"{taken.name} needs {', '.join(map(repr, missing))}."] if missing else [])
