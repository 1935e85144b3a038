"""What `pip install .` brings: built by way of the source distribution, unpacked, and run from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("app", "bundles", "evaluation", "frugal.py", "transforms")
"""Of what an installation consists."""
BUNDLED = {
    "configs": {".conf", ".json", ".yaml"},
    "docs": {".csv", ".md", ".png", ".yaml"},
    "models": {".json", ".pt"},
    "studies": {".yaml"},
}
"""Suffixes of what the folders of a bundle may hold."""
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
COMMANDS = "import json, sys; from app.cli import main; sys.exit(any(map(main, json.loads(sys.argv[1]))))"
"""Several command lines of `frugal` in one process, which takes seconds to start."""
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "data", "dist", "runs")
TOY = {
    "phantoms": {"count": 20, "seed": 0, "size": 64, "findings": ["Nodule"]},
    "image_size": 64,
    "batch_size": 8,
    "max_epochs": 1,
    "blocks": [1, 1, 1, 1],
    "growth": 4,
    "stem": 8,
    "precision": "float32",
}
PHANTOMS = "data/phantoms-nodule-20-64-0"


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a distribution as pip does, with the setuptools that is installed."""
    done = subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.iterdir())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a copy of this repository, with what a working copy holds besides."""
    source = tmp_path_factory.mktemp("copy") / "source"
    shutil.copytree(ROOT, source, ignore=lambda path, names: IGNORED(path, names) if path == str(ROOT) else ())
    (source / "bundles/nodule_detection/models/notes.txt").write_text("stray")
    (source / "bundles/nodule_detection/runs").mkdir()
    (source / "bundles/nodule_detection/runs/model.pt").write_text("stray")
    return build("build_sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the source distribution builds by itself."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build("build_wheel", next(folder.iterdir()), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, in place of ``site-packages``."""
    folder = tmp_path_factory.mktemp("installation")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installation: Path, folder: Path, *words: str, fails: bool = False) -> str:
    """Run Python in a folder, with the installation before everything else; what it prints to either stream."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FRUGAL_", "MLFLOW_"))}
    environment |= {"PYTHONPATH": str(installation), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def is_allowed(name: str) -> bool:
    """Whether a file belongs in the wheel: Python and weights of the application, parts of bundles, metadata."""
    path = PurePosixPath(name)
    top, *rest = path.parts
    if top.endswith(".dist-info"):
        return True
    if name == "app/views/frontal.safetensors":  # the weights of the look at the pixels, which every bundle takes
        return True
    if top != "bundles":
        return top in NEEDED and path.suffix == ".py" and "tests" not in rest
    if len(rest) == 3:
        return path.suffix in BUNDLED.get(rest[1], ())
    return rest == ["__init__.py"] or rest[1:] == ["LICENSE"]


def test_the_wheel_holds_all_of_the_application_and_nothing_else(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert not [name for name in names if not is_allowed(name)]
    listed = subprocess.run(["git", "ls-files", *NEEDED], cwd=ROOT, capture_output=True, text=True)
    # Without git, what lies there.
    kept = listed.stdout.split("\n")[:-1] or [
        path.relative_to(ROOT).as_posix() for top in NEEDED for path in (ROOT / top).rglob("*") if path.is_file()
    ]
    assert {name for name in kept if "__pycache__" not in name} <= names


def test_the_source_distribution_holds_no_tests_and_nothing_stray(sdist: Path):
    with tarfile.open(sdist) as archive:
        tops = {PurePosixPath(member.name).parts[1] for member in archive if member.isfile()}
    files = {"CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md"}
    files |= {"constraints.txt", "pyproject.toml", "setup.cfg"}
    assert tops == {*NEEDED, *files, "frugal_cxr.egg-info"}


def test_commands_find_the_installed_bundles_from_an_empty_folder(installation: Path, tmp_path: Path):
    assert run(installation, tmp_path, "-m", "app", "bundle", "path") == f"{installation / 'bundles'}\n"
    # Installed configs may run their code, and a copy of one may not.
    assert run(installation, tmp_path, "-m", "app", "check", "nodule_detection").startswith("ok: training of")
    shutil.copy(installation / "bundles/nodule_detection/configs/train.yaml", tmp_path / "copy.yaml")
    assert "from outside of the installation" in run(
        installation, tmp_path, "-m", "app", "check", "copy.yaml", fails=True
    )


def test_a_network_is_trained_evaluated_and_applied_in_an_empty_folder_alone(installation: Path, tmp_path: Path):
    before = {path: path.stat().st_mtime_ns for path in installation.rglob("*")}
    toy = [word for key, value in TOY.items() for word in (f"--{key}", str(value))]
    commands = [
        ["train", "nodule_detection", *toy],
        # The weights bring their own settings, the size of the images among them.
        ["evaluate", "runs/nodule_detection", "--precision", "float32"],
        ["predict", "runs/nodule_detection", f"{PHANTOMS}/images", "--precision", "float32"],
    ]
    run(installation, tmp_path, "-c", COMMANDS, json.dumps(commands))
    assert {path.name for path in tmp_path.iterdir()} == {"data", "mlartifacts", "mlflow.db", "mlflow.db.lock", "runs"}
    results = [
        tmp_path / "runs" / name for name in ("nodule_detection", "nodule_detection_test", "nodule_detection_images")
    ]
    trained, evaluated = (json.loads((folder / "metrics.json").read_text()) for folder in results[:2])
    assert evaluated["auc"] == trained["auc"]
    # One finding, so one line for each image, after the head.
    datalist = json.loads((tmp_path / PHANTOMS / "datalist.json").read_text())
    counts = [len((folder / "predictions.csv").read_text().splitlines()) - 1 for folder in results]
    assert counts == [len(datalist["test"])] * 2 + [TOY["phantoms"]["count"]]
    assert {path: path.stat().st_mtime_ns for path in installation.rglob("*")} == before
