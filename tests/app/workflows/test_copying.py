"""A copy of a bundle: valid under its own name, apart from the original, and itself something to copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.checking import check_files
from app.checking.files import load
from app.cli import main
from app.installed import bundle_names
from app.workflows.copying import copy_bundle


@pytest.mark.parametrize("bundle", bundle_names())
def test_every_bundle_can_be_copied(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", "copy", bundle, "mine"]) == 0
    train = tmp_path / "mine/configs/train.yaml"
    config = load([train], trust=True).config
    assert config["bundle_root"] == str(tmp_path / "mine")
    assert config["output_dir"] == "runs/mine"
    assert config["launch"]["bundle"] == "mine"  # type: ignore[index]
    assert check_files([train], trust=True).problems == ()
    inference = load([tmp_path / "mine/configs/inference.yaml"], trust=True).config
    assert inference["checkpoint"] == f"bundles/{bundle}/models/model.pt", "the weights are still the original's"
    assert inference["output_dir"] == "runs/mine_inference"
    for study in (tmp_path / "mine/studies").glob("*.yaml"):
        content = load([study], trust=True).config
        files = content["bundle"] if isinstance(content["bundle"], list) else [content["bundle"]]
        assert files[0] == str(train)
        assert {Path(file).parent for file in files} == {train.parent}
        assert content["name"] == f"mine_{study.stem}", "a table of its own"
    assert (
        "published" in (tmp_path / "mine/docs/README.md").read_text() or not train.with_name("published.yaml").exists()
    )


def test_a_copy_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    copy_bundle("tube_detection", Path("mine"))
    copy_bundle("mine", Path("further/theirs"))
    config = load([Path("further/theirs/configs/train.yaml")], trust=True).config
    assert (config["bundle_root"], config["output_dir"]) == (str(tmp_path / "further/theirs"), "runs/theirs")
    study = load([Path("further/theirs/studies/grid.yaml")], trust=True).config
    assert study["bundle"] == str(tmp_path / "further/theirs/configs/train.yaml")


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("full", "full: exists already; give a new folder."),
        ("full/file", "full/file: exists already"),
        ("nodule_detection", "the folder's name becomes that of the bundle"),
        ("yes", "the folder's name becomes"),
        ("2025", "the folder's name becomes"),
        ("a b", "the folder's name becomes"),
        ("a b/c", "configs hold this path; give one without spaces"),
    ],
)
def test_a_folder_that_cannot_be_a_bundle_is_refused(
    folder: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").touch()
    with pytest.raises(ValueError, match=message):
        copy_bundle("nodule_detection", Path(folder))
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]
