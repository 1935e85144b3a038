"""The configuration of a launch: from the command line, from a workflow made in Python, or not known."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, create_workflow

from app.checking import CheckError
from app.engines.configuration import (
    Configuration,
    RadiographWorkflow,
    command_line_configuration,
    configuration_of,
    settings,
    workflow_arguments,
)

ROOT = Path(__file__).parents[3]
TRAIN = str(ROOT / "bundles/limited_annotation/configs/train.yaml")
PUBLISHED = str(ROOT / "bundles/limited_annotation/configs/published.yaml")
RETURNED = (
    "imports: [$import app.engines as engines]\nanswer: 1\n"
    "configuration: $engines.command_line_configuration()\nrun: ['@configuration']\n"
)


def test_settings_are_plain_values_alone():
    config = {
        "imports": ["$import torch"],
        "bundle_root": "bundles/x",
        "max_epochs": 3,
        "rates": [1.0, 0.1],
        "pixel_level": True,
        "start_from": None,
        "name": "net",
        "milestones": "$[@max_epochs // 2]",
        "size": {"nested": 3},
        "network": {"_target_": "x.Y", "name": "@name"},
        "training": ["$@train#trainer.run()"],
    }
    assert settings(config) == {"max_epochs": 3, "rates": [1.0, 0.1], "pixel_level": True, "name": "net"}


WORDS = {
    "run id first": ("run evaluating --config_file a.yaml --lr 0.5", ("a.yaml",), {"lr": 0.5}, "evaluating"),
    "run id by name": ("run --run_id=training --config_file a.yaml", ("a.yaml",), {}, "training"),
    "no run id": ("run --config_file ['a.yaml','b.yaml'] --resume True", ("a.yaml", "b.yaml"), {"resume": True}, "run"),
    "deep": (
        "run training --config_file a.yaml --train#step#clip 1.0",
        ("a.yaml",),
        {"train#step#clip": 1.0},
        "training",
    ),
    "MONAI's own": (
        "run training --config_file a.yaml --init_id begin --meta_file m.json",
        ("a.yaml",),
        {},
        "training",
    ),
    "a dash, a sign": ("run --config-file a.yaml --batch-size -1", ("a.yaml",), {"batch_size": -1}, "run"),
    "another command": ("run_workflow --config_file a.yaml --run_id x --lr 0.5", ("a.yaml",), {"lr": 0.5}, "x"),
    "in a row": ("run training begin end m.json a.yaml --seed 1", ("a.yaml",), {"seed": 1}, "training"),
}


@pytest.mark.parametrize(("words", "files", "overrides", "run_id"), WORDS.values(), ids=WORDS)
def test_a_command_line_is_read_as_monai_reads_it(words: str, files: tuple, overrides: dict, run_id: str):
    configuration = configuration_of(workflow_arguments(words.split()))
    assert (configuration.files, configuration.overrides, configuration.run_id) == (files, overrides, run_id)


def test_arguments_from_a_file_are_defaults(tmp_path: Path):
    path = tmp_path / "arguments.json"
    path.write_text('{"config_file": "a.yaml", "max_epochs": 3, "seed": 1, "run_id": "training"}')
    configuration = configuration_of(workflow_arguments(["run", "--args_file", str(path), "--seed", "2"]))
    assert configuration.files == ("a.yaml",)
    assert configuration.overrides == {"max_epochs": 3, "seed": 2}
    assert configuration.run_id == "training"


def test_it_is_known_on_monais_command_line_alone(monkeypatch: pytest.MonkeyPatch):
    assert command_line_configuration().config == {}
    program = SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", program)
    monkeypatch.setattr(sys, "argv", ["monai", "run", "training", "--config_file", TRAIN, "--max_epochs", "7"])
    assert command_line_configuration().config["max_epochs"] == 7


def test_monais_command_line_hands_over_to_a_workflow_with_the_settings_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    text = "preprocessing: {size: '@size'}\nsize: 256\ncheckpoint: null\n"
    text += "run: ['$print(@configuration and @size, @checkpoint)']\n"
    (tmp_path / "config.yaml").write_text(RETURNED.replace("run: ['@configuration']\n", text))
    (tmp_path / "model.json").write_text('{"findings": [], "settings": {"size": 128}}')
    (tmp_path / "model.pt").write_bytes(b"weights")
    monkeypatch.setenv("FRUGAL_TRUSTED", str(tmp_path))
    words = ["run", "--config_file", str(tmp_path / "config.yaml"), "--checkpoint", str(tmp_path / "model.pt")]
    program = SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", program)
    monkeypatch.setattr(sys, "argv", ["monai", *words])
    with pytest.raises(SystemExit) as ended:
        create_workflow(config_file=words[2], checkpoint=words[4], workflow_type="infer").run()
    assert not ended.value.code
    assert capsys.readouterr().out.splitlines()[-1] == f"128 {words[4]}", "printed once, with the size of the weights"
    (tmp_path / "model.json").write_text('{"findings": [], "settings": {"size": 256}}')
    create_workflow(config_file=words[2], checkpoint=words[4], workflow_type="infer").run()
    assert capsys.readouterr().out.splitlines()[-1] == f"256 {words[4]}", "nothing to hand over"


def test_nothing_of_a_hostile_record_reaches_monai(tmp_path: Path):
    inference = TRAIN.replace("train.yaml", "inference.yaml")
    (tmp_path / "model.json").write_text('{"findings": [], "settings": {"image_size": "$import antigravity"}}')
    (tmp_path / "model.pt").write_bytes(b"weights")
    workflow = create_workflow(
        RadiographWorkflow, inference, workflow_type="infer", init_id="none", checkpoint=str(tmp_path / "model.pt")
    )
    assert workflow.parser["image_size"] == 192
    with pytest.raises(CheckError, match="would run '\\$import antigravity'"):
        workflow.parser["configuration"].require_good()


def test_it_is_the_config_that_monai_makes_of_files_and_overrides():
    # The second implementation: MONAI's own parser.
    parser = ConfigParser()
    parser.read_config([TRAIN, PUBLISHED])
    parser["max_epochs"], parser["optimizer::weight_decay"] = 2, 0.5
    configuration = Configuration([TRAIN, PUBLISHED], {"max_epochs": 2, "optimizer#weight_decay": 0.5})
    parser.resolve_macro_and_relative_ids()
    expected = {name: value for name, value in parser.get().items() if name != "_meta_"}
    assert str(configuration.config).replace("#", "::") == str(expected).replace("#", "::")


def test_a_workflow_made_in_python_hands_its_own_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.yaml"
    path.write_text(RETURNED)
    monkeypatch.setenv("FRUGAL_TRUSTED", str(tmp_path))
    workflow = create_workflow(RadiographWorkflow, str(path), workflow_type="infer", answer=42)
    (configuration,) = workflow.run()
    assert configuration.files == (str(path),)
    assert configuration.overrides == {"answer": 42}
    assert configuration.config["answer"] == 42


def test_values_of_a_program_are_those_of_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.yaml"
    path.write_text(RETURNED)
    monkeypatch.setenv("FRUGAL_TRUSTED", str(tmp_path))
    values = {"answer": (1, 2), "output_dir": Path("runs"), "phantoms": {"split": (0.5, 0.5)}}
    workflow = create_workflow(RadiographWorkflow, str(path), workflow_type="infer", **values)
    (configuration,) = workflow.run()
    written = {"answer": [1, 2], "output_dir": "runs", "phantoms": {"split": [0.5, 0.5]}}
    assert configuration.overrides == written
    assert {name: workflow.parser[name] for name in written} == written


def test_its_text_is_yaml_whatever_a_program_put_into_it():
    configuration = Configuration([TRAIN], {"device": torch.device("cpu"), "max_epochs": 3})
    read = yaml.safe_load(configuration.text)
    assert (read["device"], read["max_epochs"]) == ("cpu", 3)


def test_an_unknown_one_is_told_and_hinders_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "config.yaml"
    path.write_text(RETURNED)
    (configuration,) = create_workflow(config_file=str(path), workflow_type="infer").run()
    assert configuration.config == {}
    configuration.require_good()
    assert "add workflow_name='app.engines.RadiographWorkflow'" in caplog.text


def test_one_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(CheckError, match="command line: max_epochs: max_epochs is 0; at least 1 is allowed"):
        Configuration([TRAIN], {"max_epochs": 0}, "training").require_good()
