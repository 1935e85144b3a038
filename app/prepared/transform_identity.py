"""What identifies a transform: its class, its parameters, the file it is written in, and the libraries it calls.

Two transforms of one identity give the same result, so a result on the disk can be used again.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import importlib.metadata
import inspect
import json
import os
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import transforms

LIBRARIES = (
    *("kornia_rs", "monai", "nibabel", "numpy", "opencv-python", "opencv-python-headless", "pillow", "pydicom"),
    *("pyjpegls", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "simpleitk", "torch"),
)
"""What decodes and transforms radiographs; a result depends on their versions."""
VERSIONED = frozenset({"monai", "numpy", "torch", "transforms"})
"""Packages whose classes and functions are identified by name, since `versions` holds theirs."""


class UnidentifiableError(TypeError):
    """It cannot be told what a transform does, so its results cannot be kept."""


def identity(thing: object) -> Any:  # noqa: ANN401 - nested plain values
    """Describe a transform, or one of its parameters, by values that JSON can write.

    - A number, text, list, mapping, array or tensor is its value.
    - A text or path that names a file is the file's content, as weights are.
    - An object with a method ``identity()`` is its class and what the method returns.
    - MONAI's ``Compose`` is its transforms.
    - Any other object is its class and its attributes. If every parameter of its constructor is an attribute of the
      same name, private attributes are left out: they follow from the parameters, or from use.

    Classes and functions count with the content of the file that they are written in, or by name alone if `versions`
    holds their package. What your file imports does not count: return from ``identity()`` a number that you raise.

    Raises:
        UnidentifiableError: The transform is random, or holds something that is none of the above; names it.

    Example:
        >>> identity({"size": (512, 512), "mode": None})
        [['size', [512, 512]], ['mode', None]]
    """
    return _identity(thing, type(thing).__name__)


def versions() -> dict[str, str]:
    """Versions of the `LIBRARIES` that are installed; that of `transforms` is a digest of its files.

    Files of augmentation do not count, as it takes no part in preparing.
    """
    files = sorted(Path(str(transforms.__file__)).parent.glob("*.py"))
    own = [[path.name, file_digest(path)] for path in files if not path.name.startswith("augment")]
    result = {"transforms": digest(own)}
    for name in LIBRARIES:
        try:
            # What follows "+" names a build of the same version, for another accelerator.
            result[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return result


def digest(plain: object) -> str:
    """32 hexadecimal digits of values that JSON can write, as `identity` returns them."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: str | Path) -> str:
    """32 hexadecimal digits of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _identity(thing: Any, place: str) -> Any:  # noqa: ANN401
    if isinstance(thing, enum.Enum):
        return [_name(type(thing)), thing.name]
    if thing is None or isinstance(thing, bool | int | float):
        return thing
    if isinstance(thing, str | os.PathLike):
        path = os.fspath(thing)
        return ["file", file_digest(path)] if os.path.isfile(path) else str(thing)  # noqa: PTH113
    if isinstance(thing, np.ndarray | np.generic | torch.Tensor):
        array = np.ascontiguousarray(thing.detach().cpu() if isinstance(thing, torch.Tensor) else thing)
        return [str(thing.dtype), list(thing.shape), hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()]
    if isinstance(thing, complex | bytes | range | slice | np.dtype | torch.dtype | torch.device):
        return [type(thing).__name__, repr(thing)]
    if isinstance(thing, Mapping):
        return [[_identity(key, place), _identity(value, f"{place}[{key!r}]")] for key, value in thing.items()]
    if isinstance(thing, list | tuple):
        return [_identity(value, f"{place}[{index}]") for index, value in enumerate(thing)]
    if isinstance(thing, set | frozenset):
        return sorted((_identity(value, place) for value in thing), key=digest)
    if isinstance(thing, functools.partial):
        return ["partial", *(_identity(part, place) for part in (thing.func, thing.args, thing.keywords))]
    return _code_identity(thing, place)


def _code_identity(thing: Any, place: str) -> Any:  # noqa: ANN401
    """Identity of a function, a class or an object."""
    from monai.transforms import Compose, RandomizableTrait  # not above: `frugal prepared` needs no MONAI

    if isinstance(thing, type):
        return [_name(thing), _sources(thing, place)]
    if isinstance(thing, types.FunctionType):
        if thing.__closure__ or "<lambda>" in thing.__qualname__:
            raise _unidentifiable(place, f"{_name(thing)}, a function without a name of its own")
        return [_name(thing), _identity(thing.__defaults__, place), _sources(thing, place)]
    kind = type(thing)
    if callable(getattr(thing, "identity", None)):
        return [_name(kind), _identity(thing.identity(), f"{place}.identity()"), _sources(kind, place)]
    if kind is Compose:
        settings = [thing.map_items, thing.unpack_items, bool(thing.lazy), thing.overrides]
        return [_name(kind), _identity(list(thing.transforms), "transforms"), _identity(settings, place)]
    if isinstance(thing, RandomizableTrait):
        raise UnidentifiableError(f"{place} is a {_name(kind)}, which is random: its result cannot be kept")
    if not hasattr(thing, "__dict__") or kind.__module__.partition(".")[0] in (*sys.stdlib_module_names, "numpy"):
        raise _unidentifiable(place, f"a {_name(kind)}")
    attributes = {name: _identity(value, f"{place}.{name}") for name, value in _attributes(thing).items()}
    return [_name(kind), attributes, _sources(kind, place)]


def _attributes(thing: Any) -> dict[str, Any]:  # noqa: ANN401
    values = vars(thing)
    parameters = [name for name in inspect.signature(type(thing).__init__).parameters if name != "self"]
    if isinstance(thing, torch.nn.Module) or any(name not in values for name in parameters):
        return values
    return {name: value for name, value in values.items() if not name.startswith("_")}


def _sources(thing: Any, place: str) -> list[str]:  # noqa: ANN401 - a class or function
    """Digests of the files that a function, or a class and its bases, are written in."""
    digests = {}
    for part in getattr(thing, "__mro__", (thing,)):
        package = part.__module__.partition(".")[0]
        if package in VERSIONED or package in sys.stdlib_module_names:
            continue
        try:
            digests[part.__module__] = file_digest(inspect.getfile(part))
        except (TypeError, OSError) as error:
            raise _unidentifiable(place, f"{_name(part)}, which is written in no file") from error
    return list(digests.values())


def _unidentifiable(place: str, what: str) -> UnidentifiableError:
    return UnidentifiableError(
        f"{place} is {what}: it cannot be told whether a kept result is still right. Give the object that holds it a "
        f"method identity() that returns numbers and texts which change whenever its result does"
    )


def _name(thing: Any) -> str:  # noqa: ANN401 - a class or function
    return f"{thing.__module__}.{thing.__qualname__}"
