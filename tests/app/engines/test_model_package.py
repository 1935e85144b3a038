"""Trained networks in MLflow's own form: of every bundle, with the scores of its inference.yaml, from bytes."""

import csv
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from monai.bundle import create_workflow

from app.engines import RadiographWorkflow
from app.engines.configuration import Configuration
from app.engines.model_package import ModelPackage, package
from app.phantoms.plan import Plan
from app.phantoms.render import render
from app.tracking.clients import quiet_environment

ROOT = Path(__file__).parents[3]
BUNDLES = ("annotation_cost", "limited_annotation", "nodule_detection", "tube_detection", "uncertain_labels")


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two PNG files."""
    folder = tmp_path_factory.mktemp("radiographs")
    for number in (1, 2):
        plan = Plan(5, number, number, 1, "test", "PA", "F", 50, frozenset(["Nodule"]), electrodes=False)
        pixels = np.rint(render(plan, 96).image[:, :80] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return folder


def scored(bundle: str, radiographs: Path, folder: Path) -> tuple[dict[tuple[str, str], float], RadiographWorkflow]:
    """What inference.yaml gives for every file and finding, with the weights that the bundle brings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        workflow = create_workflow(
            RadiographWorkflow,
            f"bundles/{bundle}/configs/inference.yaml",
            workflow_type="infer",
            run_id="run",
            dataset_dir=str(radiographs),
            output_dir=str(folder / "inference"),
            prepared_dir=str(folder / "prepared"),
            runtime="torch",
            **{"dataset#workers": 0},
        )
        workflow.initialize()
        workflow.run()
        workflow.finalize()
    with (folder / "inference" / "predictions.csv").open() as file:
        rows = {(row["image"], row["finding"]): float(row["score"]) for row in csv.DictReader(file)}
    return rows, workflow


def packaged(bundle: str, network: object, findings: list[str], folder: Path) -> ModelPackage:
    """The model of a bundle's own weights, whole in one folder."""
    for name in ("model.pt", "model.json"):
        shutil.copy(ROOT / f"bundles/{bundle}/models/{name}", folder / name)
    configuration = Configuration([str(ROOT / f"bundles/{bundle}/configs/train.yaml")])
    model = package(folder / "model.pt", network, tuple(findings), configuration)
    for name, path in model.files.items():
        shutil.copy(path, model.folder / name)
    return model


def frame(radiographs: Path) -> pd.DataFrame:
    return pd.DataFrame({"image": [path.read_bytes() for path in sorted(radiographs.iterdir())]}, index=["a", "b"])


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_model_scores_as_inference_does(bundle, radiographs, tmp_path, monkeypatch):
    expected, workflow = scored(bundle, radiographs, tmp_path)
    findings = list(workflow.parser.get_parsed_content("findings"))
    quiet_environment()
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("nothing may run pip"))
    model = packaged(bundle, workflow.parser.get_parsed_content("network"), findings, tmp_path)
    monkeypatch.chdir(tmp_path)  # whatever the model needs lies in its folder
    loaded = mlflow.pyfunc.load_model(str(model.folder))
    table = loaded.predict(frame(radiographs))
    assert list(table.columns) == loaded.metadata.get_output_schema().input_names() == findings
    assert list(table.index) == ["a", "b"]
    for number, row in enumerate(table.to_dict("records"), start=1):
        for finding, score in row.items():
            assert score == pytest.approx(expected[f"{number}.png", finding], abs=1e-6), finding
    example = loaded.predict(loaded.input_example)
    assert example.shape == (1, len(findings))
    # Without the weights, which the run's folder has already.
    small = [path for path in model.folder.iterdir() if path.name not in model.files]
    assert sum(path.stat().st_size for path in small) < 100_000


def test_lungs_are_outlined_in_the_pixels_of_the_file(radiographs, tmp_path):
    _, workflow = scored("lung_segmentation", radiographs, tmp_path)
    network = workflow.parser.get_parsed_content("network")
    model = packaged("lung_segmentation", network, ["Lungs"], tmp_path)
    table = mlflow.pyfunc.load_model(str(model.folder)).predict(frame(radiographs))
    assert list(table.columns) == ["Lungs area", "Lungs mask"]
    for row in table.to_dict("records"):
        mask = cv2.imdecode(np.frombuffer(row["Lungs mask"], np.uint8), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (96, 80)
        assert set(np.unique(mask)) == {0, 255}
        assert row["Lungs area"] == pytest.approx((mask == 255).mean())
        # Phantoms show lungs over a quarter to a half of the picture.
        assert 0.15 < row["Lungs area"] < 0.6


def test_a_file_that_is_no_radiograph_is_named_by_its_row(radiographs, tmp_path):
    _, workflow = scored("tube_detection", radiographs, tmp_path)
    findings = list(workflow.parser.get_parsed_content("findings"))
    model = packaged("tube_detection", workflow.parser.get_parsed_content("network"), findings, tmp_path)
    loaded = mlflow.pyfunc.load_model(str(model.folder))
    broken = pd.DataFrame({"image": [frame(radiographs)["image"].iloc[0], b"no picture"]})
    with pytest.raises(ValueError, match="row-1 of the column 'image', counted from 0, is no readable radiograph"):
        loaded.predict(broken)
    assert loaded.predict(broken.iloc[:0]).shape == (0, len(findings))


def test_only_what_scoring_needs_is_in_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.pyfunc.save_model", lambda folder, **_: folder.mkdir())
    (tmp_path / "mine.pt").write_bytes(b"lungs")
    for name in ("mine.json", "model.pt", "model.json"):
        (tmp_path / name).write_text("{}")
    configuration = Configuration(
        [str(ROOT / "bundles/nodule_detection/configs/train.yaml")],
        {"lung_weights": str(tmp_path / "mine.pt"), "datalist": "/hospital/123456.json", "image_size": 64},
    )
    model = package(tmp_path / "model.pt", SimpleNamespace(), ("Nodule",), configuration)
    assert set(model.files) == {"lung_weights.pt", "lung_weights.json", "model.pt", "model.json"}
    assert model.files["lung_weights.json"] == tmp_path / "mine.json"
    text = (model.folder / "config.yaml").read_text()
    config = yaml.safe_load(text)
    assert (config["lung_weights"], config["image_size"], config["findings"]) == ("lung_weights.pt", 64, ["Nodule"])
    assert "hospital" not in text
    assert not {"optimizer", "launch", "loss", "train", "training"} & set(config)
