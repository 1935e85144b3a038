"""Every bundle at toy size, as its users run it: train an epoch, resume, evaluate, and infer on a folder."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import create_workflow

from app.datalist.file import read_datalist
from app.engines import RadiographWorkflow
from app.engines.resuming import Checkpoints
from app.networks.checkpoints import read_checkpoint
from app.phantoms import write_phantoms

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Toy:
    """A bundle made small: the findings of its phantoms, settings of the network, and those of training alone."""

    findings: tuple[str, ...]
    network: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


TOYS = {
    "annotation_cost": Toy(("Cardiomegaly", "Effusion"), {"depth": 18, "width": 4}),
    "limited_annotation": Toy(
        ("Cardiomegaly", "Effusion"),
        {"layers": [1, 1, 1], "width": 4, "grid": 4, "window": 3},
        # An epoch of the unaries, then, once resumed, one of the CRF; thresholds in turn with either.
        {"first_stage": 1, "choose_every": 1},
    ),
    "lung_segmentation": Toy(("Lungs",)),
    "nodule_detection": Toy(("Nodule",), {"blocks": [1, 1, 1, 1], "growth": 4, "stem": 8}),
    "tube_detection": Toy(("Chest Drain", "Endotracheal Tube"), {"architecture": "lcnet_035"}),
    "uncertain_labels": Toy(("Cardiomegaly", "Effusion"), {"architecture": "lcnet_035", "weights": "$None"}),
}
COMMON = {"precision": "float32"}

Launched = Callable[..., Any]


def test_every_bundle_is_here() -> None:
    assert sorted(path.parent.parent.name for path in ROOT.glob("bundles/*/configs/train.yaml")) == sorted(TOYS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of this module lies."""
    return tmp_path_factory.mktemp("workflows")


@pytest.fixture(scope="module")
def launched(folder: Path) -> Launched:
    """Run a bundle's config in this process, without a run id in MONAI's default way; gives the last value.

    Only a training is told the settings of the network: its weights bring them.
    """

    def run(bundle: str, config: str, run_id: str | None = None, **overrides: Any) -> Any:
        kind = "infer" if config == "inference.yaml" else "train"
        overrides |= {"workflow_name": RadiographWorkflow} | ({} if run_id is None else {"run_id": run_id})
        path = str(ROOT / "bundles" / bundle / "configs" / config)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
            patch.chdir(ROOT)
            network = {} if "checkpoint" in overrides else {"image_size": 64, **TOYS[bundle].network}
            settings = {**COMMON, "prepared_dir": str(folder / "prepared"), **network, **overrides}
            workflow = create_workflow(config_file=path, workflow_type=kind, **settings)
            if run_id is None:
                assert workflow.check_properties() == [], "MONAI misses nothing of a workflow of this kind"
            result = workflow.run()[-1]
            workflow.finalize()
        return result

    return run


def stopped_after_an_epoch(save: Callable[..., None]) -> Callable[..., None]:
    """Keep a checkpoint, and after that of the first epoch stop as Ctrl-C would."""

    def keep(self: Checkpoints, state: dict[str, Any]) -> None:
        save(self, state)
        if state["epoch"] == 1:
            raise KeyboardInterrupt

    return keep


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("bundle", sorted(TOYS))
def test_trains_resumes_evaluates_and_infers(bundle: str, folder: Path, launched: Launched) -> None:
    toy, out = TOYS[bundle], folder / bundle
    datalist = write_phantoms(
        out / "phantoms", 32, 0, 64, toy.findings, prevalence=0.5, split=(0.5, 0.25, 0.25), workers=1, progress=False
    )
    settings = {"datalist": str(datalist), "batch_size": 4, **toy.training}
    settings |= {"prepare#workers": 0, "max_epochs": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", stopped_after_an_epoch(Checkpoints.save))
        with pytest.raises(KeyboardInterrupt):
            launched(bundle, "train.yaml", "training", output_dir=str(out / "run"), **settings)
    stopped = read_checkpoint(out / "run/last.pt")
    trained = launched(bundle, "train.yaml", output_dir=str(out / "run"), resume=True, **settings)
    assert stopped["epoch"] == 1
    assert json.loads((out / "run/run.json").read_text())["run"] == stopped["run"], "goes on in the same MLflow run"

    shutil.copytree(out / "run", out / "kept")
    checkpoint = str(out / "kept/model.pt")
    evaluated = launched(
        bundle, "train.yaml", "evaluating", output_dir=str(out / "evaluated"), checkpoint=checkpoint, **settings
    )
    assert (out / "evaluated/predictions.csv").read_bytes() == (out / "kept/predictions.csv").read_bytes()
    for measure in ("auc", "dice"):
        # As text, in which what is undefined equals itself.
        assert json.dumps(evaluated.get(measure)) == json.dumps(trained.get(measure))

    test = read_datalist(datalist).sections["test"]
    (out / "radiographs").mkdir()
    for item in test:
        shutil.copy(datalist.parent / item.image, out / "radiographs")
    (out / "radiographs/broken.dcm").write_bytes(b"no radiograph")
    launched(
        bundle,
        "inference.yaml",
        "run",
        checkpoint=checkpoint,
        dataset_dir=str(out / "radiographs"),
        output_dir=str(out / "inferred"),
        **{"dataset#workers": 0},
    )
    scores = {Path(row["image"]).name: row["score"] for row in table(out / "inferred/predictions.csv")}
    assert len(scores) == len(test)
    for row in table(out / "evaluated/predictions.csv"):
        if row["finding"] == toy.findings[-1]:  # as the last line of each image in ``scores``
            assert float(scores[Path(row["image"]).name]) == pytest.approx(float(row["score"]), abs=1e-5)
    assert [Path(row["image"]).name for row in table(out / "inferred/excluded.csv")] == ["broken.dcm"]


CROSSINGS = {
    "nodule_detection": {"_target_": "app.losses.MixedSupervisionLoss", "localisation_weight": "@localisation_weight"},
    "annotation_cost": {"_target_": "app.losses.MultipleInstanceLoss", "annotated_weight": "@localisation_weight"},
    "tube_detection": {"_target_": "app.losses.MultipleInstanceLoss"},
}


@pytest.mark.parametrize("bundle", sorted(CROSSINGS))
def test_a_network_learns_from_the_loss_of_another_bundle(bundle: str, folder: Path, launched: Launched) -> None:
    toy, out = TOYS[bundle], folder / f"{bundle}_crossed"
    datalist = write_phantoms(out / "phantoms", 24, 0, 64, toy.findings, prevalence=0.5, workers=1, progress=False)
    metrics = launched(
        bundle,
        "train.yaml",
        "training",
        datalist=str(datalist),
        output_dir=str(out / "run"),
        batch_size=4,
        max_epochs=1,
        loss=CROSSINGS[bundle],
        **{"prepare#workers": 0},
    )
    assert metrics["section"] == "test"
    assert (out / "run/model.pt").is_file()
