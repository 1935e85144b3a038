"""The settings that weights bring: what a training records, what a workflow takes over, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.checking import check, load
from app.checking.ids import followed, value_at
from app.checking.weights import trained_settings

BUNDLES = Path(__file__).parents[3] / "bundles"
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "annotation_cost": [
        {"image_size": 64, "depth": 34, "width": 8, "strides": [1, 2, 2, 1]},
        {"network_def#width": 8},
        {
            "network_def": {
                "_target_": "app.networks.unet.UNet",
                "findings": "$len(@data.findings)",
                "features": "@width",
            }
        },
    ],
    "limited_annotation": [
        {"image_size": 96, "form": "li", "second_stage": False, "blur": 1},
        {"patches": False, "layers": [2, 1, 1], "grid": 6, "window": 5, "tau": 0.5},
        {"sections#reading#patches": False, "network_def#features#halvings": 2},
    ],
    "lung_segmentation": [{"image_size": 128}, {"network_def#features": 8, "preprocessing#transforms#1#size": 64}],
    "nodule_detection": [
        {"image_size": 128, "blocks": [1, 1, 1, 1], "growth": 4, "stem": 8},
        {"pixel_level": False, "+preprocessing#transforms": []},
        {"lung_weights": "mine/lungs.pt", "preprocessing#transforms#4#ellipses": False},
        {"network_def": {"_target_": "app.networks.ResNet", "findings": "$len(@data.findings)", "width": "@stem"}},
    ],
    "tube_detection": [
        {"image_size": 96, "architecture": "lcnet_035", "modified": False, "dropout": 0.25, "weights": "mine.pt"},
        {"preprocessing#transforms#1#clip_limit": 2.0},
    ],
    "uncertain_labels": [
        {"image_size": 96, "architecture": "lcnet_035", "hidden": [8], "frozen": True, "weights": "mine.pt"},
        {"dropout": 0.5, "network_def#hidden": [16]},
        {"stages": True, "localisation_weight": 1.0},
    ],
}
CASES = [(bundle, changes) for bundle, several in NETWORKS.items() for changes in ({}, *several)]


def config_of(bundle: str, name: str) -> str:
    return str(BUNDLES / bundle / "configs" / name)


def recorded(folder: Path, bundle: str, changes: dict[str, Any], findings: tuple[str, ...] = ("Nodule",)) -> Path:
    """Weights (an empty network) with the record that a training with these changes writes."""
    settings = trained_settings(load([config_of(bundle, "train.yaml")], changes, run_id="training"))
    content = {"bundle": bundle, "version": "0.1.0", "findings": list(findings), "settings": settings}
    (folder / "model.json").write_text(json.dumps(content))
    (folder / "model.pt").write_bytes(b"weights")
    return folder / "model.pt"


def resolved(config: dict[str, Any], identifier: str) -> Any:
    """A part of a config with references to plain settings replaced; findings are counted alike in both configs."""
    identifier, value = followed(config, identifier)
    if isinstance(value, dict):
        return {key: resolved(config, f"{identifier}#{key}") for key in value if key not in ("thresholds", "weights")}
    if isinstance(value, list):
        return [resolved(config, f"{identifier}#{index}") for index in range(len(value))]
    return value.replace("@data.findings", "@findings") if isinstance(value, str) else value


@pytest.mark.parametrize(("bundle", "changes"), CASES, ids=str)
def test_evaluating_and_inference_are_as_the_training_was(bundle, changes, tmp_path):
    checkpoint = recorded(tmp_path, bundle, changes)
    training = load([config_of(bundle, "train.yaml")], changes).config
    for name, run_id in (("train.yaml", "evaluating"), ("inference.yaml", "run")):
        merged = load([config_of(bundle, name)], {"checkpoint": str(checkpoint)}, run_id=run_id)
        assert merged.problems.problems == []
        for part in ("network_def", "preprocessing"):
            assert resolved(merged.config, part) == resolved(training, part), name
        reading = ("sections#reading", "evaluator#reading")[name == "inference.yaml"]
        if "reading" in training["sections"]:
            assert resolved(merged.config, reading) == resolved(training, "sections#reading")
        for setting in ("pixel_level", "lung_weights"):  # of expressions, and of what a component loads
            assert merged.config.get(setting) == training.get(setting)
        assert merged.config.get("weights") is None, "the weights replace those that the network starts from"
        findings = merged.config["findings"] if name == "inference.yaml" else merged.config["data"]["findings"]
        assert findings == ["Nodule"]


def problems(bundle: str, name: str, run_id: str, overrides: dict[str, Any], trust: bool = False) -> list[str]:
    files = [config_of(bundle, each) for each in name.split()]
    return [str(each) for each in load(files, overrides, trust, run_id).problems.problems]


@pytest.mark.parametrize(
    ("override", "trained", "changes"),
    [
        ({"image_size": 256}, "with 128", {"image_size": 128}),
        ({"blocks": [3, 6]}, "with [1, 1]", {"blocks": [1, 1]}),
        ({"network_def#growth": 8}, "without it", {}),
        ({"growth": 8}, "with 4", {"growth": 4}),
        ({"blocks#0": 2}, "with blocks [1, 1]", {"blocks": [1, 1]}),
        ({"findings": ["Mass"]}, "with ['Nodule']", {}),
    ],
    ids=str,
)
def test_an_override_that_contradicts_the_weights_is_one_problem(override, trained, changes, tmp_path):
    checkpoint = recorded(tmp_path, "nodule_detection", changes)
    (identifier, value), *_ = override.items()
    place = f"command line: {identifier}: {value!r}, but {checkpoint} was trained {trained} ({tmp_path}/model.json)"
    overrides = {"checkpoint": str(checkpoint), **override}
    assert problems("nodule_detection", "inference.yaml", "run", overrides) == [f"{place}: leave this setting out."]


def test_a_file_on_top_may_agree_with_the_weights_but_not_contradict_them(tmp_path):
    published = {"image_size": 512, "blocks": [6, 12, 24, 16], "growth": 32, "stem": 64}
    checkpoint = recorded(tmp_path, "nodule_detection", published)
    overrides = {"checkpoint": str(checkpoint)}
    assert problems("nodule_detection", "train.yaml published.yaml", "evaluating", overrides) == []
    recorded(tmp_path, "nodule_detection", published | {"growth": 16})
    (problem,) = problems("nodule_detection", "train.yaml published.yaml", "evaluating", overrides)
    assert "published.yaml: growth: 32, but" in problem
    assert "was trained with 16" in problem


def test_what_the_weights_do_not_depend_on_may_be_overridden(tmp_path):
    checkpoint = recorded(tmp_path, "nodule_detection", {"lung_weights": "mine/lungs.pt"})
    overrides = {"checkpoint": str(checkpoint), "batch_size": 3, "precision": "float32", "lung_weights": "theirs.pt"}
    merged = load([config_of("nodule_detection", "inference.yaml")], overrides, run_id="run")
    assert merged.problems.problems == []
    assert merged.config["lung_weights"] == "theirs.pt", "files lie elsewhere on other machines"


def test_a_training_does_not_take_over_anything(tmp_path):
    checkpoint = recorded(tmp_path, "nodule_detection", {"image_size": 64})
    for settings in ({"checkpoint": str(checkpoint)}, {"start_from": str(checkpoint)}):
        merged = load([config_of("nodule_detection", "train.yaml")], settings, run_id="training")
        assert (merged.config["image_size"], merged.brought) == (192, {})


def test_weights_without_a_record_are_used_with_the_settings_given_by_hand(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    overrides = {"checkpoint": str(tmp_path / "model.pt"), "image_size": 64}
    merged = load([config_of("lung_segmentation", "inference.yaml")], overrides, run_id="run")
    assert merged.config["image_size"] == 64
    assert [str(each) for each in merged.problems.warnings] == [
        f"command line: checkpoint: {tmp_path}/model.json is missing: {tmp_path}/model.pt is taken to be trained "
        "with the settings of this config (image_size 64)."
    ]


def test_a_record_of_before_brings_what_it_has(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    (tmp_path / "model.json").write_text(json.dumps({"findings": ["Nodule"], "settings": {"image_size": 64}}))
    overrides = {"checkpoint": str(tmp_path / "model.pt"), "growth": 8, "network_def#stem": 8}
    merged = load([config_of("nodule_detection", "inference.yaml")], overrides, run_id="run")
    assert merged.problems.problems == []
    assert (merged.config["image_size"], merged.config["growth"]) == (64, 8)


def test_weights_of_another_bundle_are_refused_with_the_config_to_use(tmp_path):
    checkpoint = recorded(tmp_path, "tube_detection", {})
    (problem,) = problems("nodule_detection", "inference.yaml", "run", {"checkpoint": str(checkpoint)})
    assert "was trained by the bundle tube_detection, not nodule_detection: use " in problem
    assert problem.endswith("bundles/tube_detection/configs/inference.yaml.")


def test_several_weights_must_agree(tmp_path):
    paths = []
    for name, size in (("a", 64), ("b", 96)):
        (tmp_path / name).mkdir()
        paths.append(str(recorded(tmp_path / name, "nodule_detection", {"image_size": size})))
    (problem,) = problems("nodule_detection", "train.yaml", "evaluating", {"checkpoint": paths})
    assert "b/model.pt was trained with other settings than" in problem
    assert "(image_size 96, not 64)." in problem


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        (
            {"network_def": {"_target_": "os.system", "command": "true"}},
            "_target_: a config from outside of the installation",
        ),
        ({"image_size": "$__import__('os').system('true')"}, "would run"),
        ({"network_def#growth": "$__import__('os').system('true')"}, "would run"),
        ({"output_dir": "/elsewhere", "training": ["$1"], "imports": ["$import os"]}, ""),
        ({"a b": 1}, "not a record"),
    ],
    ids=["target", "expression", "nested expression", "settings of no model", "no id"],
)
def test_a_record_cannot_run_code(settings, refused, tmp_path):
    content = {"bundle": "nodule_detection", "version": "0.1.0", "findings": ["Nodule"], "settings": settings}
    (tmp_path / "model.json").write_text(json.dumps(content))
    (tmp_path / "model.pt").write_bytes(b"weights")
    overrides = {"checkpoint": str(tmp_path / "model.pt")}
    texts = problems("nodule_detection", "train.yaml", "evaluating", overrides)
    assert (refused in texts[0]) if refused else (texts == []), texts
    merged = load([config_of("nodule_detection", "train.yaml")], overrides, run_id="evaluating")
    assert value_at(merged.config, "output_dir") == "runs/nodule_detection"


@pytest.mark.parametrize("findings", ["Nodule", [1], None], ids=str)
def test_findings_that_are_no_names_are_refused(findings, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"findings": findings, "settings": {}}))
    (tmp_path / "model.pt").write_bytes(b"weights")
    (problem,) = problems("nodule_detection", "inference.yaml", "run", {"checkpoint": str(tmp_path / "model.pt")})
    assert "model.json: not a record of a model's settings and thresholds (findings" in problem


@pytest.mark.parametrize("name", ["$1", "@device", "%train.yaml"])
def test_findings_that_monai_would_evaluate_are_not_handed_to_it(name, tmp_path):
    checkpoint = recorded(tmp_path, "nodule_detection", {}, findings=(name,))
    (problem,) = problems("nodule_detection", "inference.yaml", "run", {"checkpoint": str(checkpoint)})
    assert f"MONAI would not take the finding {name!r} for a name: rename it." in problem
    merged = load([config_of("nodule_detection", "train.yaml")], {"checkpoint": str(checkpoint)}, run_id="evaluating")
    assert (merged.problems.problems, merged.brought) == ([], {}), "evaluating has the findings of the datalist"


def test_a_setting_that_the_bundle_no_longer_has_is_a_warning(tmp_path):
    content = {"bundle": "lung_segmentation", "findings": ["Lungs"], "settings": {"image_size": 256, "levels": 3}}
    (tmp_path / "model.json").write_text(json.dumps(content))
    (tmp_path / "model.pt").write_bytes(b"weights")
    overrides = {"checkpoint": str(tmp_path / "model.pt")}
    merged = load([config_of("lung_segmentation", "train.yaml")], overrides, run_id="evaluating")
    (warning,) = merged.problems.warnings
    assert str(warning).endswith("model.json: levels is no setting of this bundle, and is left out.")


def test_a_datalist_or_phantoms_must_have_the_findings_of_the_weights(tmp_path):
    checkpoint = recorded(tmp_path, "nodule_detection", {}, findings=("Nodule", "Mass"))
    merged = load([config_of("nodule_detection", "train.yaml")], {"checkpoint": str(checkpoint)}, run_id="evaluating")
    texts = [str(each) for each in check(merged, "evaluating").problems]
    assert len(texts) == 1
    assert texts[0].endswith("phantoms#findings: it lacks 'Mass', which is to be evaluated; it has Nodule.")


@pytest.mark.parametrize("bundle", sorted(NETWORKS))
def test_the_shipped_weights_have_the_record_that_their_config_would_write(bundle):
    record = json.loads((BUNDLES / bundle / "models/model.json").read_text())
    assert record["bundle"] == bundle
    assert record["version"] == json.loads((BUNDLES / bundle / "configs/metadata.json").read_text())["version"]
    assert record["settings"] == trained_settings(load([config_of(bundle, "train.yaml")], run_id="training"))
    merged = load([config_of(bundle, "inference.yaml")], run_id="run")
    assert merged.brought == {}, "inference.yaml has the settings of the shipped weights"
