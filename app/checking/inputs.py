"""The files and folders that a workflow needs: there, readable, and holding what it asks of them."""

from __future__ import annotations

import os
from pathlib import Path

from app.checking.datalists import check_datalist
from app.checking.ids import followed, is_literal, references, value_at, walk
from app.checking.kinds import can_be_a_path
from app.checking.problem import Findings
from app.checking.values import path_problem
from app.files.folders import list_files

_WEIGHTS = ("checkpoint", "_checkpoint", "_weights")
_SUFFIXES = (".pt", ".pth", ".ckpt", ".ts")


def check_inputs(config: dict[str, object], run_id: str, reached: set[str], findings: Findings, files: bool) -> int:
    """Find missing files, and what the datalist lacks.

    Args:
        config: merged.
        run_id: the workflow.
        reached: ids that the workflow evaluates; what it does not evaluate need not be there.
        findings: to add to.
        files: whether to look at every file that the datalist names.

    Returns:
        How many findings (names) the data has, as far as that can be told; 1 where it cannot.
    """
    for identifier in sorted(reached):
        key = identifier.rpartition("#")[2]
        _, value = followed(config, identifier)
        if not is_literal(value) or identifier != followed(config, identifier)[0]:
            continue
        if key.endswith((*_WEIGHTS, "start_from", "_dir", "datalist")) and not can_be_a_path(value):
            findings.add(identifier, f"{str(value)[:100]!r} holds a name that no file system takes.", "file")
            return 1
        if key.endswith(_WEIGHTS) and isinstance(value, str):
            _check_weights(identifier, value, findings)
        elif key == "start_from" and isinstance(value, str):
            _check_start(identifier, value, findings)
        elif key == "output_dir" and isinstance(value, str):
            _check_output(identifier, Path(value), findings)
    _check_named_weights(config, run_id, reached, findings)
    if _text_has(config, reached, "folder_samples("):
        _check_folder(config, findings)
    if "datalist" in reached:
        return check_datalist(config, reached, findings, files)
    names = config.get("findings")
    return len(names) if isinstance(names, list) else 1


def _check_weights(identifier: str, value: str, findings: Findings) -> None:
    path = Path(value)
    if not path.is_file():
        findings.add(identifier, f"{value}: no such checkpoint.", "file")
    elif not path.stat().st_size:
        findings.add(identifier, f"{value}: this checkpoint is empty.", "file")
    else:
        findings.facts.append(f"weights {value} are there (not opened)")


def _check_start(identifier: str, value: str, findings: Findings) -> None:
    """A file must be there; a name may be that of a run, which only its store knows."""
    if Path(value).is_file():
        return
    if os.sep in value or value.endswith(_SUFFIXES):
        findings.add(identifier, f"there is no file {value!r}, nor a run that could have this name.", "file")
    else:
        findings.facts.append(f"{identifier} {value!r} is no file: taken for a run in MLflow, which was not asked")


def _check_named_weights(config: dict[str, object], run_id: str, reached: set[str], findings: Findings) -> None:
    """Weights that the workflow itself is called with must be named."""
    for identifier, value in [(run_id, config.get(run_id)), *walk(config.get(run_id), run_id)]:
        for name in references(value, identifier):
            is_null = name in config and config[name] is None
            if name in reached and is_null and name.endswith(_WEIGHTS):
                purpose = "evaluate" if run_id == "evaluating" else "use"
                findings.add(name, f"name the weights to {purpose}: --{name} FILE.", "file")


def _check_output(identifier: str, folder: Path, findings: Findings) -> None:
    """The folder, or the nearest one above it that exists, must be one that can be written; nothing is made."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir():
        findings.add(identifier, f"{folder}: {existing} is a file, not a folder for results.")
    elif not os.access(existing, os.W_OK | os.X_OK):
        findings.add(identifier, f"{folder}: {existing} cannot be written. Name another folder: --{identifier} DIR.")


def _check_folder(config: dict[str, object], findings: Findings) -> None:
    _, value = followed(config, "dataset_dir") if "dataset_dir" in config else ("", None)
    if not isinstance(value, str) or not is_literal(value) or path_problem(value):
        return
    folder = Path(value)
    if not folder.is_dir():
        findings.add("dataset_dir", f"{value}: no such folder of radiographs. Name one: --dataset_dir DIR.")
    elif not list_files(folder).files:
        findings.add("dataset_dir", f"{value}: no file in this folder.")
    else:
        findings.facts.append(f"folder {value} holds files (not opened)")


def _text_has(config: dict[str, object], reached: set[str], text: str) -> bool:
    return any(text in value for each in reached if isinstance(value := value_at(config, each), str))
