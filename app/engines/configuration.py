"""The configuration of a launch: its config files and overrides, and the config that these make.

MONAI gives the components of a config no reference to the config. So it is handed over: the config's entry
``configuration`` reads the command line of ``python -m monai.bundle run``, and `RadiographWorkflow`, with which
workflows are created in Python, puts what it was given in the place of that entry.

Weights that are evaluated or applied bring settings (``app.checking.weights``), which `RadiographWorkflow` puts into
the config as well. MONAI's command line has made its own workflow by then, which therefore hands over to a
`RadiographWorkflow` before it makes anything else.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path, PurePath
from typing import Any

import fire
import yaml
from monai.bundle import ConfigWorkflow, run, run_workflow, update_kwargs
from monai.utils import ensure_tuple

from app.checking import CheckError, MergedConfig, check, load, require_good
from app.checking.ids import is_plain
from app.checking.inputs import can_be_run
from app.checking.structure import ENTRIES
from app.checking.weights import trained_settings

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
        weights = _weights_of_run(self.overrides.get("checkpoint"))
        # Only the user can ask for trust; a file cannot.
        loaded = load(self.files, self.overrides | weights, self.overrides.get("trust") is True, self.run_id)
        loaded.brought.update(weights)
        return loaded

    @property
    def config(self) -> dict[str, Any]:
        """The merged config, not evaluated; empty if the files are not known.

        Raises:
            CheckError: If a file is missing or cannot be parsed, or there is no run whose weights are named.
        """
        return self._loaded.config if self.files else {}

    @property
    def text(self) -> str:
        """The merged config in YAML; objects that a program put in place of settings are text in it.

        Raises:
            CheckError: If a file is missing or cannot be parsed.
        """
        return as_yaml(self.config)

    @property
    def brought(self) -> dict[str, object]:
        """By id, the values that weights bring in place of the config's own; none if they must not be used.

        Raises:
            CheckError: If a file is missing or cannot be parsed.
        """
        # MONAI imports what any value of a config names before the check can refuse it.
        return self._loaded.brought if self.files and not self._loaded.problems.problems else {}

    @property
    def trained_settings(self) -> dict[str, object]:
        """By id, what a training with this config records beside its weights; empty if the files are not known.

        Raises:
            CheckError: If a file is missing or cannot be parsed.
        """
        return trained_settings(self._loaded) if self.files else {}

    @property
    def bundle_version(self) -> str:
        """The version in the bundle's ``metadata.json``; empty if it is not known."""
        path = Path(self.files[0]).parent / "metadata.json" if self.files else None
        if path is None or not path.is_file():
            return ""
        return str(json.loads(path.read_text(encoding="utf-8")).get("version", ""))

    @property
    def is_training(self) -> bool:
        """Whether the workflow is a training, which can be resumed."""
        return "resume" in self.config and self.run_id != "evaluating"

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
        if self.brought:
            values = ", ".join(f"{identifier} {value}" for identifier, value in self.brought.items())
            logger.info(f"settings of the weights: {values}")


def as_yaml(config: Mapping[str, Any]) -> str:
    """A config in YAML; objects that a program put in place of settings are text in it."""
    return yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False)


class RadiographWorkflow(ConfigWorkflow):
    """MONAI's workflow of a bundle, which hands the bundle its configuration, and the settings that weights bring.

    For workflows that are created in Python: ``create_workflow(workflow_name=RadiographWorkflow, config_file=...)``.

    Args:
        config_file: One config file, or several.
        run_id: The workflow to run.
        arguments: Further arguments of ``ConfigWorkflow``, and overrides by id.
    """

    def __init__(self, config_file: str | Sequence[str], run_id: str = "run", **arguments: Any) -> None:  # noqa: ANN401
        overrides = {name: _as_written(value) for name, value in _overrides(arguments).items()}
        # A bundle's logging.conf is for MONAI's command line: it would remove the log handlers of this program.
        log, arguments = logging.getLogger("monai.bundle.workflows"), {"logging_file": False} | arguments
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            super().__init__(config_file, run_id=run_id, **(arguments | overrides))
        finally:
            log.setLevel(level)
        files = [str(file) for file in ensure_tuple(config_file)]
        configuration = Configuration(files, overrides, run_id)
        for identifier, value in _brought(configuration).items():
            self.parser[identifier] = value
        self.parser["configuration"] = configuration


def command_line_configuration() -> Configuration:
    """The configuration of ``python -m monai.bundle run ...``; an unknown one in any other program.

    If weights bring settings, the workflow that has them runs here, and the program ends with it: what MONAI's command
    line made of the config does not have them.
    """
    words = monai_words()
    if words is None:
        return Configuration()
    arguments = workflow_arguments(words)
    configuration = configuration_of(arguments)
    if _brought(configuration):
        workflow = RadiographWorkflow(**arguments)
        workflow.initialize()
        workflow.run()
        workflow.finalize()
        raise SystemExit
    return configuration


def _weights_of_run(checkpoint: object) -> dict[str, object]:
    """The setting ``checkpoint`` with the local file of weights that were named by their run in MLflow."""
    if not isinstance(checkpoint, str) or not can_be_run(checkpoint):
        return {}
    from app.tracking import TrackingError, weights_of

    try:
        return {"checkpoint": str(weights_of(checkpoint))}
    except TrackingError as error:
        raise CheckError(f"checkpoint: there is no file {checkpoint!r}, nor a run of this name: {error}") from error


def _brought(configuration: Configuration) -> dict[str, object]:
    """What weights bring; nothing if the config cannot be read, which its check reports."""
    try:
        return configuration.brought
    except CheckError:
        return {}


def monai_words() -> list[str] | None:
    """What stands on the command line after ``python -m monai.bundle``; None in any other program."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    return sys.argv[1:] if started is not None and started.name == "monai.bundle.__main__" else None


def configuration_of(arguments: Mapping[str, Any]) -> Configuration:
    """The configuration of a workflow with these arguments."""
    files = [str(file) for file in ensure_tuple(arguments.get("config_file") or ())]
    return Configuration(files, _overrides(arguments), str(arguments.get("run_id", "run")))


def workflow_arguments(words: Sequence[str]) -> dict[str, Any]:
    """The arguments of the workflow that a command line of MONAI makes, read by the library that MONAI reads it with.

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
    return update_kwargs(given.pop("args_file", None), **given)


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
    return {key: value for key, value in config.items() if is_plain(value) and key not in ENTRIES}
