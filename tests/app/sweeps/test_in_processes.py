"""Processes of this machine: what each sees, and what happens if one is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cluster.shares import deal
from app.sweeps.in_processes import run_in_processes

ROOT = Path(__file__).parents[3]


KILLED_ONCE = """
import os, pathlib
device = os.environ["CUDA_VISIBLE_DEVICES"]
pathlib.Path(f"{device}.{os.getpid()}.began").touch()
if device == "1" and len(list(pathlib.Path().glob("1.*.began"))) == 1:
    os.kill(os.getpid(), 9)
"""


def test_each_process_sees_its_devices_and_a_killed_one_is_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("worker.py").write_text(KILLED_ONCE)
    run_in_processes([sys.executable, "worker.py"], deal("012", 3))
    assert sorted(path.name[0] for path in tmp_path.glob("*.began")) == ["0", "1", "1", "2"]


def test_a_process_that_is_killed_again_and_again_ends_the_call(tmp_path):
    with pytest.raises(ValueError, match="exit statuses -9"):
        run_in_processes([sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"], [()])


SLEEPS = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""
PARENT = """
import sys
from app.sweeps.in_processes import run_in_processes
run_in_processes([sys.executable, *sys.argv[1:]], [()])
"""


def test_sigterm_ends_all_processes(tmp_path):
    begun = tmp_path / "begun"
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "sleeps.py"), str(begun)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 30
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    parent.terminate()
    assert parent.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
