"""A world small enough to train in: pictures of bright discs, a datalist, and the nodule detection bundle at toy size.

Everything is made once per session; MLflow's tables, which take seconds, are made once and copied.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from monai.bundle import create_workflow

from app.datalist.file import write_datalist
from app.datalist.item import Box, Datalist, Item
from app.engines import RadiographWorkflow
from app.networks.checkpoints import save, weights
from app.networks.unet import UNet

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "bundles/nodule_detection/configs"
COUNTS = {"training": 12, "validation": 6, "test": 7}
NETWORK = {"blocks": [1, 1, 1, 1], "growth": 4, "stem": 8, "image_size": 64, "precision": "float32", "batch_size": 4}


@dataclass(frozen=True)
class World:
    """A folder with pictures, ``datalist.json`` and weights of a lung segmentation that finds none."""

    folder: Path
    counts = COUNTS

    @property
    def datalist(self) -> Path:
        return self.folder / "datalist.json"

    def overrides(self, output_dir: Path, **changes: Any) -> dict[str, Any]:
        """Settings of train.yaml at toy size, results in ``output_dir``; no pictures, which take most of the time."""
        return {
            "datalist": str(self.datalist),
            "output_dir": str(output_dir),
            "lung_weights": str(self.folder / "lungs.pt"),
            "prepared_dir": str(self.folder / "prepared"),
            "max_epochs": 2,
            "learning_rate": 1e-2,
            **NETWORK,
            "prepare#workers": 0,
            "pictures": False,
            **changes,
        }


def picture(path: Path, centre: tuple[int, int] | None, generator: np.random.Generator) -> None:
    image = generator.normal(90, 10, (72, 80)).clip(0, 255).astype(np.uint8)
    if centre is not None:
        cv2.circle(image, centre, 9, 230, -1)
    cv2.imwrite(str(path), image)


def items_of(folder: Path, section: str, findings: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Every other picture shows the first finding, in a box; views alternate every two pictures."""
    items = []
    for number in range(COUNTS[section]):
        name, found = f"{section}-{number}.png", number % 2 == 1
        centre = (int(generator.integers(20, 60)), int(generator.integers(20, 52))) if found else None
        picture(folder / name, centre, generator)
        boxes = (Box(findings[0], centre[0] - 9, centre[1] - 9, 18, 18),) if centre else ()
        label = (float(found), *[float(number % 3 == 0)] * (len(findings) - 1))
        items.append(
            Item(
                name,
                f"{section}-patient-{number}",
                label,
                view=("PA", "AP")[number // 2 % 2],
                boxes=boxes,
                annotated=(findings[0],) if centre else (),
                attributes={"sex": "FM"[number % 2]},
            )
        )
    return items


def make_world(folder: Path, findings: Sequence[str]) -> World:
    """Make pictures of some findings; the first is drawn and located."""
    generator = np.random.default_rng(0)
    sections = {section: items_of(folder, section, findings, generator) for section in COUNTS}
    write_datalist(Datalist("tiny", tuple(findings), sections), folder / "datalist.json")
    torch.manual_seed(0)
    lungs = UNet()
    # No lung is found anywhere, so that every picture is kept whole, whatever the weights.
    list(lungs.body.parameters())[-1].data.fill_(-100)
    save(weights(lungs), folder / "lungs.pt")
    return World(folder)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Pictures of one finding."""
    return make_world(tmp_path_factory.mktemp("world"), ("Nodule",))


@pytest.fixture
def other_world(tmp_path: Path) -> World:
    """Pictures of two findings."""
    (tmp_path / "other").mkdir()
    return make_world(tmp_path / "other", ("Nodule", "Effusion"))


@pytest.fixture
def world_of(tmp_path: Path) -> Callable[[Sequence[str]], World]:
    """Makes pictures of the findings that a test names."""

    def make(findings: Sequence[str]) -> World:
        (tmp_path / "world").mkdir()
        return make_world(tmp_path / "world", findings)

    return make


@dataclass(frozen=True)
class Trained:
    """A finished training: its results, its store, and the metrics that it returned."""

    output_dir: Path
    store: str
    metrics: dict[str, Any]


@pytest.fixture(scope="session")
def trained(world: World, launch: Callable[..., Any], template_store: Path, tmp_path_factory: pytest.TempPathFactory):
    """A training of the pixel-level form, with pictures."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(template_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        metrics = launch("training", world.overrides(folder / "out", pictures=True))
    return Trained(folder / "out", f"sqlite:///{folder}/mlflow.db", metrics)


@pytest.fixture(scope="session")
def template_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with MLflow's tables and no run."""
    from app.tracking.clients import open_client
    from app.tracking.store import Store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(Store(f"sqlite:///{path}"))
    return path


@pytest.fixture
def store(tmp_path: Path, template_store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the test's own store, which launches use."""
    shutil.copy(template_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def launch() -> Callable[..., Any]:
    """Run a run id of a config of nodule detection in this process, and return the value of its last expression."""

    def run(run_id: str, overrides: dict[str, Any], config: str = "train.yaml", folder: Path = ROOT) -> Any:
        kind = "infer" if config == "inference.yaml" else "train"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)  # the bundle's own paths are relative to the repository
            workflow = create_workflow(
                RadiographWorkflow, str(CONFIGS / config), workflow_type=kind, run_id=run_id, **overrides
            )
            workflow.initialize()
            result = workflow.run()
            workflow.finalize()
        return result[-1]

    return run
