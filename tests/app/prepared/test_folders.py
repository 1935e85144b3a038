"""Folders of prepared radiographs are listed, and removed only if nobody uses them."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from app.cli import main
from app.prepared.folders import LOCK, FolderUse, prepared_folders, remove_unused

DAY = 86400


@pytest.fixture
def parent(tmp_path):
    """Two folders: ``new``, used today, and ``old``, used 40 days ago."""
    for name, days in (("new", 0), ("old", 40)):
        folder = tmp_path / name
        folder.mkdir()
        transforms = [["transforms.load.LoadRadiographd", {}, []], ["transforms.clahe.CLAHEd", {}, []]]
        (folder / "transform.json").write_text(json.dumps({"transforms": transforms}))
        (folder / "1.data").write_bytes(bytes(1000))
        (folder / LOCK).touch()
        for path in folder.iterdir():
            os.utime(path, (time.time() - days * DAY,) * 2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    return tmp_path


def test_folders_are_listed_the_last_used_first(parent):
    new, old = prepared_folders(parent)
    assert (new.path.name, old.path.name) == ("new", "old")
    assert old.days == pytest.approx(40, abs=0.01)
    assert old.transforms == "LoadRadiographd, CLAHEd"
    assert old.size == 1000 + (parent / "old" / "transform.json").stat().st_size
    assert not old.is_used


def test_what_was_not_used_for_long_is_removed_and_nothing_else(parent):
    removed, used = remove_unused(parent, 30)
    assert [folder.path.name for folder in removed] == ["old"]
    assert used == []
    assert sorted(path.name for path in parent.iterdir()) == ["new", "other"]


def test_what_is_used_is_kept_by_any_holder(parent):
    first, second = FolderUse(parent / "old"), FolderUse(parent / "old")
    os.utime(parent / "old" / LOCK, (0, 0))
    first.close()  # of two in one process, one is left
    removed, used = remove_unused(parent, 30)
    assert (removed, [folder.path.name for folder in used]) == ([], ["old"])
    assert used[0].is_used
    second.close()
    assert [folder.path.name for folder in remove_unused(parent, 30)[0]] == ["old"]


def _hold(folder, ready, done):
    use = FolderUse(folder)
    os.utime(folder / LOCK, (0, 0))
    ready.set()
    done.wait(30)
    use.close()


def test_another_process_keeps_it_until_it_dies(parent):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(parent / "old", ready, done))
    child.start()
    assert ready.wait(30)
    assert remove_unused(parent, 30)[0] == []
    child.kill()
    child.join()
    assert [folder.path.name for folder in remove_unused(parent, 30)[0]] == ["old"]


def test_using_it_makes_it_new(parent):
    FolderUse(parent / "old").close()
    assert remove_unused(parent, 30) == ([], [])


def test_the_command_lists_and_prunes(parent, capsys):
    assert main(["prepared", str(parent)]) == 0
    assert "40 days ago  LoadRadiographd, CLAHEd" in capsys.readouterr().out
    assert main(["prepared", str(parent), "--prune", "30"]) == 0
    assert "1 removed from" in capsys.readouterr().out
    assert not (parent / "old").exists()
    use = FolderUse(parent / "new")
    assert main(["prepared", str(parent), "--prune", "0"]) == 0
    assert "1 kept, since a process uses them" in capsys.readouterr().out
    use.close()


@pytest.mark.parametrize(("words", "message"), [(["nowhere"], "no such folder"), ([".", "--prune", "-1"], "0 or more")])
def test_a_wrong_call_says_so(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["prepared", *words])
    except SystemExit as stop:
        status = stop.code
    assert status
    assert message in capsys.readouterr().err
    assert not Path("nowhere").exists()
