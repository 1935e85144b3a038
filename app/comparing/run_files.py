"""The files and settings of a finished run: an output folder, a file of predictions, or a run in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.files.own_json import read_record
from app.tracking import StoredRun, TrackingError, run_of_folder, stored_run

PREDICTIONS = "predictions.csv"
CASES = "cases.csv"
LESIONS = "lesions.csv"
METRICS = "metrics.json"


@dataclass(frozen=True)
class RunFiles:
    """What one run left behind.

    Attributes:
        word: The word on the command line that names it.
        name: Name of the run if it is known, else of the folder or file.
        predictions: The file of predictions.
        folder: The output folder; None for a file alone and for a run in MLflow.
        run: The run in MLflow, if it is known and was looked up.
        problem: Why the run that the folder names could not be looked up, or empty.
    """

    word: str
    name: str
    predictions: Path
    folder: Path | None = None
    run: StoredRun | None = None
    problem: str = ""

    def file(self, name: str) -> Path | None:
        """A file of the run, such as ``metrics.json`` or ``pictures/curves.png``, if there is one."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        if self.run is None or name not in self.run.artifacts(name.rpartition("/")[0]):
            return None
        return self.run.artifact(name)

    def pictures(self) -> dict[str, Path]:
        """The run's pictures by file name."""
        if self.folder is not None:
            return {path.name: path for path in sorted((self.folder / "pictures").glob("*.png"))}
        if self.run is None:
            return {}
        names = [name for name in self.run.artifacts("pictures") if name.endswith(".png")]
        return {Path(name).name: self.run.artifact(name) for name in names}

    def results(self) -> dict[str, Any]:
        """What ``metrics.json`` says; empty if there is none.

        Raises:
            ValueError: It is damaged.
        """
        path = self.file(METRICS)
        return {} if path is None else read_record(path, "the results of a run", "Evaluate the run again.")

    def settings(self) -> dict[str, str]:
        """The run's parameters; if no run is known, the plain settings in the folder's ``config.yaml``.

        Raises:
            ValueError: ``config.yaml`` cannot be read as YAML.
        """
        if self.run is not None:
            return dict(self.run.parameters)
        config = self.file("config.yaml")
        return {} if config is None else plain_settings(config)


def open_run_files(word: str, look_up: bool = True) -> RunFiles:
    """Find the run that a word names.

    Args:
        word: An output folder, a file of predictions, or a run in MLflow: its id, its name, or a registered model that
            it made (``models:/NAME@champion``). A file named ``predictions.csv`` stands for its folder.
        look_up: Whether to look up in MLflow the run that a folder names. A word that is neither file nor folder is
            always looked up.

    Raises:
        FileNotFoundError: The folder holds no predictions, or there is no such file.
        ValueError: There is no such run, or it has no predictions.
    """
    path = Path(word)
    if path.is_file() and path.name != PREDICTIONS:
        return RunFiles(word, path.stem, path)
    if path.exists():
        return _of_folder(word, path if path.is_dir() else path.parent, look_up)
    if not word.startswith("models:/") and (len(path.parts) > 1 or path.suffix in (".csv", ".json")):
        raise FileNotFoundError(f"{word}: no such file or folder")
    try:
        run = stored_run(word)
        return RunFiles(word, run.name, run.artifact(PREDICTIONS), run=run)
    except TrackingError as error:
        raise ValueError(
            f"{word}: neither a file nor a folder, and as a run in MLflow: {error} (MLFLOW_TRACKING_URI names the "
            "store; without it, the store is mlflow.db in the working directory)"
        ) from error


def plain_settings(config: Path) -> dict[str, str]:
    """The top-level settings of a config that are numbers, text, booleans or lists of them; no expressions."""
    from app.checking.documents import read_document
    from app.checking.ids import is_plain

    values = read_document(config)
    if not isinstance(values, dict):
        raise ValueError(f"{config} holds {type(values).__name__}, but a config is a mapping")
    return {str(key): str(value) for key, value in values.items() if key != "imports" and is_plain(value)}


def _of_folder(word: str, folder: Path, look_up: bool) -> RunFiles:
    predictions = folder / PREDICTIONS
    if not predictions.is_file():
        raise FileNotFoundError(f"{folder}: no {PREDICTIONS} in this folder; evaluate the run first")
    run, problem = None, ""
    if look_up:
        try:
            run = run_of_folder(folder)
        except TrackingError as error:
            problem = str(error)
    name = run.name if run else folder.absolute().name
    return RunFiles(word, name, predictions, folder, run, problem)
