"""The record beside weights, ``model.json``: where it is, and the findings and settings that it holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from app.files.own_json import read_record
from app.installed import find_file

RECORD = "a record of a model's settings and thresholds"
REMEDY = "Copy it again from where the weights come from, or train again; without the file, thresholds of 0.5 are used."

_ID = re.compile(r"\w+(#\w+)*", re.ASCII)


def record_path(checkpoint: str | Path) -> Path:
    """The record beside a checkpoint.

    Example:
        >>> record_path("runs/x/model.pt").as_posix()
        'runs/x/model.json'
    """
    return find_file(checkpoint).with_suffix(".json")


def recorded_settings(checkpoint: str | Path) -> dict[str, Any]:
    """The settings in the record beside a checkpoint, by id; none if there is no record.

    Raises:
        ValueError: The record is damaged.

    Example:
        >>> recorded_settings("bundles/lung_segmentation/models/model.pt")
        {'image_size': 256}
    """
    path = record_path(checkpoint)
    settings: dict[str, Any] = read_model_record(path)["settings"] if path.is_file() else {}
    return settings


def read_model_record(path: Path) -> dict[str, Any]:
    """Read a record whose findings and settings are what they should be.

    Raises:
        FileNotFoundError: There is no record.
        ValueError: It is damaged, or no such record.
    """
    record = read_record(path, RECORD, REMEDY)
    findings, settings = record.get("findings"), record.get("settings")
    if not isinstance(findings, list) or not all(isinstance(each, str) for each in findings):
        raise ValueError(f"{path}: not {RECORD} (findings {findings!r}). {REMEDY}")
    if not isinstance(settings, dict) or not all(_ID.fullmatch(each) for each in settings):
        raise ValueError(f"{path}: not {RECORD} (settings {settings!r}). {REMEDY}")
    return record
