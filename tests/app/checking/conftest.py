"""A small config in the form of the bundles', for tests to change, and a datalist of empty pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from app.checking import trust

CONFIG: dict[str, Any] = {
    "imports": ["$import app.engines as engines", "$import app.networks.pooling as pooling"],
    "datalist": None,
    "output_dir": "out",
    "max_epochs": 30,
    "seed": 0,
    "image_size": 256,
    "batch_size": 16,
    "learning_rate": 0.001,
    "pixel_level": True,
    "checkpoint": None,
    "section": "test",
    "precision": "auto",
    "phantoms": {"count": 8, "seed": 0, "size": 512, "findings": ["Nodule"]},
    "device": "$engines.default_device()",
    "data": {
        "_target_": "app.phantoms.opened.open_data",
        "datalist": "@datalist",
        "phantoms": "@phantoms",
    },
    "launch": {
        "_target_": "app.engines.Launch",
        "bundle": "small",
        "data": "@data",
        "output_dir": "@output_dir",
        "seed": "@seed",
        "section": "@section",
    },
    "network": {
        "_target_": "app.networks.SEDenseNet",
        "findings": "$len(@data.findings)",
        "pooling": "$pooling.MaxPooling() if @pixel_level else pooling.AveragePooling()",
    },
    "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": "@learning_rate"},
    "train": {
        "dataset": {
            "_target_": "app.prepared.PreparedDataset",
            "samples": "$@data.samples('training')",
            "transform": {"_target_": "Compose", "transforms": [
                {"_target_": "transforms.CLAHEd", "keys": ["image"]},
                {"_target_": "transforms.ResizeRadiographd", "keys": ["image"], "size": "@image_size"},
            ]},
            "folder": "prepared",
        },
        "dataloader": {
            "_target_": "torch.utils.data.DataLoader",
            "dataset": "@train#dataset",
            "batch_size": "@batch_size",
        },
        "inferer": {"_target_": "app.engines.MixedPrecisionInferer", "precision": "@precision", "device": "@device"},
        "trainer": {
            "_target_": "SupervisedTrainer",
            "device": "@device",
            "max_epochs": "@max_epochs",
            "train_data_loader": "@train#dataloader",
            "network": "@network",
            "optimizer": "@optimizer",
            "loss_function": {"_target_": "app.losses.KnownLabelBCELoss"},
            "inferer": "@train#inferer",
            "decollate": False,
        },
    },
    "test": {"dataset": {"_target_": "app.prepared.PreparedDataset", "samples": "$@data.samples(@section)",
                         "transform": "@train#dataset#transform", "folder": "prepared"}},
    "initialize": ["$engines.begin(@output_dir, @seed)", "$@network"],
    "training": ["$@launch.train(@train#trainer, @test#dataset)"],
    "evaluating": ["$@launch.evaluate(@checkpoint, @test#dataset)"],
}  # fmt: skip


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trusted folder that is also the working directory, where runs would be recorded."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(trust.VARIABLE, str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture
def write(bundles: Path) -> Callable[..., Path]:
    """Write the small config with some ids changed (``...`` removes one), and return its path."""

    def to_file(changes: dict[str, Any] | None = None, name: str = "train.yaml") -> Path:
        config = json.loads(json.dumps(CONFIG))
        for identifier, value in (changes or {}).items():
            holder = config
            *parents, last = identifier.split("#")
            for key in parents:
                holder = holder[int(key) if isinstance(holder, list) else key]
            if value is ...:
                del holder[last]
            else:
                holder[int(last) if isinstance(holder, list) else last] = value
        (bundles / name).write_text(yaml.safe_dump(config, sort_keys=False))
        return Path(name)

    return to_file


@pytest.fixture
def datalist(bundles: Path) -> Callable[..., Path]:
    """Write a datalist with two patients per section, the first with a nodule, and return its path."""

    def to_file(**changes: Any) -> Path:
        content: dict[str, Any] = {"name": "small", "findings": ["Nodule"]}
        for section in ("training", "validation", "test"):
            content[section] = []
            for number in (0, 1):
                image = f"{section}{number}.png"
                cv2.imwrite(str(bundles / image), np.zeros((64, 64), np.uint8))
                content[section].append({"image": image, "patient": f"{section}{number}", "label": [1 - number]})
        (bundles / "list.json").write_text(json.dumps(content | changes))
        return Path("list.json")

    return to_file
