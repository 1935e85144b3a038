"""The suite itself: a test that dies or hangs ends the run, named."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("body", ["os.kill(os.getpid(), 11)", "time.sleep(60)"])
def test_a_dead_or_hanging_test_ends_the_run_with_its_name(tmp_path, body):
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(f"import os, time\n\ndef test_dies():\n    {body}\n")
    (options,) = re.findall(r"-m pytest (.*)", (ROOT / "Makefile").read_text())
    settings = ["-c", str(ROOT / "pyproject.toml"), "--timeout", "2", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), *settings], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 1
    assert re.search(r"crashed while running '.*test_dies'", done.stdout)
