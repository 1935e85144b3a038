"""A trained network in MLflow's own form (``mlflow.pyfunc``), which `app.engines.scoring` loads and scores with."""

from __future__ import annotations

import hashlib
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import nn

import app
from app.checking.ids import reachable
from app.checking.model_records import record_path
from app.checking.weights import PARTS
from app.engines.configuration import Configuration, as_yaml
from app.engines.scoring import CONFIG, IMAGE, WEIGHTS, output_columns
from app.files.atomic import write_whole
from app.installed import find_file
from app.phantoms.plan import Plan
from app.phantoms.render import render

FOLDER = "mlflow_model"
"""Folder within the output folder for what MLflow needs beside the weights."""
REQUIREMENTS = ("torch", "monai", "numpy")
EXAMPLE_SIZE = 128


@dataclass(frozen=True)
class ModelPackage:
    """A model that is ready to be logged.

    Attributes:
        folder: With ``MLmodel`` at its top.
        files: Further files of the model, which are not copied into the folder, by their name within the model.
        digest: 16 hexadecimal digits that tell these weights from others.
    """

    folder: Path
    files: Mapping[str, Path]
    digest: str


def package(
    checkpoint: Path, network: nn.Module, findings: tuple[str, ...], configuration: Configuration
) -> ModelPackage:
    """Write what MLflow needs beside a checkpoint into a folder next to it.

    The input is a table with a column ``image``, the bytes of files. `app.engines.scoring.Scorer.predict` says what the
    output is. Nothing is downloaded, and no requirement is looked up.

    Args:
        checkpoint: Weights, with their record beside them.
        network: Which they belong to.
        findings: Names, in the network's order.
        configuration: Of the training; its files must be known.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*AnyType")  # MLflow warns of its own type hints when imported
        from mlflow.pyfunc import save_model

    folder = checkpoint.parent / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    config, files = scoring_config(configuration.config, findings)
    save_model(
        folder,
        loader_module="app.engines.scoring",
        signature=_signature(network, findings),
        input_example=pd.DataFrame({IMAGE: [_example()]}),
        pip_requirements=[f"frugal-cxr=={app.__version__}", *(f"{name}=={_public(name)}" for name in REQUIREMENTS)],
    )
    write_whole(folder / CONFIG, as_yaml(config))
    record = record_path(checkpoint)
    files |= {WEIGHTS: checkpoint, record.name: record}
    return ModelPackage(folder, files, hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16])


def scoring_config(config: Mapping[str, Any], findings: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Path]]:
    """The part of a config that makes the network and the preparation, and the files that the preparation needs.

    Returns:
        The config, in which such a setting is the name of a file beside it, and the files by that name. Weights that
        the network started from are left out, as the checkpoint has them all.
    """
    config = {**config, "data": None}
    needed = {name.partition("#")[0] for name in reachable(config, [*PARTS, "imports", "precision"])}
    chosen = {name: config[name] for name in config if name in needed}
    files: dict[str, Path] = {}
    for part in PARTS:
        for name in re.findall(r"@(\w+)", str(config[part])):
            path = find_file(config[name]) if isinstance(config.get(name), str) else None
            if path is None or not path.is_file():
                continue
            chosen[name] = None if part == "network_def" else f"{name}{path.suffix}"
            if part == "preprocessing":
                # A record beside weights says how they are used.
                both = [path, *([record_path(path)] if record_path(path).is_file() else [])]
                files |= {f"{name}{each.suffix}": each for each in both}
    return chosen | {"findings": list(findings)}, files


def _signature(network: nn.Module, findings: tuple[str, ...]) -> Any:  # noqa: ANN401 - mlflow's, imported late
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = output_columns(network, findings)
    kinds = {} if columns == list(findings) else {"mask": DataType.binary}
    outputs = [ColSpec(kinds.get(name.rpartition(" ")[2], DataType.double), name) for name in columns]
    return ModelSignature(inputs=Schema([ColSpec(DataType.binary, IMAGE)]), outputs=Schema(outputs))


def _example() -> bytes:
    """A small synthetic radiograph as a PNG file."""
    plan = Plan(0, 1, 1, 1, "test", "PA", "F", 50, frozenset(), electrodes=False)
    pixels = np.rint(render(plan, EXAMPLE_SIZE).image * 255).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def _public(name: str) -> str:
    """The version of a package as a registry knows it: without a local part such as ``+cpu``."""
    return version(name).partition("+")[0]
