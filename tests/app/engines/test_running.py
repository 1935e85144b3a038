"""The running bundle's config: a misspelt override is refused, plain settings are found."""

from pathlib import Path

import pytest
from monai.bundle import ConfigParser, create_workflow

from app.engines.running import require_used, running_parser, settings

CONFIGS = Path(__file__).parents[3] / "bundles/nodule_detection/configs"


@pytest.fixture
def config() -> dict:
    return {
        "_meta_": {"version": "1"},
        "imports": ["$import torch"],
        "bundle_root": "bundles/x",
        "max_epochs": 3,
        "rates": [1.0, 0.1],
        "pixel_level": True,
        "start_from": None,
        "name": "net",
        "milestones": "$[@max_epochs // 2]",
        "size": {"nested": 3},
        "network": {"_target_": "x.Y", "name": "@name", "rates": "@rates", "on": "@pixel_level", "from": "@start_from"},
        "train": {"trainer": {"epochs": "@max_epochs", "network": "@network", "size": "@size#nested"}},
        "schedule": "$@milestones + [@size::nested]",
        "initialize": ["$print(@schedule)"],
        "training": ["$@train#trainer.run()"],
    }


def test_a_config_that_uses_all_it_has_passes(config):
    require_used(config)


@pytest.mark.parametrize("name", ["train.yaml", "inference.yaml"])
def test_the_shipped_configs_pass(name):
    require_used(ConfigParser.load_config_file(CONFIGS / name))


def test_the_published_form_changes_only_what_there_is():
    own = ConfigParser.load_config_file(CONFIGS / "train.yaml")
    published = ConfigParser.load_config_file(CONFIGS / "published.yaml")
    assert published.keys() <= own.keys()
    require_used(own | published)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("max_epoch", r" Did you mean 'max_epochs'\?"),
        ("pixel-level", r" Did you mean 'pixel_level'\?"),
        ("startfrom", r" Did you mean 'start_from'\?"),
        ("zzz", "$"),
    ],
)
def test_a_misspelt_setting_is_refused_with_its_neighbour(config, key, hint):
    with pytest.raises(ValueError, match=f"unknown setting '{key}': nothing in the config uses it.{hint}"):
        require_used(config | {key: 3})


def test_settings_are_plain_values_alone(config):
    assert settings(config) == {"max_epochs": 3, "rates": [1.0, 0.1], "pixel_level": True, "name": "net"}


def test_outside_of_a_workflow_there_is_no_parser():
    assert running_parser() is None


def test_within_a_workflow_it_is_that_of_the_workflow(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("imports: [$import app.engines.running as running]\nanswer: 1\nrun: [$running.running_parser()]\n")
    workflow = create_workflow(config_file=str(path), workflow_type="infer", run_id="run", answer=42)
    workflow.initialize()
    (parser,) = workflow.run()
    assert parser is workflow.parser
    assert parser.get("answer") == 42
