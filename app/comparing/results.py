"""What a word on the command line stands for: a run in MLflow, an output folder, or a file of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.tracking import StoredRun, TrackingError, run_of_folder, stored_run

PREDICTIONS = "predictions.csv"
CASES = "cases.csv"


@dataclass(frozen=True)
class Result:
    """What one run left behind.

    Attributes:
        word: as it was asked for.
        name: of the run where one is known, else of the folder or file.
        predictions: the file of predictions.
        folder: the output folder, or None for a file alone and for a run in MLflow.
        run: the run in MLflow, where it is known and was looked up.
        problem: why a run that the folder names could not be looked up; else empty.
    """

    word: str
    name: str
    predictions: Path
    folder: Path | None = None
    run: StoredRun | None = None
    problem: str = ""

    def file(self, name: str) -> Path | None:
        """A file that the run left, such as ``metrics.json`` or ``pictures/curves.png``; None where there is none."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        if self.run is None or name not in self.run.artifacts(name.rpartition("/")[0]):
            return None
        return self.run.artifact(name)

    def pictures(self) -> dict[str, Path]:
        """File name to path of the pictures that the run left."""
        if self.folder is not None:
            return {path.name: path for path in sorted((self.folder / "pictures").glob("*.png"))}
        names = self.run.artifacts("pictures") if self.run else ()
        wanted = [name for name in names if name.endswith(".png")]
        return {Path(name).name: self.run.artifact(name) for name in wanted} if self.run else {}

    def settings(self) -> dict[str, str]:
        """The run's parameters, or where no run is known the plain settings in the folder's ``config.yaml``.

        Raises:
            ValueError: ``config.yaml`` cannot be read as YAML.
        """
        if self.run is not None:
            return dict(self.run.parameters)
        config = self.file("config.yaml")
        return {} if config is None else _plain_settings(config)


def open_result(word: str, look_up: bool = True) -> Result:
    """Find what a word stands for.

    Args:
        word: an output folder, a file of predictions, or the id or name of a run in MLflow. A file named
            ``predictions.csv`` stands for its folder.
        look_up: look up the run that a folder names, in MLflow. What is neither file nor folder always is.

    Raises:
        FileNotFoundError: the folder holds no predictions, or there is no such file.
        ValueError: there is no such run, or it has no predictions.
    """
    path = Path(word)
    if path.is_file() and path.name != PREDICTIONS:
        return Result(word, path.stem, path)
    if path.exists():
        return _of_folder(word, path if path.is_dir() else path.parent, look_up)
    if len(path.parts) > 1 or path.suffix in (".csv", ".json"):
        raise FileNotFoundError(f"{word}: no such file or folder")
    return _of_run(word)


def _of_folder(word: str, folder: Path, look_up: bool) -> Result:
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
    return Result(word, name, predictions, folder, run, problem)


def _of_run(word: str) -> Result:
    try:
        run = stored_run(word)
        return Result(word, run.name, run.artifact(PREDICTIONS), run=run)
    except TrackingError as error:
        raise ValueError(
            f"{word}: neither a file nor a folder, and as a run in MLflow: {error} (MLFLOW_TRACKING_URI names the "
            "store; without it, it is mlflow.db in the working directory)"
        ) from error


def _plain_settings(config: Path) -> dict[str, str]:
    """Top-level numbers, texts, switches and lists of them, leaving out what the config computes."""
    from app.checking.documents import read_document

    values = read_document(config)
    if not isinstance(values, dict):
        raise ValueError(f"{config} holds {type(values).__name__}, but a config is a mapping")
    return {str(key): str(value) for key, value in values.items() if key != "imports" and _is_plain(value)}


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - YAML
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return isinstance(value, int | float | bool) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))
