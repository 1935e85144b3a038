"""``frugal train``, ``evaluate`` and ``predict`` as they are typed: run in this process, refused before they begin."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import app
from app import interrupts
from app.cli import main
from app.datalist.file import read_datalist
from app.phantoms import write_phantoms
from app.workflows import running

ROOT = Path(__file__).parents[3]
OURS = ("app", "evaluation", "transforms")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder but for modules of the user's that are named like ours."""
    for name in OURS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the user')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def run(words: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return main(words.split())


def test_a_bundle_is_trained_evaluated_and_applied(folder: Path, capfd: pytest.CaptureFixture):
    datalist = write_phantoms(folder / "data", 20, 0, 64, ("Lungs",), split=(0.4, 0.2, 0.4), workers=1, progress=False)
    words = "--image_size 64 --batch_size 4 --precision float32 --prepare#workers 0"
    assert run(f"train lung_segmentation {words} --max_epochs 1 --datalist data/{datalist.name}") == 0
    trained = (folder / "runs/lung_segmentation/predictions.csv").read_bytes()
    # Size and data are those of the training.
    assert run("evaluate runs/lung_segmentation --precision float32") == 0
    assert (folder / "runs/lung_segmentation_test/predictions.csv").read_bytes() == trained
    (folder / "images").mkdir()
    test = read_datalist(datalist).sections["test"]
    for item in test:
        shutil.copy(datalist.parent / item.image, folder / "images")
    assert run("predict runs/lung_segmentation images --dataset#workers 0") == 0
    assert len((folder / "runs/lung_segmentation_images/predictions.csv").read_text().splitlines()) == len(test) + 1
    shown = "".join(capfd.readouterr())
    assert "Traceback" not in shown
    assert "arning" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train nodule_detector", "nodule_detector: no such bundle. Did you mean 'nodule_detection'?"),
        (
            "train nodule_detection publised",
            "publised: no such config. Give a file, or one of inference, ",
        ),
        ("train nodule_detection --max_epoch 3", "1 problem (training):\n  command line: max_epoch: unknown setting"),
        (
            "train nodule_detection --datalist x.json",
            "1 problem (training):\n  command line: datalist: x.json: no",
        ),
        (
            "train nodule_detection --output_dir app.py/x",
            "1 problem (training):\n  command line: output_dir: app.py",
        ),
        ("train nodule_detection --tracking mlflow", "--tracking is an option of python -m monai.bundle run alone."),
        (
            "train theirs",
            "theirs/configs/train.yaml: a config from outside of the installation, which may run any",
        ),
        (
            "evaluate nodule_detection --section tests",
            "1 problem (evaluating):\n  command line: section: section is",
        ),
        ("evaluate nodule_detection x", "'x' belongs to no option; settings are given as --key value: frugal evaluate"),
        ("predict nodule_detection absent", "absent: no such folder or datalist; name the radiographs to score"),
        ("bundle copy nodule_detection app.py/x", "{folder}/app.py/x/configs: Not a directory"),
    ],
)
def test_a_refusal_is_a_message_and_leaves_nothing(
    folder: Path, capfd: pytest.CaptureFixture, words: str, message: str
):
    (folder / "theirs/configs").mkdir(parents=True)
    (folder / "theirs/configs/train.yaml").write_text("imports: [$import this]\n")
    before = sorted(folder.rglob("*"))
    assert run(words) == 1
    assert capfd.readouterr().err.startswith(f"frugal: error: {message.format(folder=folder)}")
    assert sorted(folder.rglob("*")) == before


def test_what_fails_later_is_told_in_its_own_words(folder: Path, capfd: pytest.CaptureFixture):
    (folder / "weights.pt").write_text("nothing of a network")
    phantoms = "{'count':6,'seed':0,'size':64,'findings':['Lungs']}"
    words = ["train", "lung_segmentation", "--start_from", "weights.pt", "--phantoms", phantoms]
    assert main(words) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("frugal: error: weights.pt: not a readable checkpoint of weights (")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        main([*words, "--traceback"])
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(("command", "words"), [("train", "; the same command with --resume True"), ("evaluate", "\n")])
def test_ctrl_c_is_a_line(folder: Path, monkeypatch, capfd: pytest.CaptureFixture, command: str, words: str):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "start", interrupt)
    assert main([command, "nodule_detection"]) == 130
    error = capfd.readouterr().err
    assert error.startswith(f"frugal: interrupted{words}")
    assert error.count("\n") == 1


def test_ctrl_c_ends_the_process_where_python_might_lose_it():
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # programs in the background are started without it
from app.interrupts import ended_by_interrupt, without_interrupts
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
with without_interrupts():
    Deleted()
with ended_by_interrupt("the last line"):
    Deleted()
print("not reached")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (interrupts.EXIT_CODE, "", "the last line\n")


@pytest.mark.parametrize("name", OURS)
def test_ours_are_imported_whatever_the_working_folder_holds(folder: Path, name: str):
    # The working folder comes first, as for python -m monai.bundle; other modules in it can be imported.
    (folder / "mine.py").touch()
    code = f"import sys; sys.path.insert(0, ''); import frugal, mine, {name}; print({name}.__file__)"
    environment = {"PYTHONPATH": str(Path(app.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert Path(done.stdout.strip()) == ROOT / name / "__init__.py", done.stderr


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("bundles/*/configs/*.yaml")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_config_that_imports_begins_with_it(path: Path):
    imports = re.findall(r"\$import [\w.]+", path.read_text())
    assert imports[:1] in ([], ["$import frugal"])
