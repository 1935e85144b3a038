"""The files and folders that a workflow needs: present, readable, and with the content that it asks for."""

from __future__ import annotations

import os
from pathlib import Path

from app.checking.datalists import check_datalist
from app.checking.ids import followed, is_literal, references, value_at, walk
from app.checking.problems import Problems
from app.checking.values import path_problem
from app.files.folders import list_files
from app.installed import find_file

_WEIGHTS = ("checkpoint", "_checkpoint", "_weights")
_SUFFIXES = (".pt", ".pth", ".ckpt", ".ts")
_LONGEST_NAME = 255


def check_inputs(config: dict[str, object], run_id: str, reached: set[str], problems: Problems, files: bool) -> int:
    """Find missing files, and what the datalist lacks; return how many findings the data has (1 if unknown).

    Args:
        config: merged.
        run_id: the workflow.
        reached: ids that the workflow evaluates; files of other ids may be missing.
        problems: to add to.
        files: whether to look at every file that the datalist names.
    """
    for identifier in sorted(reached):
        value = value_at(config, identifier)
        key = identifier.rpartition("#")[2]
        if not isinstance(value, str) or not is_literal(value):
            continue
        if key.endswith((*_WEIGHTS, "start_from", "_dir", "datalist")) and not _can_be_a_path(value):
            problems.add(identifier, f"no file system allows the name {value[:100]!r}.", "file")
            return 1
        if identifier.split("#")[0] == "checkpoint" and can_be_run(value):
            problems.facts.append(f"{identifier} {value!r} is no file: taken for a run in MLflow, which was not asked")
        elif key.endswith(_WEIGHTS):
            _check_weights(identifier, value, problems)
        elif key == "start_from":
            _check_start(identifier, value, problems)
        elif key == "output_dir":
            _check_output(identifier, Path(value), problems)
    _check_named_weights(config, run_id, reached, problems)
    if any("folder_samples(" in str(value_at(config, identifier)) for identifier in reached):
        _check_folder(config, problems)
    if "datalist" in reached:
        return check_datalist(config, reached, problems, files)
    names = config.get("findings")
    return len(names) if isinstance(names, list) else 1


def can_be_run(value: str) -> bool:
    """Whether a text that should name weights can be the name or id of a run in MLflow, or a registered model.

    Example:
        >>> can_be_run("bright-owl-7"), can_be_run("models:/nodules@champion"), can_be_run("runs/x/model.pt")
        (True, True, False)
    """
    return value.startswith("models:/") or not (os.sep in value or value.endswith(_SUFFIXES) or Path(value).exists())


def _can_be_a_path(value: str) -> bool:
    lengths = (len(part.encode(errors="surrogatepass")) for part in Path(value).parts)
    return "\0" not in value and max(lengths, default=0) <= _LONGEST_NAME


def _check_weights(identifier: str, value: str, problems: Problems) -> None:
    path = find_file(value)
    if (path / "model.pt").is_file():
        problems.add(
            identifier, f"{value} is a folder. Name the weights in it: --{identifier} {path / 'model.pt'}", "file"
        )
    elif not path.is_file():
        problems.add(identifier, f"{value}: no such checkpoint.", "file")
    elif not path.stat().st_size:
        problems.add(identifier, f"{value}: this checkpoint is empty.", "file")
    else:
        problems.facts.append(f"weights {value} exist (not opened)")


def _check_start(identifier: str, value: str, problems: Problems) -> None:
    """A file must exist; a name may be that of a run, which only its store knows."""
    if find_file(value).is_file():
        return
    if not can_be_run(value):
        problems.add(identifier, f"there is no file {value!r}, and no run can have this name.", "file")
    else:
        problems.facts.append(f"{identifier} {value!r} is no file: taken for a run in MLflow, which was not asked")


def _check_named_weights(config: dict[str, object], run_id: str, reached: set[str], problems: Problems) -> None:
    """Weights that the workflow itself is called with must be given."""
    for identifier, value in [(run_id, config.get(run_id)), *walk(config.get(run_id), run_id)]:
        for name in references(value, identifier):
            if name in reached and name in config and config[name] is None and name.endswith(_WEIGHTS):
                purpose = "evaluate" if run_id == "evaluating" else "use"
                problems.add(name, f"name the weights to {purpose}: --{name} FILE.", "file")


def _check_output(identifier: str, folder: Path, problems: Problems) -> None:
    """The folder, or the nearest one above it that exists, must be a folder that can be written to."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir():
        problems.add(identifier, f"{folder}: {existing} is a file, not a folder for results.")
    elif not os.access(existing, os.W_OK | os.X_OK):
        problems.add(identifier, f"{folder}: {existing} cannot be written to. Name another: --{identifier} DIR.")


def _check_folder(config: dict[str, object], problems: Problems) -> None:
    _, value = followed(config, "dataset_dir") if "dataset_dir" in config else ("", None)
    if not isinstance(value, str) or not is_literal(value) or path_problem(value):
        return
    folder = Path(value)
    if not folder.is_dir():
        problems.add("dataset_dir", f"{value}: no such folder of radiographs. Name one: --dataset_dir DIR.")
    elif not list_files(folder).names:
        problems.add("dataset_dir", f"{value}: no file in this folder.")
    else:
        problems.facts.append(f"folder {value} holds files (not opened)")
