"""Expressions (texts that begin with ``$``), read but never evaluated: do they parse, and are their names known?"""

from __future__ import annotations

import ast
import builtins
import re

from app.checking.ids import absolute, is_code, walk
from app.checking.problem import Findings
from app.checking.signatures import Signature, signature
from app.checking.sources import OWN, Definition, MissingNameError, find, module_file
from app.nearest import did_you_mean

_REFERENCE = re.compile(r"@\w*(?:::\w*)*")
_STAND_IN = "_referred_"
_GIVEN = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}


def imported(config: object) -> dict[str, str]:
    """By name, the dotted name of what the config's import statements and MONAI itself provide."""
    found = dict(_GIVEN)
    for identifier, value in walk(config):
        statement = _import_of(value, identifier)
        if statement is not None:
            alias = statement.names[0]
            source = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
            bound = alias.asname or alias.name.split(".")[0]
            found[bound] = source + (alias.name if alias.asname or source else bound)
    return found


def check_expressions(config: object, findings: Findings) -> None:
    """Find expressions that cannot be parsed, imports of nothing, names and attributes that there are not."""
    names = imported(config)
    for identifier, value in walk(config):
        if not is_code(value):
            continue
        statement = _import_of(value, identifier)
        if statement is not None:
            _check_import(identifier, statement, findings)
            continue
        try:
            tree = ast.parse(_plain(str(value), identifier), mode="eval")
        except SyntaxError as error:
            findings.add(identifier, f"{value!r} is no Python expression: {error.msg}.")
            continue
        _check_names(identifier, tree, names, findings)
        _check_members(identifier, tree, names, findings)


def _plain(value: str, identifier: str) -> str:
    """The Python of an expression, with one name in the place of each reference."""
    return _REFERENCE.sub(_STAND_IN, absolute(value, identifier)[1:]).strip()


def _import_of(value: object, identifier: str) -> ast.Import | ast.ImportFrom | None:
    if not is_code(value) or "import" not in str(value):
        return None
    try:
        body = ast.parse(_plain(str(value), identifier)).body
    except SyntaxError:
        return None
    first = body[0] if body else None
    return first if isinstance(first, ast.Import | ast.ImportFrom) else None


def _check_import(identifier: str, statement: ast.Import | ast.ImportFrom, findings: Findings) -> None:
    if len(statement.names) > 1:
        findings.add(identifier, "of several names in one import MONAI takes the first alone: write one a line.")
    source = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
    dotted = source + statement.names[0].name
    try:
        found = find(dotted)
    except MissingNameError as error:
        missing = str(error)
        known = error.known or OWN
        findings.add(identifier, f"there is no {missing!r} to import.{did_you_mean(missing.rpartition('.')[2], known)}")
        return
    if isinstance(statement, ast.Import) and module_file(found.module) is None:
        findings.add(identifier, f"there is no {dotted!r} to import.")


def _check_names(identifier: str, tree: ast.Expression, names: dict[str, str], findings: Findings) -> None:
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    known = bound | set(names) | set(dir(builtins)) | {_STAND_IN}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
            near = did_you_mean(node.id, known - set(dir(builtins)) - {_STAND_IN})
            findings.add(identifier, f"nothing is named {node.id!r} here: neither imported nor of Python.{near}")


def _check_members(identifier: str, tree: ast.Expression, names: dict[str, str], findings: Findings) -> None:
    """Look up what is taken from modules of this repository, and how it is called."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        dotted = _dotted(node, names)
        if not dotted or dotted.split(".")[0] not in OWN:
            continue
        try:
            found = find(dotted)
        except MissingNameError as error:
            near = did_you_mean(str(error).rpartition(".")[2], error.known)
            findings.add(identifier, f"there is no {str(error)!r}.{near}", f"name {error}")
            continue
        if id(node) in called:
            _check_call(identifier, called[id(node)], found, findings)


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of ``module.name`` where the module is imported; empty for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value, names)
        return f"{above}.{node.attr}" if above else ""
    return ""


def _check_call(identifier: str, call: ast.Call, found: Definition, findings: Findings) -> None:
    taken = signature(found)
    unsure = any(isinstance(each, ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords)
    if unsure or (not taken.parameters and taken.takes_any):
        return
    for text in _call_problems(call, taken):
        findings.add(identifier, text)


def _call_problems(call: ast.Call, taken: Signature) -> list[str]:
    found, given = [], [str(each.arg) for each in call.keywords]
    if len(call.args) > len(taken.names) and not taken.takes_more:
        found.append(f"{taken.name} takes {len(taken.names)} arguments, not {len(call.args)}.")
    for name in given:
        if name not in taken.names and not taken.takes_any:
            found.append(f"{taken.name} takes no argument {name!r}.{did_you_mean(name, taken.names)}")
    filled = {*taken.names[: len(call.args)], *given}
    missing = [each.name for each in taken.parameters if each.required and each.name not in filled]
    return found + ([f"{taken.name} needs {', '.join(map(repr, missing))}."] if missing else [])
