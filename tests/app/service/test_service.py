"""The command, and what its processes import."""

import subprocess
import sys
import time

import pytest
import yaml

from app.cli import main
from app.service.service import _locked, _record, sources_path, table_path
from app.service.settings import Settings
from app.service.spool import Shard
from app.service.table import Table
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


def test_services_agree_on_the_number_of_shards(spool):
    with _locked(spool, Shard(2, 2)), pytest.raises(ValueError, match=r"works with this spool \(shard 2-of-2\)"):
        _locked(spool, Shard(1, 3))
    _locked(spool, Shard(1, 3)).close()  # the other one has stopped
    assert (spool.folder / "key").exists()


def test_a_table_that_cannot_be_opened_is_told_of_in_one_line(tmp_path, capsys):
    path = tmp_path / "service.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "spool": str(tmp_path / "spool")}))
    (tmp_path / "spool/sources.sqlite").mkdir(parents=True)
    assert main(["serve", str(path)]) == 1
    error = f"frugal: error: {tmp_path}/spool: its tables cannot be used: unable to open database file\n"
    assert capsys.readouterr().err == error


def test_rows_are_forgotten_whether_or_not_days_are_recorded(spool):
    start = time.time() - 3 * 86400
    for path in (table_path(spool, Shard()), sources_path(spool)):
        Table(path).begin("s0-i0", start, start)
    settings = Settings.model_validate({**GOOD, "spool": spool.folder, "tracking": None, "keep_rows_days": 2})
    _record(settings, Shard(), 0)
    assert all(Table(path).first() is None for path in (table_path(spool, Shard()), sources_path(spool)))
