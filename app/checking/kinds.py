"""Whether a value as YAML gives it is of the kind that an annotation asks for."""

from __future__ import annotations

import ast
from pathlib import Path

from app.checking.ids import is_literal

_LONGEST_NAME = 255
_LISTS = {"list", "List", "tuple", "Tuple", "Sequence", "Iterable", "Collection", "set", "frozenset"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
# Classes that no YAML value is of.
_OBJECTS = {"Tensor", "Module", "Optimizer", "Dataset", "Sampler", "ndarray", "Callable", "Generator", "Launch"}


def kind(value: object) -> str:
    """What a value is, in a word."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def can_be_a_path(value: object) -> bool:
    """Whether a text can name a file or folder, there or not; anything that is no text is not judged."""
    if not isinstance(value, str):
        return True
    lengths = (len(part.encode(errors="surrogatepass")) for part in Path(value).parts)
    return "\0" not in value and max(lengths, default=0) <= _LONGEST_NAME


def fits(value: object, annotation: ast.expr) -> bool:
    """Whether a literal may be passed for an annotation.

    Args:
        value: from YAML or the command line. Expressions, references and macros fit everything.
        annotation: as written in the source. One that is not understood takes everything.

    Returns:
        False only where the annotation is understood and the value is of none of its kinds.
    """
    if not is_literal(value):
        return True
    if isinstance(annotation, ast.Constant):
        return _fits_constant(value, annotation.value)
    if isinstance(annotation, ast.BinOp):
        return fits(value, annotation.left) or fits(value, annotation.right)
    if isinstance(annotation, ast.Subscript):
        return _fits_subscript(value, annotation)
    if isinstance(annotation, ast.Name | ast.Attribute):
        return _fits_name(value, _last(annotation))
    return True


def _fits_constant(value: object, written: object) -> bool:
    if written is None:
        return value is None
    if isinstance(written, str):
        try:
            return fits(value, ast.parse(written, mode="eval").body)
        except SyntaxError:
            return True
    return True


def _fits_name(value: object, name: str) -> bool:
    if name == "bool":
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "str":
        return isinstance(value, str)
    if name in _LISTS:
        return isinstance(value, list)
    if name in _MAPPINGS:
        return isinstance(value, dict)
    # A mapping may be a component, and then is whatever that makes.
    return isinstance(value, dict) or name not in _OBJECTS


def _fits_subscript(value: object, annotation: ast.Subscript) -> bool:
    name, inner = _last(annotation.value), annotation.slice
    parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if isinstance(value, dict) and "_target_" in value:
        return True
    if name == "Optional":
        return value is None or fits(value, inner)
    if name == "Union":
        return any(fits(value, part) for part in parts)
    if name == "Literal":
        return value in [part.value for part in parts if isinstance(part, ast.Constant)]
    if name in _LISTS:
        return isinstance(value, list) and all(fits(each, part) for each, part in _elements(value, name, parts))
    return _fits_name(value, name)


def _elements(value: list[object], name: str, parts: list[ast.expr]) -> list[tuple[object, ast.expr]]:
    """Each element with what is asked of it."""
    if name in ("tuple", "Tuple") and not (isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis):
        return list(zip(value, parts, strict=False))
    return [(each, parts[0]) for each in value]


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
