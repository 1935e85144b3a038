"""Records of runs as a launch leaves them."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.annotations.subset import with_views
from app.comparing.run_files import open_run_files
from app.datalist.item import Datalist, Item
from app.datalist.splitting import split
from app.phantoms.opened import OpenedData
from app.reporting.run_record import RunRecord, read_run

FINDINGS = ("Nodule", "Effusion")
UNREADABLE = 2
CONFIG = """\
imports:
- $import torch
seed: 3
max_epochs: 4
image_size: 64
start_from: null
blocks: [3, 6]
section: test
preprocessing:
  _target_: Compose
  transforms:
  - {_target_: transforms.LoadRadiographd, keys: [image]}
  - {_target_: transforms.ResizeRadiographd, keys: [image], size: '@image_size'}
network_def: {_target_: app.networks.SEDenseNet, blocks: '@blocks', findings: $len(@data.findings)}
optimizer: {_target_: torch.optim.Adam, params: $@network.parameters(), lr: 0.001}
train: {sampler: {_target_: app.datalist.sampling.BalancedSampler}}
"""


def made_datalist() -> Datalist:
    """60 patients with a frontal and a lateral image, of which the frontal ones stay; split by patient."""
    items = [
        Item(
            f"scan{n:03}.png",
            f"Mustermann{n // 2}",
            (float(n % 6 < 2), -1.0 if n % 10 == 0 else float(n % 8 < 4)),
            study=f"study{n}",
            view=("PA", "LATERAL")[n % 2],
            source="ward reader",
            attributes={"sex": "FM"[n % 4 // 2], "age": 30 + n, "operator": f"Person{n % 3}"},
        )
        for n in range(120)
    ]
    whole = Datalist.unsplit(
        "wards", FINDINGS, items, "Two wards.", {"rows of the table": 130, "left out: doubles": 10}
    )
    return split(with_views(whole, ["PA"], keep=True), (0.4, 0.1, 0.5), seed=1)


def write_run(folder: Path, made: Datalist) -> None:
    """What a training leaves, two files of whose test section could not be read."""
    items = made.sections["test"][UNREADABLE:]
    draw = np.random.default_rng(0)
    head = [
        "image",
        "patient",
        "finding",
        "label",
        "score",
        "logit",
        "study",
        "view",
        "source",
        "sex",
        "age",
        "operator",
    ]
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for item in items:
            about = [item.study, item.view, item.source, *item.attributes.values()]
            for finding, label in zip(FINDINGS, item.label, strict=True):
                logit = draw.normal() + 2 * label
                score = 1 / (1 + np.exp(-logit))
                writer.writerow([item.image, item.patient, finding, int(label), score, logit, *about])
    point = {"value": 0.5, "lower": 0.4, "upper": 0.6, "threshold": 0.5, "logit_threshold": 0.0}
    metrics = {
        "section": "test",
        "excluded": {"test": UNREADABLE, "training": 1},
        "thresholds": {"chosen_on": "the validation section of wards", "chosen_for": "Youden's point"},
        "auc": {"Nodule": {"value": 0.9, "lower": 0.8, "upper": 0.95}, "macro": {"value": 0.9, "findings": 1}},
        "sensitivity": dict.fromkeys(FINDINGS, point),
        "specificity": dict.fromkeys(FINDINGS, point),
        "brier": {"Nodule": {"value": 0.2}},
        "warnings": ["Look out."],
    }
    data = OpenedData(made, folder / "wards.json")
    facts = data.facts() | {"workflow": "training"} | data.description()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "data.json").write_text(json.dumps(facts, default=str))
    (folder / "model.json").write_text(json.dumps({"bundle": "wards", "validation": {"auc": 0.875, "epoch": 3}}))
    (folder / "config.yaml").write_text(CONFIG)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a training; not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, made_datalist())
    return folder


@pytest.fixture(scope="session")
def record(run_folder: Path) -> RunRecord:
    """The record of a training."""
    return read_run(open_run_files(str(run_folder)))


@pytest.fixture
def without(record: RunRecord) -> Callable[..., RunRecord]:
    """The record without some of its parts."""
    return lambda *parts: replace(record, **{part: {} for part in parts})
