"""The command, and what its processes import."""

import subprocess
import sys

import pytest
import yaml

from app.cli import main
from app.service.service import _locked
from app.service.spool import Shard
from tests.app.service.test_settings import GOOD

HEAVY = ("torch", "monai", "mlflow", "highdicom", "matplotlib", "cv2")


def test_only_the_scorer_imports_the_model():
    modules = "app.service.service, app.service.receiving, app.service.polling, app.service.sending, sys"
    code = f"import {modules}; print(*(name for name in {HEAVY} if name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b"])
def test_a_wrong_shard_is_refused(tmp_path, capsys, shard):
    assert main(["serve", str(tmp_path / "a.yaml"), "--shard", shard]) == 1
    assert "give i/N, such as 1/4" in capsys.readouterr().err


def test_settings_can_be_checked_alone(tmp_path, capsys):
    path = tmp_path / "service.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert main(["serve", str(path), "--check"]) == 0
    path.write_text(yaml.safe_dump({**GOOD, "spoool": "a"}))
    assert main(["serve", str(path), "--check"]) == 1
    assert "spoool: Extra inputs are not permitted" in capsys.readouterr().err


def test_two_services_do_not_share_a_shard(spool):
    refused = pytest.raises(ValueError, match=r"another service works with this spool \(shard 1-of-2\)")
    with _locked(spool, Shard(1, 2)), _locked(spool, Shard(2, 2)), refused:
        _locked(spool, Shard(1, 2))
