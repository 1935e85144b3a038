"""PyTorch's compiler, ``torch._dynamo``, which optimizers import only to be left out of compiled graphs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import FunctionType, ModuleType
from typing import Any

COMPILER = "torch._dynamo"


class CompilerFinder(MetaPathFinder):
    """Lets the first import of ``torch._dynamo`` give a module that imports the real one when more of it is used."""

    def __init__(self) -> None:
        self.is_lazy = True
        """Whether the real compiler has not been imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the compiler, or one of its modules."""
        if not name.startswith(COMPILER) or not self.is_lazy:
            return None
        if name == COMPILER:
            return spec_from_loader(name, _LazyLoader(self), is_package=True)
        self.load()
        # Importing the package has imported this module: it must not be imported again.
        return spec_from_loader(name, _Loaded(sys.modules[name])) if name in sys.modules else None

    def load(self) -> ModuleType:
        """The real compiler."""
        if self.is_lazy:
            self.is_lazy = False
            sys.modules.pop(COMPILER, None)
        return importlib.import_module(COMPILER)


class _LazyCompiler(ModuleType):
    """What optimizers use of the compiler; anything else imports it."""

    def __init__(self, finder: CompilerFinder) -> None:
        super().__init__(COMPILER)
        self.__dict__["_finder"] = finder

    def disable(self, function: Any = None, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """A function that is not compiled; nothing is, as long as there is no compiler.

        Decorators with settings, ``disable(recursive=False)``, classes and modules are left to the compiler.
        """
        finder: CompilerFinder = self.__dict__["_finder"]
        if not isinstance(function, FunctionType):
            return finder.load().disable(function, *arguments, **named)
        disabled: list[Callable[..., Any]] = []

        @wraps(function)
        def call(*values: Any, **options: Any) -> Any:  # noqa: ANN401
            if finder.is_lazy:
                return function(*values, **options)
            if not disabled:
                disabled.append(finder.load().disable(function, *arguments, **named))
            return disabled[0](*values, **options)

        return call

    def graph_break(self, msg: str = "") -> None:
        """End a graph; there is none."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(f"module {COMPILER!r} has no attribute {name!r}")
        return getattr(self.__dict__["_finder"].load(), name)


class _LazyLoader(Loader):
    def __init__(self, finder: CompilerFinder) -> None:
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LazyCompiler(self._finder)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Loaded(Loader):
    """Gives a module that has been imported."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
