"""Stand-ins for packages that are imported at their first use, and for classes that nobody has imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any


class Deferred:
    """A package, or a thing in it, that is imported when it is used for the first time.

    Args:
        load: Imports it.

    Example:
        >>> import importlib
        >>> Deferred(lambda: importlib.import_module("math")).sqrt(4)
        2.0
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self.__load = cache(load)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """An attribute of what is imported now."""
        return getattr(self.__load(), name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Call what is imported now."""
        return self.__load()(*arguments, **named)

    def __instancecheck__(self, instance: object) -> bool:
        """Whether something is an instance of the class that is imported now."""
        return isinstance(instance, self.__load())

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        """The class that is imported now, as a base."""
        return (self.__load(),)


class Unloaded(type):
    """The type of classes that stand in for those of a module: nothing is an instance before the module is imported."""

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether something is an instance of the real class."""
        real = getattr(sys.modules.get(cls.__module__), cls.__name__, None)
        return real is not None and isinstance(instance, real)


def stand_in(name: str, **contents: object) -> ModuleType:
    """A module of this name that holds nothing else."""
    module = ModuleType(name)
    vars(module).update(contents)
    return module


@contextmanager
def standing_in(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let imports find these modules within the block, unless one of the real ones has been imported."""
    if modules.keys() & sys.modules.keys():
        yield
        return
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
