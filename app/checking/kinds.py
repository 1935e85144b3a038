"""Whether a value from YAML is of the kind that a type annotation asks for."""

from __future__ import annotations

import ast
from typing import TypeGuard

from app.checking.ids import is_literal

_LISTS = {"list", "List", "tuple", "Tuple", "Sequence", "Iterable", "Collection", "set", "frozenset"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
# Classes of which no YAML value is an instance.
_OBJECTS = {"Tensor", "Module", "Optimizer", "Dataset", "Sampler", "ndarray", "Callable", "Generator", "Launch"}
_KINDS: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


def kind(value: object) -> str:
    """What a value is, in words.

    Example:
        >>> kind(True), kind(3), kind("3"), kind((3, 3))
        ('true or false', 'a whole number', 'text', 'of type tuple')
    """
    return next((name for type_, name in _KINDS if isinstance(value, type_)), f"of type {type(value).__name__}")


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def fits(value: object, annotation: ast.expr) -> bool:
    """Whether a value may be passed for an annotation.

    Args:
        value: from YAML or the command line. Expressions, references and macros fit any annotation.
        annotation: as written in the source.

    Returns:
        True also if the annotation is not understood.

    Example:
        >>> [fits(value, ast.parse("int | None", mode="eval").body) for value in (3, None, "3")]
        [True, True, False]
    """
    if not is_literal(value):
        return True
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str(written)):
            try:
                return fits(value, ast.parse(written, mode="eval").body)
            except SyntaxError:
                return True
        case ast.BinOp():
            return fits(value, annotation.left) or fits(value, annotation.right)
        case ast.Subscript():
            return _fits_subscript(value, annotation)
        case ast.Name() | ast.Attribute():
            return _fits_name(value, _last_name(annotation))
    return True


def _fits_name(value: object, name: str) -> bool:
    if name == "bool":
        return isinstance(value, int) and value in (0, 1)
    if name == "int":
        return is_integer(value)
    if name == "float":
        return is_number(value)
    if name == "str":
        return isinstance(value, str)
    if name in _LISTS:
        return isinstance(value, list)
    if name in _MAPPINGS:
        return isinstance(value, dict)
    # A mapping may be a component, which makes an object of any class.
    return isinstance(value, dict) or name not in _OBJECTS


def _fits_subscript(value: object, annotation: ast.Subscript) -> bool:
    name, inner = _last_name(annotation.value), annotation.slice
    parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if isinstance(value, dict) and "_target_" in value:
        return True
    if name == "Optional":
        return value is None or fits(value, inner)
    if name == "Union":
        return any(fits(value, part) for part in parts)
    if name == "Literal":
        return value in [part.value for part in parts if isinstance(part, ast.Constant)]
    if name in _LISTS and isinstance(value, list):
        has_own_kinds = name in ("tuple", "Tuple") and ast.unparse(parts[-1]) != "..."
        return all(map(fits, value, parts if has_own_kinds else [parts[0]] * len(value)))
    return _fits_name(value, name)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
