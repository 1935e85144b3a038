"""What tells a run from the others in MLflow: its name, its parameters and its description."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.checking.files import load
from app.checking.ids import normal
from app.checking.structure import OF_LAUNCH
from app.engines.configuration import Configuration, settings
from app.engines.measures import Metrics
from app.engines.results import defined, without_repeats

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a run's description."""
LONGEST = 100
"""Characters of a run's name."""
MOST_PARAMETERS = 32
"""The table of runs becomes hard to read, and slow, with more."""
SHORT = {"learning_rate": "lr", "max_epochs": "epochs"}
FILES = frozenset(("output_dir", "datalist", "prepared_dir", "dataset_dir", "lung_weights"))
"""Settings that name files or folders, which say where a run took place, not what it did."""
MACHINE = frozenset(("resume", "save_maps", "pictures", "workers", "compile", "device", "trust"))
"""Settings that do not change a result."""
MOST_FINDINGS = 10
HEADLINES = {"auc": "AUC", "dice": "Dice"}
"""Measures in the description, by their name in ``metrics.json``."""


def run_name(configuration: Configuration, output_dir: Path) -> str:
    """The name of a run: the setting ``run_name`` or the last part of ``output_dir``, then what the user changed.

    Example:
        >>> files = ["bundles/lung_segmentation/configs/train.yaml"]
        >>> run_name(Configuration(files, {"seed": 1, "learning_rate": 0.001, "max_epochs": 150}), Path("runs/lungs"))
        'lungs seed=1 lr=0.001'
    """
    start = str(configuration.config.get("run_name") or output_dir.absolute().name)
    parts = [" ".join(start.split()), *changes(configuration)]
    name, left = parts[0][:LONGEST], parts[1:]
    while left and len(f"{name} {left[0]}") <= LONGEST - len(" +99"):
        name += f" {left.pop(0)}"
    return f"{name} +{len(left)}" if left else name


def changes(configuration: Configuration) -> list[str]:
    """Config files beside the first, and settings that differ from those of the files, each in a word."""
    if not configuration.files:
        return []
    defaults = load(configuration.files, trust=True).config
    words = [Path(file).stem for file in configuration.files[1:]]
    for name, value in configuration.overrides.items():
        # MONAI takes a null override as none.
        if name in FILES | MACHINE | {*OF_LAUNCH, "checkpoint"} or value is None or defaults.get(name) == value:
            continue
        last = normal(name).rpartition("#")[2]
        words.append(f"{SHORT.get(last, last)}={_short(value)}")
    return words


def parameters(config: Mapping[str, Any], data: str, findings: Sequence[str]) -> dict[str, object]:
    """The parameters that a run logs: its plain settings, and its data; at most ``MOST_PARAMETERS``.

    Settings that say where the files are, or that do not change a result, are in ``config.yaml`` alone, as are those
    beyond the limit.

    Example:
        >>> parameters({"seed": 0, "output_dir": "runs/a"}, "phantoms-0", ["Nodule", "Mass"])
        {'data': 'phantoms-0', 'findings': 'Nodule, Mass', 'seed': 0}
    """
    plain = {name: value for name, value in settings(config).items() if name not in FILES | MACHINE}
    chosen = {"data": data, "findings": ", ".join(findings), **plain}
    return dict(list(chosen.items())[:MOST_PARAMETERS])


def note(workflow: str, data: str, command: str, result: Metrics | None = None) -> str:
    """The description of a run in Markdown: the main result if there is one, and the command.

    Args:
        workflow: ``training`` or ``evaluating``.
        data: Name of the datalist.
        command: As typed.
        result: What ``metrics.json`` holds.
    """
    lines = [f"{workflow.capitalize()} on {data}."]
    if result is None:
        lines += ["", "No result yet."]
    else:
        lines += ["", f"| {result['section']} section | value | 95% interval |", "|---|---|---|", *_rows(result)]
        thresholds = result.get("thresholds", {})
        if "chosen_for" in thresholds:
            lines += ["", f"Thresholds of scores: {thresholds['chosen_for']}, on {thresholds['chosen_on']}."]
        if "warning" in thresholds:
            lines += ["", f"Warning: {thresholds['warning']}"]
    # One option a line: MLflow does not wrap code, and a long line would push its tables off the page.
    return "\n".join([*lines, "", "```sh", command.replace(" --", " \\\n    --"), "```", ""])


def _rows(result: Metrics) -> list[str]:
    rows = []
    for measure, title in HEADLINES.items():
        entries = list(defined(without_repeats(result.get(measure, {}))))
        if len(entries) > MOST_FINDINGS:
            entries = [(path, entry) for path, entry in entries if path == ("macro",)]
        for path, entry in entries:
            name = "mean over findings" if path == ("macro",) else " ".join(path).replace("|", "\\|")
            has_limits = not math.isnan(entry.get("lower", math.nan))
            limits = f"{entry['lower']:.3f} to {entry['upper']:.3f}" if has_limits else ""
            rows.append(f"| {title} {name} | {entry['value']:.3f} | {limits} |")
    return rows


def _short(value: object) -> str:
    """A value in a word: files by their name, weights in a folder of their own by that of the folder."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and ("/" in value or value.endswith(".pt")):
        path = Path(value)
        return path.parent.name if path.stem == "model" and path.parent.name else path.stem
    return "".join(str(value).split()).replace("'", "")
