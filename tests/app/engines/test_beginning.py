"""The last words of a run that fails: what went wrong, beneath all that MONAI says of where it was."""

import subprocess
import sys
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from app.checking import CheckError
from app.failures import described, meant
from app.tracking import TrackingError

ROOT = Path(__file__).parents[3]


class Failing:
    """A component whose making fails."""

    def __init__(self, kind: str) -> None:
        try:
            raise KeyError("what was beneath")
        except KeyError as error:
            raise {"value": ValueError("x.json: no such thing"), "other": KeyError("name")}[kind] from error


@pytest.mark.parametrize(("kind", "words"), [("value", "x.json: no such thing"), ("other", "KeyError: 'name'")])
def test_an_error_is_found_beneath_monais_own(kind: str, words: str):
    # A component within an expression within an expression, as launches are.
    config = {"a": {"_target_": f"{__name__}.Failing", "kind": kind}, "b": "$[@a]", "c": "$len(@b)"}
    with pytest.raises(RuntimeError, match="Failed to") as caught:
        ConfigParser(config).get_parsed_content("c")
    assert type(meant(caught.value)) is {"value": ValueError, "other": KeyError}[kind]
    assert described(caught.value) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CheckError("2 problems:\n  a\n  b"), "2 problems:\n  a\n  b"),
        (TrackingError("another launch works in x"), "another launch works in x"),
        (FileNotFoundError("x.pt: no such checkpoint"), "x.pt: no such checkpoint"),
        (RuntimeError("Failed to evaluate x"), "RuntimeError: Failed to evaluate x"),  # nothing is beneath it
        (AssertionError(), "AssertionError"),
    ],
)
def test_described(error: BaseException, words: str):
    assert described(error) == words


# Two runs of MONAI's command line, of 15 s of processor time each: 140 s each where eight others want the core.
@pytest.mark.timeout(900)
def test_they_are_the_last_lines_of_monais_command_line(tmp_path: Path):
    (tmp_path / "weights.pt").write_text("nothing of a network")
    words = ["--config_file", "bundles/lung_segmentation/configs/train.yaml", "--output_dir", str(tmp_path / "out")]
    words += ["--start_from", str(tmp_path / "weights.pt"), "--dataset_dir", str(tmp_path)]
    words += ["--phantoms", "{'count': 6, 'seed': 0, 'size': 64, 'findings': ['Lungs']}"]
    run = [sys.executable, "-m", "monai.bundle", "run", "training", *words]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'weights.pt'}: not a readable checkpoint of weights (")
    assert "Traceback (most recent call last)" in done.stderr
    done = subprocess.run([*run, "--max_epochs", "0"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(
        "error: this configuration cannot run, nothing was done: 1 problem (training):\n"
        "  command line: max_epochs: max_epochs is 0; at least 1 is allowed.\n"
    )
