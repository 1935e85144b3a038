"""The arguments that a class or function takes, read from its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from app.checking.sources import Definition, Function, MissingNameError, find, in_module, short

_PLAIN_BASES = {"object", "ABC", "abc.ABC", "Protocol", "nn.Module", "torch.nn.Module", "Generic"}


@dataclass(frozen=True)
class Parameter:
    """An argument by name.

    Attributes:
        name: as it is passed.
        annotation: as written, or None.
        required: whether there is no default.
        default: as written, or None.
    """

    name: str
    annotation: ast.expr | None = None
    required: bool = False
    default: ast.expr | None = None


@dataclass(frozen=True)
class Signature:
    """What a callable takes.

    Attributes:
        name: of the class or function.
        module: where it is defined.
        parameters: by name, in order; empty and ``takes_any`` where the source does not tell.
        takes_any: whether other names are taken, or may be.
        takes_more: whether more positional arguments are taken, or may be.
    """

    name: str
    module: str
    parameters: tuple[Parameter, ...] = ()
    takes_any: bool = False
    takes_more: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments."""
        return tuple(parameter.name for parameter in self.parameters)


def signature_of(target: str) -> Signature:
    """The signature of what a ``_target_`` names.

    Raises:
        MissingNameError: there is no such thing.
    """
    return signature(find(target) if "." in target else short(target))


def signature(found: Definition) -> Signature:
    """The signature of a definition; one that takes anything where its source does not tell."""
    if isinstance(found.node, Function):
        return _of_function(found.node, found, method=False)
    if isinstance(found.node, ast.ClassDef):
        return _of_class(found.node, found) or _open(found)
    return _open(found)


def _open(found: Definition) -> Signature:
    return Signature(found.name, found.module, takes_any=True, takes_more=True)


def _of_function(node: Function, found: Definition, method: bool) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = list(zip(positional, defaults, strict=True))[1 if method else 0 :]
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    parameters = tuple(Parameter(each.arg, each.annotation, default is None, default) for each, default in pairs)
    takes_any, takes_more = arguments.kwarg is not None, arguments.vararg is not None
    return Signature(found.name.split(".")[0], found.module, parameters, takes_any, takes_more)


def _of_class(node: ast.ClassDef, found: Definition) -> Signature | None:
    """A class's signature, from it or from the nearest base that has one; None where that cannot be told."""
    if _is_dataclass(node) or any(ast.unparse(base).endswith("NamedTuple") for base in node.bases):
        return _of_fields(node, found)
    for name in ("__init__", "__new__"):
        for each in reversed(node.body):
            if isinstance(each, Function) and each.name == name:
                return _of_function(each, found, method=True)
    for base in node.bases:
        text = ast.unparse(base).split("[")[0]
        if text in _PLAIN_BASES:
            continue
        try:
            start, *rest = text.split(".")
            above = in_module(found.module, start)
            for part in rest:
                above = find(f"{above.module}.{above.name}.{part}" if above.name else f"{above.module}.{part}")
        except MissingNameError:
            return None
        inherited = _of_class(above.node, above) if isinstance(above.node, ast.ClassDef) else None
        if inherited is None:
            return None
        if inherited.parameters or inherited.takes_any:
            return Signature(found.name, found.module, inherited.parameters, inherited.takes_any, inherited.takes_more)
    return Signature(found.name, found.module)


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = [ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
    return any(name.split(".")[-1] == "dataclass" for name in names)


def _of_fields(node: ast.ClassDef, found: Definition) -> Signature | None:
    if any(ast.unparse(base).split(".")[-1] not in ("NamedTuple", "ABC") for base in node.bases):
        return None
    fields = []
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            if "ClassVar" in ast.unparse(each.annotation) or "init=False" in ast.unparse(each):
                continue
            fields.append(Parameter(each.target.id, each.annotation, each.value is None, each.value))
    return Signature(found.name, found.module, tuple(fields))
