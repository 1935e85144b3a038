"""Names, parameters and descriptions of runs."""

from pathlib import Path

import pytest

from app.engines.configuration import Configuration
from app.engines.run_words import LONGEST, MOST_PARAMETERS, note, parameters, run_name

CONFIGS = Path(__file__).parents[3] / "bundles"
TRAIN = str(CONFIGS / "nodule_detection/configs/train.yaml")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({}, "pneumonia"),
        # Equal to the default, of the machine, or where files are.
        ({"seed": 0, "workers": 2, "datalist": "a.json", "resume": True, "checkpoint": "m.pt"}, "pneumonia"),
        ({"learning_rate": 2e-3, "image_size": 128}, "pneumonia image_size=128"),
        ({"learning_rate": 3e-4, "max_epochs": 5}, "pneumonia lr=0.0003 epochs=5"),
        ({"run_name": "second  try", "pixel_level": False}, "second try pixel_level=False"),
        ({"phantoms#count": 400, "blocks": [1, 2]}, "pneumonia count=400 blocks=[1,2]"),
        ({"start_from": "runs/chest14/model.pt"}, "pneumonia start_from=chest14"),
        ({"register": "nodules", "section": "validation"}, "pneumonia section=validation"),
    ],
)
def test_name_tells_what_was_changed(overrides, name):
    assert run_name(Configuration([TRAIN], overrides), Path("runs/pneumonia")) == name


def test_name_tells_further_config_files_but_not_what_they_set():
    published = str(CONFIGS / "nodule_detection/configs/published.yaml")
    assert run_name(Configuration([TRAIN, published], {"image_size": 512}), Path("out")) == "out published"


def test_long_name_counts_what_it_leaves_out():
    overrides = dict.fromkeys(("seed", "image_size", "batch_size", "growth", "stem", "accumulate", "max_epochs"), 7)
    name = run_name(Configuration([TRAIN], {**overrides, "learning_rate": 1.23456e-5}), Path("x" * 40))
    # By hand: 40 + 7 + 13 + 13 + 9 + 7 = 89 characters; the next, " accumulate=7", is too long.
    assert name == "x" * 40 + " seed=7 image_size=7 batch_size=7 growth=7 stem=7 +3"
    assert len(run_name(Configuration([TRAIN], {"run_name": "y" * 300}), Path("out"))) == LONGEST


def test_without_files_the_name_is_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_name(Configuration(), Path()) == tmp_path.name


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*/configs/train.yaml")), ids=lambda path: path.parts[-3])
def test_every_bundle_logs_all_its_settings_that_decide_the_result(config):
    merged = Configuration([str(config)]).config
    logged = parameters(merged, "mine", ["Nodule", "Mass"])
    assert len(logged) < MOST_PARAMETERS  # none is left out for lack of room
    assert (logged["data"], logged["findings"]) == ("mine", "Nodule, Mass")
    assert {"seed", "max_epochs", "learning_rate", "image_size"} <= logged.keys()
    assert not {"output_dir", "workers", "resume", "lung_weights", "run_name"} & logged.keys()


def test_more_settings_than_fit_are_left_to_the_config():
    assert len(parameters({f"setting_{n}": n for n in range(50)}, "mine", ["Nodule"])) == MOST_PARAMETERS


def entry(value, lower=float("nan"), upper=float("nan")):
    return {"value": value, "lower": lower, "upper": upper}


def test_description_begins_without_a_result_and_ends_with_one():
    begun = note("training", "mine", "frugal train x --seed 1")
    assert begun == "Training on mine.\n\nNo result yet.\n\n```sh\nfrugal train x \\\n    --seed 1\n```\n"
    auc = {"Nodule": entry(0.81234, 0.7, 0.9), "macro": entry(0.81234, 0.7, 0.9)}
    ended = note("evaluating", "mine", "x", {"section": "test", "auc": auc, "dice": {"Nodule": entry(0.5)}})
    assert "| AUC Nodule | 0.812 | 0.700 to 0.900 |\n| Dice Nodule | 0.500 |  |" in ended
    assert "macro" not in ended


def test_description_of_many_findings_tells_the_mean_alone():
    auc = {f"Finding {n}": entry(0.5) for n in range(14)} | {"macro": entry(0.75, 0.7, 0.8)}
    dice = {"Nodule": entry(0.5), "Mass": entry(0.5), "macro": {"value": 0.5}}  # a mean of two has no interval
    thresholds = {"warning": "flattered"}
    result = {"section": "test", "auc": auc, "dice": dice, "thresholds": thresholds}
    text = note("training", "mine", "x", result)
    assert text.count("| AUC") == 1
    assert "| AUC mean over findings | 0.750 | 0.700 to 0.800 |" in text
    assert "| Dice mean over findings | 0.500 |  |" in text
    assert "Warning: flattered" in text
