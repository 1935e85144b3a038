"""The bundle workflow that is running: its config as resolved from files and overrides."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

# Ids that MONAI, the model zoo or a user call by name, and that no other part of a config need refer to.
_ENTRIES = {"imports", "initialize", "training", "evaluating", "run", "finalize", "bundle_root", "dataset_dir"}


def running_parser() -> ConfigParser | None:
    """The parser of the bundle workflow that (however deep) called this function; None outside of one.

    MONAI hands components of a config no reference to the config, so the call stack is asked.
    """
    frame = inspect.currentframe()
    while frame is not None:
        workflow = frame.f_locals.get("self")
        if isinstance(workflow, ConfigWorkflow):
            return workflow.parser
        frame = frame.f_back
    return None


def running_config() -> dict[str, Any]:
    """The config of the bundle workflow that called this function, without meta data; empty outside of one."""
    parser = running_parser()
    return {} if parser is None else {key: value for key, value in parser.get().items() if key != "_meta_"}


def require_used(config: dict[str, Any]) -> None:
    """Raise where a top-level key is used by nothing: a misspelt override would otherwise change nothing, silently.

    Raises:
        ValueError: names the key and the nearest one that is used.
    """
    text = str({key: value for key, value in config.items() if key != "_meta_"})
    used = {name.split("#")[0].split("::")[0] for name in re.findall(r"@(\w[\w#:]*)", text)} | _ENTRIES
    for key in config:
        if key not in used and not key.startswith("_"):
            near = difflib.get_close_matches(key, [name for name in config if name in used], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown setting {key!r}: nothing in the config uses it.{hint}")


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Top-level values that are plain settings (numbers, text, switches, lists of them), for the run's parameters."""
    return {key: value for key, value in config.items() if _is_plain(value) and key not in _ENTRIES}


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
