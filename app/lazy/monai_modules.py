"""Importing MONAI and Ignite: their optional packages and submodules load at their first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any

from app.lazy.deferred import Deferred, Unloaded, stand_in, standing_in

CHECKPOINTS, PLOTS = "ignite.handlers.checkpoint", "monai.utils.jupyter_utils"
"""Modules that import what they use in few cases."""
BASES = ("ignite", "monai", "torch", "yaml")
"""Packages that MONAI's own classes are made from, so that it needs them at once."""


class ModuleFinder(MetaPathFinder):
    """Finds MONAI's modules as always, and changes three things in them.

    - ``optional_import`` hands out an installed package that imports itself when it is used, except to configs.
    - ``import monai`` does not import its submodules. A submodule is imported when it is named; if a package of MONAI
      lacks an attribute, or a config names a component without its module (``_target_: DiceLoss``) that is in no module
      that has been imported, all of MONAI is imported.
    - Two modules, one of them Ignite's, get stand-ins for what they import and do not use.
    """

    def __init__(self) -> None:
        self._left_out: list[Callable[[], object]] = []
        self._loading = RLock()  # a thread that finds nothing waits for another that is importing all of it
        self._import_now: Callable[..., tuple[Any, bool]] | None = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module of MONAI, or the one of Ignite."""
        if name.partition(".")[0] != "monai" and name != CHECKPOINTS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            spec.loader.__dict__["exec_module"] = lambda module: self._execute(module, execute)
        return spec

    def _execute(self, module: Any, execute: Callable[[ModuleType], None]) -> None:  # noqa: ANN401 - a module
        with standing_in(_stand_ins(module.__name__)):
            execute(module)
        if module.__name__ == "monai.utils.module":
            self._change_imports(module)
        elif self._import_now and module.__name__ in ("monai.bundle.config_item", "monai.bundle.config_parser"):
            # What a config imports may be imported for what that does.
            module.optional_import = self._import_now
            if hasattr(module, "ComponentLocator"):
                self._change_locator(module.ComponentLocator)
        if hasattr(module, "__path__") and not hasattr(module, "__getattr__"):
            module.__getattr__ = lambda name: self._attribute(module, name)

    def _change_imports(self, module: Any) -> None:  # noqa: ANN401 - a module
        if not {"load_submodules", "optional_import"} <= vars(module).keys():
            return  # another MONAI, which is imported as always
        load_submodules = module.load_submodules

        def load(package: ModuleType, *arguments: Any, **named: Any) -> tuple[list[ModuleType], list[str]]:  # noqa: ANN401
            if package.__name__ != "monai" or hasattr(package, "__getattr__"):  # it has been imported
                result: tuple[list[ModuleType], list[str]] = load_submodules(package, *arguments, **named)
                return result
            # MONAI's packages import each other in circles, in which only this way leads through.
            importlib.import_module("monai.apps")
            self._left_out.append(lambda: load_submodules(package, *arguments, **named))
            return [], []

        module.load_submodules = load
        self._import_now = module.optional_import
        module.optional_import = _deferring(module.optional_import)

    def _load_all(self) -> None:
        """Do what importing ``monai`` has left out."""
        with self._loading:
            left_out, self._left_out = self._left_out, []
            for load in left_out:
                load()

    def _attribute(self, package: ModuleType, name: str) -> Any:  # noqa: ANN401
        """An attribute that a package of MONAI does not have yet."""
        if not name.startswith("__"):
            if find_spec(f"{package.__name__}.{name}") is not None:
                return importlib.import_module(f"{package.__name__}.{name}")
            self._load_all()
            if name in vars(package):
                return vars(package)[name]
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")

    def _change_locator(self, locator: Any) -> None:  # noqa: ANN401 - a class of MONAI's
        find, load_all = locator.get_component_module_name, self._load_all

        def find_or_load(self: Any, name: str) -> list[str] | str | None:  # noqa: ANN401
            if "." in name:  # MONAI looks for names without their modules
                return None
            result = find(self, name)
            if result is None:
                load_all()
                self._components_table = None
                result = find(self, name)
            return result

        locator.get_component_module_name = find_or_load


def _deferring(import_now: Callable[..., tuple[Any, bool]]) -> Callable[..., tuple[Any, bool]]:
    """MONAI's ``optional_import``, which waits with packages that are installed and have not been imported yet."""

    def optional_import(module: str, version: str = "", *arguments: Any, **named: Any) -> tuple[Any, bool]:  # noqa: ANN401
        package = module.partition(".")[0]
        name = str(named.get("name", arguments[1] if len(arguments) > 1 else ""))
        # An "except" clause needs the class itself.
        is_plain = len(arguments) < 3 and named.keys() <= {"version_checker", "name"} and not name.endswith("Error")
        if not is_plain or package in BASES or module in sys.modules or not _is_installed(module):
            return import_now(module, version, *arguments, **named)
        checker = arguments[:1] or [named[key] for key in named if key == "version_checker"]
        if version and not import_now(package, version, *checker)[1]:
            return import_now(module, version, *arguments, **named)
        return Deferred(lambda: import_now(module, version, *arguments, **named)[0]), True

    return optional_import


def _is_installed(module: str) -> bool:
    """Whether there is such a module, found without importing its packages: many share a name such as ``nvidia``."""
    package, *rest = module.split(".")
    spec = find_spec(package)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None


def _stand_ins(name: str) -> dict[str, ModuleType]:
    """By name, what a module gets in place of what it imports."""
    if name == CHECKPOINTS:  # asks whether an optimizer is of this class, whose module imports FSDP
        module = "torch.distributed.optim"
        optimizer = Unloaded("ZeroRedundancyOptimizer", (), {"__module__": module})
        return {module: stand_in(module, ZeroRedundancyOptimizer=optimizer)}
    if name == PLOTS and find_spec("matplotlib") is not None:
        module = "matplotlib.pyplot"
        pyplot = Deferred(lambda: importlib.import_module(module))
        return {module: stand_in(module), "matplotlib": stand_in("matplotlib", pyplot=pyplot)}
    return {}
