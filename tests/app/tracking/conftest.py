"""A fresh tracking store for each test, copied from one that is made once, as making the tables takes seconds."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.tracking.clients import open_client
from app.tracking.store import Store

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with tables and no run."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    open_client(Store(f"sqlite:///{path}"))
    return path


@pytest.fixture
def place(tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory that holds a ready mlflow.db, with no tracking setting from outside."""
    shutil.copy(template_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    return tmp_path


@pytest.fixture
def start(place: Path) -> Callable[..., subprocess.Popen]:
    """Start a process in ``place`` whose body runs within ``with Run("study", folder=Path("out")) as run``.

    Two at once need folders of their own.
    """
    started = []

    def start_process(body: str, folder: str = "out") -> subprocess.Popen:
        lines = [
            "import os, signal, subprocess, sys, time",
            "from pathlib import Path",
            "from app.tracking import Run",
            # A shell that runs the tests in the background makes its children ignore Ctrl-C.
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            f"with Run('study', folder=Path({folder!r})) as run:",
            "    print(run.id, flush=True)",
            *(f"    {line}" for line in body.splitlines()),
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + "\n".join(lines)],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.kill()
        process.wait()
