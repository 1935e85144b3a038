"""The configuration of a launch: its config files and overrides, and the config that these make.

MONAI gives the components of a config no reference to the config. So it is handed over: the config's entry
``configuration`` reads the command line of ``python -m monai.bundle run``, and `RadiographWorkflow`, with which
workflows are created in Python, puts what it was given in the place of that entry.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import PurePath
from typing import Any

import fire
import yaml
from monai.bundle import ConfigWorkflow, run, run_workflow, update_kwargs
from monai.utils import ensure_tuple

from app.checking import MergedConfig, check, load, require_good
from app.checking.structure import ENTRIES

logger = logging.getLogger(__name__)

_COMMANDS = (run, run_workflow)


class _Dumper(yaml.SafeDumper):
    """Writes what YAML has no form for as text."""


_Dumper.add_multi_representer(object, lambda dumper, value: dumper.represent_str(str(value)))


class Configuration:
    """The config of a launch, merged from files and overrides as MONAI merges them.

    Args:
        files: Config files, in order; none if they are not known.
        overrides: Values by id, as the user gave them.
        run_id: The workflow that is run.

    Example:
        >>> Configuration(["bundles/lung_segmentation/configs/train.yaml"], {"max_epochs": 3}).config["max_epochs"]
        3
    """

    def __init__(
        self, files: Sequence[str] = (), overrides: Mapping[str, Any] | None = None, run_id: str = "run"
    ) -> None:
        self.files = tuple(files)
        self.overrides = dict(overrides or {})
        self.run_id = run_id

    @cached_property
    def _loaded(self) -> MergedConfig:
        # Only the user can ask for trust; a file cannot.
        return load(self.files, self.overrides, trust=self.overrides.get("trust") is True)

    @property
    def config(self) -> dict[str, Any]:
        """The merged config, not evaluated; empty if the files are not known.

        Raises:
            CheckError: If a file is missing or cannot be parsed.
        """
        return self._loaded.config if self.files else {}

    @property
    def text(self) -> str:
        """The merged config in YAML; objects that a program put in place of settings are text in it.

        Raises:
            CheckError: If a file is missing or cannot be parsed.
        """
        return yaml.dump(self.config, Dumper=_Dumper, sort_keys=False)

    def require_good(self) -> None:
        """Refuse a config that cannot work, as ``frugal check`` does; warn if it is not known.

        Raises:
            CheckError: Lists every problem.
        """
        if not self.files:
            logger.warning(
                "This workflow was created in Python without its configuration: its config is not checked and its "
                "settings are not recorded. For both, add workflow_name='app.engines.RadiographWorkflow'."
            )
            return
        report = check(self._loaded, self.run_id)
        for warning in report.warnings:
            logger.warning(str(warning))
        require_good(report)


class RadiographWorkflow(ConfigWorkflow):
    """MONAI's workflow of a bundle, which hands the bundle its configuration.

    For workflows that are created in Python: ``create_workflow(workflow_name=RadiographWorkflow, config_file=...)``.

    Args:
        config_file: One config file, or several.
        run_id: The workflow to run.
        arguments: Further arguments of ``ConfigWorkflow``, and overrides by id.
    """

    def __init__(self, config_file: str | Sequence[str], run_id: str = "run", **arguments: Any) -> None:  # noqa: ANN401
        overrides = {name: _as_written(value) for name, value in _overrides(arguments).items()}
        super().__init__(config_file, run_id=run_id, **(arguments | overrides))
        files = [str(file) for file in ensure_tuple(config_file)]
        self.parser["configuration"] = Configuration(files, overrides, run_id)


def command_line_configuration() -> Configuration:
    """The configuration of ``python -m monai.bundle run ...``; an unknown one in any other program."""
    words = monai_words()
    return Configuration() if words is None else read_command_line(words)


def monai_words() -> list[str] | None:
    """What stands on the command line after ``python -m monai.bundle``; None in any other program."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    return sys.argv[1:] if started is not None and started.name == "monai.bundle.__main__" else None


def read_command_line(words: Sequence[str]) -> Configuration:
    """The configuration that a command line of MONAI gives, read by the library that MONAI reads it with.

    Args:
        words: What stands after ``python -m monai.bundle``: ``run training --config_file train.yaml --seed 1``.
    """
    given: dict[str, Any] = {}

    def keeping(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def keep(*positional: Any, **named: Any) -> None:  # noqa: ANN401
            arguments = inspect.signature(command).bind(*positional, **named).arguments
            given.update({name: value for name, value in arguments.items() if name not in ("override", "kwargs")})
            given.update(arguments.get("override", {}) | arguments.get("kwargs", {}))

        return keep

    fire.Fire({command.__name__: keeping(command) for command in _COMMANDS}, command=list(words))
    arguments = update_kwargs(given.pop("args_file", None), **given)
    files = [str(file) for file in ensure_tuple(arguments.get("config_file") or ())]
    return Configuration(files, _overrides(arguments), str(arguments.get("run_id", "run")))


def _overrides(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments of a workflow that go over its config."""
    known = {name for command in (ConfigWorkflow, *_COMMANDS) for name in inspect.signature(command).parameters}
    return {name: value for name, value in arguments.items() if name not in known}


def _as_written(value: object) -> object:
    """A value of a program as a config file would hold it: paths as text, tuples as lists."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_as_written(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _as_written(each) for key, each in value.items()}
    return value


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Top-level values of a config that are plain: numbers, text, switches and lists of them.

    Example:
        >>> settings({"max_epochs": 3, "milestones": "$[@max_epochs // 2]", "bundle_root": "bundles/x"})
        {'max_epochs': 3}
    """
    return {key: value for key, value in config.items() if _is_plain(value) and key not in ENTRIES}


def settings_of(config: Mapping[str, Any], parts: Sequence[str] = ("network_def", "preprocessing")) -> dict[str, Any]:
    """Settings without text that some parts of a config refer to: what weights were trained for.

    Example:
        >>> settings_of({"width": 16, "seed": 0, "network_def": {"width": "@width"}})
        {'width': 16}
    """
    names = set(re.findall(r"@(\w+)", " ".join(str(config.get(part, "")) for part in parts)))
    return {key: value for key, value in settings(config).items() if key in names and not _is_text(value)}


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(each, str) for each in value))


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return isinstance(value, (int, float, bool)) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))
