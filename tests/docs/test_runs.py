"""The commands of the documentation are run, page by page, on toy data and at toy size.

All blocks of ``sh`` on a page are run in their order in one folder; those marked ``sh not-run`` and indented commands
are only checked, by ``tests/test_docs.py``. Blocks whose first line is ``# name.py`` or ``# name.yaml`` are written to
that file, and a ``diff`` is applied to the file in its first line.
"""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.cli import main
from tests.docs.pages import PAGES, ROOT, blocks, runs
from tests.docs.toy_data import DATA, nothing

TOY = {"max_epochs": 1, "image_size": 32, "batch_size": 4, "precision": "float32", "prepare#workers": 0}
"""Of every training."""
TOY_PHANTOMS = {"count": 16, "size": 64}
PHANTOMS = {f"phantoms#{name}": value for name, value in TOY_PHANTOMS.items()}
"""Of trainings without a datalist."""
NETWORKS = {"blocks": [1, 1, 1, 1], "growth": 4, "stem": 8}
"""Of nodule detection, which is the bundle that pages train."""
PLAIN = ("mkdir", "cp", "ls", "head")
"""Programs that run as they are."""


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One MLflow store for all pages: making its tables takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        yield


@pytest.mark.parametrize("page", filter(runs, PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    DATA.get(str(page.relative_to(ROOT)), nothing)(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where the key of pseudonyms is kept
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in blocks(page):
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text if block.language == "python" else made_small(block.text))
        if block.language == "diff":
            edit(*block.edits)
        for words in block.commands:
            run(words)


def test_what_is_run():
    """Else a page whose blocks are marked by mistake would pass."""
    number = {page: sum(len(block.commands) for block in blocks(ROOT / page)) for page in DATA}
    # Counted by hand: a plan, a datalist, looking, two trainings, comparing, a report, evaluating and predicting.
    assert number["README.md"] == 9
    assert all(number.values())


def edit(name: str, changes: list[tuple[str, str]]) -> None:
    """Apply a diff of a page to a file, which must hold each part once."""
    text = Path(name).read_text()
    for before, after in changes:
        assert text.count(before) == 1, f"{name}: {before}"
        text = text.replace(before, after)
    Path(name).write_text(text)


def run(words: list[str]) -> None:
    """Run one command line in this process, at toy size."""
    command = " ".join(words)
    if words[0] == "frugal":
        words = SMALL[words[1]](words) if words[1] in SMALL else words
        assert main(words[1:]) == 0, command
    elif words[0] == "python" and words[1].endswith(".py"):
        runpy.run_path(words[1], run_name="__main__")
    elif words[0] in PLAIN:
        subprocess.run(words, check=True)
    else:
        pytest.fail(f"{command}: the tests cannot run this; mark its block as `sh not-run`")


def small(words: list[str]) -> list[str]:
    """A training with the settings of a toy in the place of its own."""
    network = NETWORKS if words[2] == "nodule_detection" else {}
    toy = {f"--{name}": str(value) for name, value in {**TOY, **PHANTOMS, **network}.items()}
    own = [place for place, word in enumerate(words) if word in toy]
    kept = [word for place, word in enumerate(words) if place not in own and place - 1 not in own]
    return [*kept, *(each for option in toy.items() for each in option)]


def few_folds(words: list[str]) -> list[str]:
    """An audit that trains two folds with the settings of a toy in the place of its own."""
    words = [*words]
    words[words.index("--folds") + 1] = "2"
    own = words.index("--set")
    return [*words[:own], *words[own + 2 :], *(f"--set={name}={value}" for name, value in {**TOY, **NETWORKS}.items())]


SMALL = {"train": small, "audit": few_folds}


def made_small(text: str) -> str:
    """A study with the settings of a toy and one seed."""
    study = yaml.safe_load(text)
    if "bundle" not in study:
        return text
    small = {"fixed": {**study.get("fixed", {}), **TOY, **NETWORKS}, "seeds": [0]}
    if "phantoms" in study.get("data", {}):
        small["data"] = {**study["data"], "phantoms": {**study["data"]["phantoms"], **TOY_PHANTOMS}}
    return yaml.safe_dump(study | small)
