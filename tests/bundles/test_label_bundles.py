"""Uncertain labels and tubes: frozen, self-trained and multi-task trainings, checkpoints together, other label sets."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import create_workflow

from app.datalist.file import read_datalist, write_datalist
from app.engines import RadiographWorkflow
from app.networks.backbones import Backbone
from app.networks.checkpoints import read_weights, save, weights
from app.phantoms import write_phantoms

ROOT = Path(__file__).parents[2]
FINDINGS = ("Effusion", "Chest Drain")
TINY = {"image_size": 64, "batch_size": 8, "precision": "float32", "max_epochs": 1, "architecture": "lcnet_035"}
WITHOUT_WORKERS = {"prepare#workers": 0}

Launched = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 small phantoms with a pathology and a tube; some training labels uncertain; one store of runs."""
    folder = tmp_path_factory.mktemp("labels")
    truth = read_datalist(write_phantoms(folder, 48, 1, 64, FINDINGS, workers=1, progress=False))
    doubtful = [
        replace(item, label=(-1.0, item.label[1]), boxes=(), mask={}, annotated=()) if number % 3 == 0 else item
        for number, item in enumerate(truth.sections["training"])
    ]
    write_datalist(replace(truth, sections={**truth.sections, "training": doubtful}), folder / "doubtful.json")
    torch.manual_seed(0)
    save(weights(Backbone(TINY["architecture"]).layers), folder / "backbone.pt")
    return folder


@pytest.fixture(scope="module")
def launched(world: Path) -> Launched:
    """Run a workflow of a bundle on the datalist with doubts; gives its metrics."""

    def run(bundle: str, out: str, run_id: str = "training", **changes: Any) -> dict[str, Any]:
        common = {"datalist": str(world / "doubtful.json"), "prepared_dir": str(world / "prepared"), **TINY}
        overrides = {**common, **WITHOUT_WORKERS, "output_dir": str(world / out), **changes}
        overrides.setdefault("weights", str(world / "backbone.pt"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{world}/mlflow.db")
            patch.chdir(ROOT)
            config = str(ROOT / "bundles" / bundle / "configs/train.yaml")
            workflow = create_workflow(RadiographWorkflow, config, workflow_type="train", run_id=run_id, **overrides)
            result = workflow.run()[-1]
            workflow.finalize()
        return dict(result)

    return run


def test_frozen_then_self_trained_and_both_together(world: Path, launched: Launched) -> None:
    launched("uncertain_labels", "frozen", frozen=True, hidden=[8, 4], dropout=0.5)
    before, after = read_weights(world / "backbone.pt"), read_weights(world / "frozen/model.pt")
    # A frozen backbone is kept to the last bit, its batch statistics among it.
    assert all(torch.equal(value, after[f"backbone.layers.{name}"]) for name, value in before.items())
    assert len(list((world / "prepared/features").glob("*.npy"))) == 2  # of training and validation

    # The teacher says what it makes of the training images; the student learns that where a label is uncertain.
    settings = {"frozen": True, "hidden": [8, 4], "dropout": 0.5, "section": "training"}
    checkpoint = str(world / "frozen/model.pt")
    launched("uncertain_labels", "teacher", "evaluating", checkpoint=checkpoint, **settings)
    predictions = str(world / "teacher/predictions.csv")
    student = launched("uncertain_labels", "student", uncertain="self_trained", predictions=predictions)
    changed = read_weights(world / "student/model.pt")
    assert any(not torch.equal(value, changed[f"backbone.layers.{name}"]) for name, value in before.items())

    # Two checkpoints count as one model: of one and the same, as that one.
    (world / "copy").mkdir()
    for name in ("model.pt", "model.json"):
        shutil.copy(world / "student" / name, world / "copy" / name)
    both = [str(world / name / "model.pt") for name in ("student", "copy")]
    groups = {"effusions": ["Effusion"]}
    found = launched("uncertain_labels", "both", "evaluating", checkpoint=both, finding_groups=groups)
    for name in FINDINGS:
        assert found["auc"][name]["value"] == pytest.approx(student["auc"][name]["value"], nan_ok=True)
    grouped = found["by_finding_group"]["effusions"]["auc"]["macro"]
    assert grouped["value"] == found["auc"]["Effusion"]["value"]


def test_tubes_and_pathologies_are_learnt_together_and_held_against_the_truth(world: Path, launched: Launched) -> None:
    truth = {"truth": str(world / "datalist.json")}
    found = launched("tube_detection", "tubes", label_sets=truth, weights=None)
    assert set(found["by_finding_group"]) == {"tubes", "pathologies"}
    assert found["by_finding_group"]["tubes"]["auc"]["macro"]["value"] == found["auc"]["Chest Drain"]["value"]
    # Test labels were left as they are: the truth agrees with them wholly.
    assert found["label_sets"]["truth"]["auc"]["Effusion"]["value"] == found["auc"]["Effusion"]["value"]
    assert found["label_sets"]["truth"]["kappa"]["Effusion"]["value"] == 1
    kept = json.loads((world / "tubes/metrics.json").read_text())
    assert kept["label_sets"]["truth"]["images"] == len(read_datalist(world / "datalist.json").sections["test"])
