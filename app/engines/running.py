"""The bundle workflow that is running: its config as resolved from files and overrides."""

from __future__ import annotations

import inspect
import logging
import re
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.scripts import create_workflow
from monai.utils import ensure_tuple

from app.checking import MergedConfig, check, load, require_good
from app.checking.structure import ENTRIES

logger = logging.getLogger(__name__)

# Arguments of MONAI's `run` and `create_workflow` that are no overrides.
_OF_WORKFLOW = (
    *("init_id", "run_id", "final_id", "meta_file", "logging_file", "tracking", "workflow_type", "properties_path"),
    *("workflow_name", "config_file", "args_file"),
)


def running_parser() -> ConfigParser | None:
    """The parser of the bundle workflow that (however deep) called this function; None outside of one."""
    workflow = _running_workflow()
    return None if workflow is None else workflow.parser


def _running_workflow() -> ConfigWorkflow | None:
    """The workflow that (however deep) called this function.

    MONAI hands components of a config no reference to the config, so the call stack is asked.
    """
    frame = inspect.currentframe()
    while frame is not None:
        workflow = frame.f_locals.get("self")
        if isinstance(workflow, ConfigWorkflow):
            return workflow
        frame = frame.f_back
    return None


def running_config() -> dict[str, Any]:
    """The config of the bundle workflow that called this function, without meta data; empty outside of one."""
    parser = running_parser()
    return {} if parser is None else {key: value for key, value in parser.get().items() if key != "_meta_"}


def require_checked() -> None:
    """Refuse what cannot work, all of it at once, as ``frugal check`` does; outside of a workflow nothing is checked.

    Raises:
        CheckError: lists every problem.
    """
    workflow = _running_workflow()
    if workflow is None:
        return
    files, overrides = _given()
    if files:
        # What the user typed alone counts: files cannot ask for trust.
        loaded = load(files, overrides, trust=overrides.get("trust") is True)
        # MONAI has merged and patched it: that is what runs.
        loaded.config = {key: value for key, value in workflow.parser.get().items() if key != "_meta_"}
    else:
        loaded = MergedConfig(config=running_config())
    report = check(loaded, workflow.run_id)
    for warning in report.warnings:
        logger.warning(str(warning))
    require_good(report)


def _given() -> tuple[list[str], dict[str, Any]]:
    """Config files and overrides that the running workflow was made with; none where the stack does not tell."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is create_workflow.__code__:
            files = frame.f_locals["config_file"]
            given = dict(frame.f_locals["_args"])
            overrides = {key: value for key, value in given.items() if key not in _OF_WORKFLOW}
            return [str(file) for file in ensure_tuple(files)] if files else [], overrides
        frame = frame.f_back
    return [], {}


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Top-level values that are plain settings (numbers, text, switches, lists of them), for the run's parameters."""
    return {key: value for key, value in config.items() if _is_plain(value) and key not in ENTRIES}


def settings_of(config: dict[str, Any], parts: tuple[str, ...] = ("network_def", "preprocessing")) -> dict[str, Any]:
    """Settings that some parts of a config refer to, other than names and files: what weights were trained for."""
    text = " ".join(str(config.get(part, "")) for part in parts)
    named = set(re.findall(r"@(\w+)", text))
    return {key: value for key, value in settings(config).items() if key in named and not _is_text(value)}


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(each, str) for each in value))


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return isinstance(value, (int, float, bool)) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))
