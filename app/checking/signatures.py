"""The arguments that a class or function takes, read from its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import reduce

from app.checking.sources import Definition, Function, MissingNameError, find, find_short

_PLAIN_BASES = {"object", "ABC", "abc.ABC", "Protocol", "nn.Module", "torch.nn.Module", "Generic"}


@dataclass(frozen=True)
class Parameter:
    """One argument.

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
        parameters: in order.
        takes_any: whether other names are accepted (``**kwargs``), or the source does not tell.
        takes_more: whether further positional arguments are accepted (``*args``), or the source does not tell.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    takes_any: bool = False
    takes_more: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the parameters without a default."""
        return tuple(parameter.name for parameter in self.parameters if parameter.required)


def signature_of(target: str) -> Signature:
    """The signature of the class or function that a ``_target_`` names.

    Raises:
        MissingNameError: there is no such class or function.

    Example:
        >>> signature_of("app.losses.MixedSupervisionLoss").names
        ('localisation_weight',)
    """
    return signature(find(target) if "." in target else find_short(target))


def signature(definition: Definition) -> Signature:
    """The signature of a definition; one that takes anything if the source does not tell."""
    node, taken = definition.node, None
    if isinstance(node, ast.ClassDef):
        taken = _of_class(node, definition.module)
    elif node is not None and "." not in definition.name:  # no method, whose first argument may be given already
        taken = _of_function(node, is_method=False)
    return replace(taken or Signature("", takes_any=True, takes_more=True), name=definition.name)


def _of_function(node: Function, is_method: bool) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = list(zip(positional, defaults, strict=True))[1 if is_method else 0 :]
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    parameters = tuple(Parameter(each.arg, each.annotation, default is None, default) for each, default in pairs)
    return Signature(node.name, parameters, arguments.kwarg is not None, arguments.vararg is not None)


def _of_class(node: ast.ClassDef, module: str) -> Signature | None:
    """The signature of a class, from it or the nearest base that has one; None if that cannot be told."""
    bases = [ast.unparse(base).split("[")[0] for base in node.bases]
    if _is_dataclass(node) or any(base.endswith("NamedTuple") for base in bases):
        has_fields_alone = all(base.split(".")[-1] in ("NamedTuple", "ABC") for base in bases)
        return Signature(node.name, _fields(node)) if has_fields_alone else None
    methods = {each.name: each for each in node.body if isinstance(each, Function)}
    for name in ("__init__", "__new__"):
        if name in methods:
            return _of_function(methods[name], is_method=True)
    for base in bases:
        if base in _PLAIN_BASES:
            continue
        try:
            above = reduce(Definition.member, base.split("."), Definition(module))
        except MissingNameError:
            return None
        inherited = _of_class(above.node, above.module) if isinstance(above.node, ast.ClassDef) else None
        if inherited is None or inherited.parameters or inherited.takes_any:
            return inherited
    return Signature(node.name)


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = [ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
    return any(name.split(".")[-1] == "dataclass" for name in names)


def _fields(node: ast.ClassDef) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(each.target.id, each.annotation, each.value is None, each.value)
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and "ClassVar" not in ast.unparse(each.annotation)
        and "init=False" not in ast.unparse(each)
    )
