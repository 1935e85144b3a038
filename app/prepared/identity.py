"""What a transform is: its classes, their source and their parameters, as plain values that can be hashed."""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import json
import os
import sys
import types
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.prepared.source import source_identity

CHUNK = 1 << 20


class UnidentifiableError(TypeError):
    """A transform holds something whose value cannot be told, so that its result cannot be kept."""


def fingerprint(thing: object) -> str:
    """32 hexadecimal digits that change with the code, parameters and weight files of a transform."""
    return digest(identity(thing))


def digest(plain: object) -> str:
    """32 hexadecimal digits of plain values, as `identity` makes them."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: str | Path) -> str:
    """32 hexadecimal digits of a file's content."""
    result = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            result.update(chunk)
    return result.hexdigest()


def identity(thing: object) -> Any:  # noqa: ANN401  nested plain values
    """Everything that the result of a transform depends on, as values that JSON can write.

    An object with a method ``fingerprint()`` is what that returns. Others are their class, its source (see
    `source_identity`) and their attributes, recursively. Private attributes are left out only where every parameter
    of the constructor is there under its own name, since they then follow from these. A string or path that names a
    file stands for the file's content. MONAI's ``Compose`` is its transforms.

    Raises:
        UnidentifiableError: naming the attribute, where a value is of a kind whose state cannot be told, or where
            the transform is random.
    """
    return _identity(thing, type(thing).__name__, ())


def _identity(thing: Any, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    if id(thing) in inside:
        return ["again", inside[::-1].index(id(thing))]
    plain = _plain(thing)
    if plain is not None:
        return plain
    inside = (*inside, id(thing))
    for kinds, describe in _KINDS:
        if isinstance(thing, kinds):
            return describe(thing, where, inside)
    return _object(thing, where, inside)


def _plain(thing: Any) -> Any:  # noqa: ANN401
    if thing is None:
        return ["none"]
    if isinstance(thing, enum.Enum):
        return ["enum", _name(type(thing)), thing.name]
    if isinstance(thing, bool | int):
        return thing
    if isinstance(thing, str | os.PathLike):
        path = os.fspath(thing)
        return ["file", file_digest(path)] if path and os.path.isfile(path) else str(thing)  # noqa: PTH113
    if isinstance(thing, float | complex | bytes | range | slice | np.dtype | torch.dtype | torch.device):
        return [type(thing).__name__, repr(thing)]
    return None


def _sequence(thing: Sequence[Any], where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    return ["sequence", *(_identity(value, f"{where}[{index}]", inside) for index, value in enumerate(thing))]


def _mapping(thing: Mapping[Any, Any], where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    pairs = [[_identity(key, where, inside), _identity(thing[key], f"{where}[{key!r}]", inside)] for key in thing]
    return ["mapping", *pairs]


def _set(thing: Set[Any], where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    return ["set", *sorted(json.dumps(_identity(value, where, inside), sort_keys=True) for value in thing)]


def _array(thing: np.ndarray | np.generic, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    array = np.ascontiguousarray(thing)
    if array.dtype.hasobject:
        return ["array", list(np.shape(thing)), _sequence(array.tolist(), where, inside)]
    return ["array", array.dtype.str, list(np.shape(thing)), _bytes_digest(array)]


def _bytes_digest(array: np.ndarray) -> str:
    return hashlib.blake2b(memoryview(array), digest_size=16).hexdigest()  # type: ignore[arg-type]  # a buffer


def _tensor(thing: torch.Tensor, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    values = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return ["tensor", str(thing.dtype), list(thing.shape), _bytes_digest(values)]


def _network(thing: torch.nn.Module, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    weights = {name: _tensor(value, where, inside) for name, value in thing.state_dict().items()}
    classes = sorted({_name(type(part)) for part in thing.modules()})
    return ["network", repr(thing), weights, classes, source_identity(type(thing))]


def _partial(thing: functools.partial[Any], where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    return ["partial", *(_identity(part, where, inside) for part in (thing.func, thing.args, thing.keywords))]


def _method(thing: types.MethodType, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    return ["method", thing.__func__.__qualname__, _identity(thing.__self__, where, inside)]


def _function(thing: types.FunctionType, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    given = [thing.__defaults__, thing.__kwdefaults__, cells]
    name = f"{thing.__module__}.{thing.__qualname__}"
    return ["function", name, _code(thing.__code__), _identity(given, name, inside), source_identity(thing)]


def _code(code: types.CodeType) -> Any:  # noqa: ANN401
    constants = [_code(value) if isinstance(value, types.CodeType) else repr(value) for value in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]


def _builtin(thing: Any, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    module = getattr(thing, "__module__", None) or type(thing).__module__
    owner = getattr(thing, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return ["builtin", thing.__name__, _identity(owner, where, inside)]
    return ["builtin", module, getattr(thing, "__qualname__", thing.__name__), source_identity(type(thing))]


def _class(thing: type, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    return ["class", _name(thing), source_identity(thing)]


def _object(thing: Any, where: str, inside: tuple[int, ...]) -> Any:  # noqa: ANN401
    kind = type(thing)
    own = getattr(thing, "fingerprint", None)
    if callable(own):
        return [_name(kind), "fingerprint", _identity(own(), f"{where}.fingerprint()", inside)]
    if isinstance(thing, types.ModuleType) or (not hasattr(thing, "__dict__") and not _slots(kind)):
        raise UnidentifiableError(
            f"{where} is a {_name(kind)}, whose value cannot be told, so that it is not known whether a kept result "
            f"is still right: give the object that holds it a method fingerprint() that returns a string which "
            f"changes whenever its result does"
        )
    if kind is getattr(sys.modules.get("monai.transforms"), "Compose", None):
        settings = [thing.map_items, thing.unpack_items, bool(thing.lazy), thing.overrides]
        return [
            _name(kind),
            _identity(list(thing.transforms), "transforms", inside),
            _identity(settings, where, inside),
        ]
    if isinstance(thing, getattr(sys.modules.get("monai.transforms"), "RandomizableTrait", ())):
        raise UnidentifiableError(f"{where} is a {_name(kind)}, which is random: its result cannot be kept")
    described = {name: _identity(value, f"{where}.{name}", inside) for name, value in _attributes(thing).items()}
    return [_name(kind), source_identity(kind), described]


def _attributes(thing: Any) -> dict[str, Any]:  # noqa: ANN401
    values = {name: getattr(thing, name) for name in _slots(type(thing)) if hasattr(thing, name)}
    values.update(getattr(thing, "__dict__", {}))
    names = [name for name in inspect.signature(type(thing).__init__).parameters if name != "self"]
    if all(name in values or f"_{name}" in values for name in names):
        return {name: value for name, value in values.items() if not name.startswith("_") or name[1:] in names}
    return values


def _slots(kind: type) -> list[str]:
    slots: list[str] = []
    for base in kind.__mro__:
        own = base.__dict__.get("__slots__", ())
        slots += [own] if isinstance(own, str) else list(own)
    return [name for name in slots if name not in ("__dict__", "__weakref__")]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


_KINDS: tuple[tuple[Any, Any], ...] = (
    (type, _class),
    (torch.Tensor, _tensor),
    (np.ndarray | np.generic, _array),
    (torch.nn.Module, _network),
    (functools.partial, _partial),
    (types.MethodType, _method),
    (types.FunctionType, _function),
    (types.BuiltinFunctionType | np.ufunc, _builtin),
    (Mapping, _mapping),
    (list | tuple, _sequence),
    (set | frozenset, _set),
)
