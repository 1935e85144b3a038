"""Which store is chosen, and what is said when it cannot be used."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.tracking.deadline import probe
from app.tracking.errors import TrackingError, first_line, without_credentials
from app.tracking.store import Store, choose_store, requested_store

ROOT = Path(__file__).parents[3]


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def test_default_is_what_a_bare_mlflow_ui_shows(tmp_path):
    store = choose_store(None, tmp_path)
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.open_hint("1", "a" * 32) == "mlflow ui"


def test_environment_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/runs.db")
    store = choose_store("sqlite:///mlflow.db", tmp_path)
    assert store.database == tmp_path / "other" / "runs.db"
    assert store.open_hint("1", "a" * 32) == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/other/runs.db"


def test_relative_database_does_not_follow_later_changes_of_folder(monkeypatch, tmp_path):
    store = requested_store("sqlite:///mlflow.db")
    monkeypatch.chdir("/")
    assert store.database == tmp_path / "mlflow.db"


@pytest.mark.parametrize(
    "uri", ["./mlruns", "mlruns", "/data/mlruns", "file:///data/mlruns", "file:mlruns", "C:\\runs"]
)
def test_file_stores_are_refused(uri):
    with pytest.raises(TrackingError, match=r"is a file store, which MLflow no longer writes\. Use a database"):
        requested_store(uri)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
def test_databases_without_a_file_are_refused(uri):
    with pytest.raises(TrackingError, match="names no file"):
        requested_store(uri)


def test_database_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match=r"cannot write the tracking database .*set MLFLOW_TRACKING_URI"):
        choose_store("sqlite:///file/mlflow.db", tmp_path)


def test_unreachable_server_gives_a_local_store_and_one_warning(closed_port, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        store = choose_store(f"http://me:secret@127.0.0.1:{closed_port}/runs", tmp_path / "out")
    assert store == Store(f"sqlite:///{tmp_path}/mlflow.db", intended=f"http://127.0.0.1:{closed_port}/runs")
    (record,) = caplog.records
    assert "does not answer" in record.message
    assert f"{tmp_path}/mlflow.db" in record.message
    assert "secret" not in record.message


def test_probe_gives_up_on_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr("app.tracking.deadline.PROBE_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        answer = probe(f"http://127.0.0.1:{listener.getsockname()[1]}")
    # The socket's own limit and that of the whole question race each other.
    assert answer in ("timed out", "it did not answer within 0.2 seconds")


@pytest.mark.parametrize("uri", ["databricks", "databricks://profile", "postgresql://127.0.0.1:1/mlflow"])
def test_probe_leaves_plugins_alone(uri):
    assert probe(uri) is None


def test_credentials_are_never_shown():
    assert without_credentials("http://me:secret@host:5000/x?token=1") == "http://host:5000/x"
    assert without_credentials("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"
    assert first_line(OSError("http://me:secret@host failed\nmore")) == "OSError: http://host failed"


def test_no_telemetry_even_where_mlflow_was_imported_before(tmp_path):
    code = (
        "import mlflow\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "from app.tracking.clients import quiet_environment\n"
        "before = get_telemetry_client()\n"
        "quiet_environment()\n"
        "print(before is not None, get_telemetry_client())"
    )
    # As on a user's machine: MLflow is silent by itself in tests and on build servers.
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=settings
    )
    assert done.stdout.split() == ["True", "None"]


def test_importing_costs_neither_mlflow_nor_torch():
    code = "import sys, app.tracking; print([m for m in ('mlflow', 'torch', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
