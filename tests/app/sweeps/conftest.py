"""Study files over a config of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from app.sweeps.study_file import read_sweep
from app.sweeps.sweep import Sweep


@pytest.fixture
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Sweep]:
    """Reads a study file of these keys over the module's ``CONFIG``."""
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(request.module.CONFIG))

    def reader(**content: object) -> Sweep:
        path = tmp_path / "study.yaml"
        content = {"name": "s", "bundle": str(tmp_path / "train.yaml")} | content
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return read_sweep(path, trust=True)

    return reader
