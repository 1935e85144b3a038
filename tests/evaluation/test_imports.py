"""The package stands on its own."""

import subprocess
import sys

HEAVY = ("monai", "torch", "app", "transforms", "scipy", "sklearn", "matplotlib", "pandas")


def test_importing_it_imports_numpy_alone():
    code = f"import sys, evaluation; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_it_imports_in_under_a_second():
    # Processor time of the child, without numpy's own, so that a busy machine does not fail it.
    code = "import time, numpy; t = time.process_time(); import evaluation; print(time.process_time() - t)"
    best = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    assert best < 1
