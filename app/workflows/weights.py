"""The weights that a command is given: the file, the bundle that trained them, and where their data lie."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.checking.documents import read_document
from app.checking.files import load
from app.files.own_json import read_record
from app.installed import CONFIGS, TRAIN, bundle_names, bundles_folder, find_bundle

CONFIG = "config.yaml"
"""The merged config that a run leaves beside its weights."""
_MODEL = "model.pt"
_PLACES = ("datalist", "dataset_dir", "phantoms", "prepared_dir")
_CODE = re.compile(r"[$@%]|_target_")
_REMEDY = "Name the bundle: --bundle BUNDLE."


@dataclass(frozen=True)
class Weights:
    """Weights that a bundle has trained.

    Attributes:
        path: The checkpoint; ``model.json`` lies beside it.
        bundle: The folder of the bundle.
        name: Path to which the names of result folders are added.
        places: Settings of the training that say where its data lie; empty if they are not known.
    """

    path: Path
    bundle: Path
    name: Path
    places: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_shipped(self) -> bool:
        """Whether they belong to a bundle, whose default data they were trained on."""
        return self.path.parent.parent.resolve() == self.bundle.resolve()


def find_weights(given: str, bundle: str | None = None) -> Weights:
    """Find the weights that a word of the command line names, and their bundle.

    Args:
        given: The output folder of a training, a checkpoint, a bundle (for the weights that it comes with), or an
            MLflow run by id or name.
        bundle: Name or folder of the bundle; None if the weights' record or folder tells.

    Raises:
        FileNotFoundError: There are no such weights, or no such bundle.
        ValueError: Nothing tells which bundle trained them.
    """
    path, name = _checkpoint(given)
    config = _config(path.with_name(CONFIG))
    # Nothing that is read from beside the weights may be evaluated.
    places = {key: config[key] for key in _PLACES if config.get(key) and not _CODE.search(str(config[key]))}
    return Weights(path, find_bundle(bundle or _bundle(path, config)), name, places)


def evaluation(given: str, options: Mapping[str, object]) -> tuple[Path, dict[str, object]]:
    """The config and the overrides that evaluate some weights, by default on the data that they were trained with.

    Args:
        given: See `find_weights`.
        options: What the user set; ``bundle`` is for `find_weights`.

    Raises:
        FileNotFoundError: See `find_weights`.
        ValueError: Likewise; or nothing tells where the data lie, or the results would replace those of a training.
    """
    weights, overrides = _with_weights(given, options)
    file = weights.bundle / CONFIGS / f"{TRAIN}.yaml"
    defaults = load([file], trust=True).config
    if "datalist" not in options and not weights.places and not weights.is_shipped:
        raise ValueError(f"nothing beside {weights.path} tells which data to evaluate on: --datalist FILE.")
    overrides = {key: value for key, value in weights.places.items() if defaults.get(key) != value} | overrides
    section = options.get("section", defaults.get("section"))
    is_other = "datalist" in options and options["datalist"] != weights.places.get("datalist")
    data = f"_{Path(str(options['datalist'])).stem}" if is_other else ""
    overrides.setdefault("output_dir", str(weights.name.with_name(f"{weights.name.name}{data}_{section}")))
    if (Path(str(overrides["output_dir"])) / _MODEL).exists():
        raise ValueError(f"{overrides['output_dir']} holds a training; give another folder: --output_dir DIR.")
    return file, overrides


def prediction(given: str, images: str, options: Mapping[str, object]) -> tuple[Path, dict[str, object]]:
    """The config and the overrides that score the radiographs of a folder or of a datalist.

    Args:
        given: See `find_weights`.
        images: The folder, or the datalist's file.
        options: What the user set; ``bundle`` is for `find_weights`.

    Raises:
        FileNotFoundError: See `find_weights`.
        ValueError: Likewise.
    """
    weights, overrides = _with_weights(given, options)
    if "prepared_dir" in weights.places:
        overrides.setdefault("prepared_dir", weights.places["prepared_dir"])
    path = Path(images)
    name = f"{weights.name.name}_{path.stem if path.is_file() else path.resolve().name}"
    overrides.setdefault("output_dir", str(weights.name.with_name(name)))
    if path.is_file():
        samples = f"$engines.datalist_samples(@dataset_dir, {path.name!r}, @findings, @any_view)"
        overrides = {"inference#samples": samples} | overrides | {"dataset_dir": str(path.parent)}
    else:
        overrides["dataset_dir"] = images
    return weights.bundle / CONFIGS / "inference.yaml", overrides


def _with_weights(given: str, options: Mapping[str, object]) -> tuple[Weights, dict[str, object]]:
    """The weights, and the user's settings with their path."""
    if "checkpoint" in options:
        raise ValueError("--checkpoint: the weights are the first word of this command.")
    bundle = options.get("bundle")
    weights = find_weights(given, None if bundle is None else str(bundle))
    return weights, {key: value for key, value in options.items() if key != "bundle"} | {
        "checkpoint": str(weights.path)
    }


def _checkpoint(given: str) -> tuple[Path, Path]:
    """The checkpoint, and what results are named after."""
    path = Path(given)
    if path.is_file():
        return path, _named(path.absolute().parent if path.parent == Path() else path.parent)
    if (path / _MODEL).is_file():
        return path / _MODEL, _named(path)
    if given in bundle_names() or (path / "models" / _MODEL).is_file():
        folder = find_bundle(given)
        return folder / "models" / _MODEL, Path("runs") / f"{folder.resolve().name}_weights"
    if path.is_dir():
        raise FileNotFoundError(f"{given}: no {_MODEL} in this folder. Is its training finished?")
    is_registered = given.startswith("models:/")
    if (os.sep in given and not is_registered) or path.suffix == ".pt":
        raise FileNotFoundError(f"{given}: no such run folder or weights.")
    from app.tracking import TrackingError, weights_of

    try:
        return weights_of(given), Path("runs") / re.sub(r"[^\w.-]+", "_", given)
    except TrackingError as error:
        text = f"{given}: neither a run's folder nor weights nor a bundle, and as a run in MLflow: {error}"
        raise TrackingError(text) from error


def _named(folder: Path) -> Path:
    return folder if folder.name not in ("", "..") else folder.resolve()


def _config(path: Path) -> Mapping[str, Any]:
    """The config that a training left; empty if there is none."""
    content = read_document(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _bundle(path: Path, config: Mapping[str, Any]) -> str:
    """The bundle that trained some weights, as their config, their folder or their records tell."""
    root = config.get("bundle_root")
    if isinstance(root, str) and not _CODE.search(root):
        return root
    if path.parent.name == "models" and (path.parents[1] / CONFIGS).is_dir():
        return str(path.parents[1])
    for record, key in ((path.with_suffix(".json"), "bundle"), (path.with_name("run.json"), "experiment")):
        name = read_record(record, "a record of a training", _REMEDY).get(key) if record.is_file() else None
        if isinstance(name, str) and name in bundle_names():
            return str(bundles_folder() / name)
    raise ValueError(f"{path}: nothing beside these weights tells which bundle trained them. {_REMEDY}")
