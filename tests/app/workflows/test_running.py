"""What MONAI is told of a command's overrides."""

from pathlib import Path

import monai.bundle
import pytest

from app.workflows.running import start


def test_null_is_a_value(monkeypatch: pytest.MonkeyPatch):
    # MONAI drops None: `weights: null` of a study would leave the bundle's own weights.
    told = {}
    monkeypatch.setattr(monai.bundle, "run", lambda **settings: told.update(settings))
    start([Path("train.yaml")], "training", {"weights": None, "max_epochs": 3})
    assert (told["weights"], told["max_epochs"]) == ("$None", 3)
