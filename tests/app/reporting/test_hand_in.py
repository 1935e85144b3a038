"""``frugal report --hand-in``: every file is there, complete, and names no patient."""

import re
from pathlib import Path

import pytest

from app.cli import main

NAMES = ("report", "claim_2024", "stard_ai", "tripod_ai", "model_card")


@pytest.fixture(scope="module")
def handed_in(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command wrote."""
    folder = tmp_path_factory.mktemp("handed") / "in"
    assert main(["report", str(run_folder), "--hand-in", str(folder)]) == 0
    return folder


def test_all_files(handed_in):
    expected = {"report.html", "pictures", *(f"{name}{end}" for name in NAMES for end in (".md", "_plain.html"))}
    assert {path.name for path in handed_in.iterdir()} == expected
    assert [path.name for path in (handed_in / "pictures").iterdir()] == ["flow.svg"]


def test_nobody_is_named(handed_in):
    for path in handed_in.rglob("*.*"):
        text = re.sub('base64,[^"]+', "", path.read_text(encoding="utf-8"))
        assert not re.search(r"Mustermann|scan\d|study\d|Person\d", text), path.name


def test_markdown_and_page_hold_the_same_tables(handed_in):
    page, markdown = (handed_in / "report.html").read_text(), (handed_in / "report.md").read_text()
    for heading in (
        "Flow of cases",
        "Who the patients are",
        "What it reached",
        "Subgroups",
        "Model card and checklists",
    ):
        assert f"<h2>{heading}</h2>" in page
        assert f"## {heading}" in markdown
    assert "![Flow of cases, from the tables to those that were measured.](pictures/flow.svg)" in markdown
    assert "| present, called |" in markdown


def test_one_file_or_a_folder(run_folder, tmp_path, capsys):
    wanted = ["report", str(run_folder), "--hand-in", str(tmp_path / "a"), "--out", str(tmp_path / "b.html")]
    assert main(wanted) == 1
    assert "choose one" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_refused(run_folder, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert main(["report", str(run_folder), "--hand-in", str(tmp_path / "taken")]) == 1
    assert "taken" in capsys.readouterr().err
