"""Weights that a command is given: which file, which bundle, which data, and where the results go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.installed import bundles_folder
from app.workflows.weights import evaluation, find_weights, prediction

NODULES = bundles_folder() / "nodule_detection"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder of a training, in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/pneumonia")
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    (folder / "model.json").write_text(json.dumps({"bundle": "nodule_detection"}))
    settings = "datalist: data/pneumonia.json\nphantoms: {count: 800}\nprepared_dir: \"$@dataset_dir + '/prepared'\"\n"
    (folder / "config.yaml").write_text(f"bundle_root: bundles/nodule_detection\n{settings}dataset_dir: data\n")
    return folder


@pytest.mark.parametrize("given", ["runs/pneumonia", "runs/pneumonia/", "runs/pneumonia/model.pt"])
def test_a_training_tells_its_bundle_and_its_data(run: Path, given: str):
    weights = find_weights(given)
    assert (weights.path, weights.bundle, weights.name) == (run / "model.pt", NODULES, run)
    # An expression in the config is no place, and would be evaluated.
    assert weights.places == {"datalist": "data/pneumonia.json", "phantoms": {"count": 800}, "dataset_dir": "data"}
    assert not weights.is_shipped


def test_without_a_config_the_record_or_the_run_tells_the_bundle(run: Path):
    (run / "config.yaml").unlink()
    assert find_weights(str(run)).bundle == NODULES
    (run / "model.json").unlink()
    (run / "run.json").write_text(json.dumps({"experiment": "nodule_detection"}))
    assert find_weights(str(run)).bundle == NODULES
    (run / "run.json").unlink()
    with pytest.raises(ValueError, match=r"model\.pt: nothing beside these weights tells .* --bundle BUNDLE"):
        find_weights(str(run))
    assert find_weights(str(run), "tube_detection").bundle == bundles_folder() / "tube_detection"


@pytest.mark.parametrize("given", ["nodule_detection", str(NODULES), str(NODULES / "models" / "model.pt")])
def test_a_bundle_stands_for_the_weights_that_it_comes_with(run: Path, given: str):
    weights = find_weights(given)
    assert weights.path == NODULES / "models" / "model.pt"
    assert weights.bundle.samefile(NODULES)
    assert weights.is_shipped


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("runs", "no model.pt in this folder"),
        ("runs/absent", "no such run folder or weights"),
        ("absent.pt", "no such run folder or weights"),
        ("absent", "neither a run's folder nor weights nor a bundle, and as a run in MLflow: there is no run 'absent'"),
    ],
)
def test_what_there_is_not_is_told(run: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises((FileNotFoundError, ValueError), match=f"^{given}: {message}"):
        find_weights(given)


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({}, "runs/pneumonia_test"),
        ({"section": "validation"}, "runs/pneumonia_validation"),
        ({"datalist": "data/pneumonia.json"}, "runs/pneumonia_test"),
        ({"datalist": "other/hospital.json"}, "runs/pneumonia_hospital_test"),
        ({"output_dir": "elsewhere"}, "elsewhere"),
    ],
)
def test_an_evaluation_takes_the_data_of_the_training_and_a_folder_beside_it(run: Path, options: dict, folder: str):
    file, overrides = evaluation(str(run), options)
    assert file == NODULES / "configs" / "train.yaml"
    # dataset_dir is the bundle's own default, so nothing has to be said of it.
    expected = {"datalist": "data/pneumonia.json", "phantoms": {"count": 800}, "checkpoint": str(run / "model.pt")}
    assert overrides == expected | options | {"output_dir": folder}


def test_an_evaluation_needs_data_and_spares_trainings(run: Path):
    with pytest.raises(ValueError, match="runs/pneumonia holds a training; give another folder"):
        evaluation(str(run), {"output_dir": "runs/pneumonia"})
    with pytest.raises(ValueError, match="--checkpoint: the weights are the first word"):
        evaluation(str(run), {"checkpoint": "x.pt"})
    (run / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"nothing beside .* tells which data to evaluate on: --datalist FILE"):
        evaluation(str(run), {})
    assert evaluation("nodule_detection", {})[1]["output_dir"] == "runs/nodule_detection_weights_test"


def test_a_prediction_is_named_after_the_folder(run: Path):
    Path("nih/images").mkdir(parents=True)
    file, overrides = prediction(str(run), "nih/images", {"threshold": 0.2})
    assert file == NODULES / "configs" / "inference.yaml"
    assert overrides == {
        "checkpoint": str(run / "model.pt"),
        "dataset_dir": "nih/images",
        "output_dir": "runs/pneumonia_images",
        "threshold": 0.2,
    }


def test_nothing_beside_the_weights_is_evaluated(run: Path):
    code = "phantoms: {_target_: os.system, command: id}\ndatalist: $1\ndataset_dir: '%x.yaml'\n"
    (run / "config.yaml").write_text(f"bundle_root: bundles/nodule_detection\n{code}")
    assert find_weights(str(run)).places == {}
