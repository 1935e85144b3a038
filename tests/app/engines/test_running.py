"""The running bundle's config, found from within it; which of its values are plain settings."""

import pytest
from monai.bundle import create_workflow

from app.engines.running import running_parser, settings


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
