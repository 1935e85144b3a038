"""The command line: fast to start, one clear message for wrong input, and datalists made and shown by it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import SECTIONS

ENTRY = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """ChestX-ray14 of thirty patients with one image each, every other one with a nodule, the first with a box."""
    folder = tmp_path / "tables"
    folder.mkdir()
    rows = [f"{n:08}_000.png,{'Nodule' if n % 2 else 'No Finding'},0,{n},50,F,PA\n" for n in range(1, 31)]
    (folder / "Data_Entry_2017.csv").write_text(ENTRY + "".join(rows))
    (folder / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Nodule,10,20,30,40\n"
    )
    return folder


def test_starting_imports_nothing_heavy():
    code = "import sys; from app.cli import parser; parser(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "monai", "numpy", "mlflow", "matplotlib", "cv2", "pydicom"} & set(modules)


def test_ctrl_c_ends_a_command_with_one_line(monkeypatch, capsys):
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.installed.bundle_names", interrupted)
    assert main(["bundle", "list"]) == 130
    assert capsys.readouterr().err == "frugal: interrupted\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["datalist", "--help"], ["datalist", "nih", "--help"], ["split", "--help"]]
)
def test_help_is_given(words: list[str], capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert "usage: frugal" in capsys.readouterr().out


def test_help_of_a_data_set_tells_its_own_options(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["datalist", "nih", "--help"])
    text = capsys.readouterr().out
    assert all(option in text for option in ("--rsna", "--experts", "--official-split", "--images", "--split"))


def test_a_datalist_is_made_and_accounted_for(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "made" / "list.json"
    words = ["datalist", "nih", "--tables", str(tables), "--out", str(out), "--findings", "nodule", "--seed", "1"]
    assert main(words) == 0
    datalist = read_datalist(out)
    assert datalist.findings == ("Nodule",)
    assert [len(datalist.sections[section]) for section in SECTIONS] == [21, 3, 6]
    assert "rows of the label table: 30" in capsys.readouterr().out


def test_only_stored_images_are_taken(tables: Path, tmp_path: Path):
    (tmp_path / "images").mkdir()
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / "images" / f"{number:08}_000.png"), np.zeros((512, 512), np.uint8))
    out = tmp_path / "list.json"
    words = ["datalist", "nih", "--tables", str(tables), "--images", str(tmp_path / "images"), "--out", str(out)]
    assert main([*words, "--split", "1,0,0"]) == 0
    first = json.loads(out.read_text())["training"][0]
    assert first["image"] == "images/00000001_000.png"
    assert first["boxes"][0] == {"finding": "Nodule", "x": 5.0, "y": 10.0, "width": 15.0, "height": 20.0}


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--findings", "Nodul"], "unknown finding 'Nodul'. Did you mean 'Nodule'?"),
        (["--images", "absent"], "absent: no such folder of images"),
        (["--rsna"], "holds no rsna_stage_2_train_labels.csv[.gz] or stage_2_train_labels.csv[.gz]"),
    ],
    ids=["finding", "folder", "table"],
)
def test_wrong_input_is_one_message_and_exit_1(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture, extra: list[str], message: str
):
    assert main(["datalist", "nih", "--tables", str(tables), "--out", str(tmp_path / "l.json"), *extra]) == 1
    error = capsys.readouterr().err
    assert error.startswith("frugal: error: ")
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "l.json").exists()


def test_a_traceback_is_shown_on_demand(tmp_path: Path):
    with pytest.raises(ValueError, match="no such folder of tables"):
        main(["--traceback", "datalist", "nih", "--tables", str(tmp_path / "no"), "--out", str(tmp_path / "l.json")])


@pytest.mark.parametrize("shares", ["0.5,0.5", "1,1,1", "a,b,c", "0,0,0", "nan,0,1", "2,-1,0"])
def test_wrong_shares_are_a_wrong_call(tables: Path, tmp_path: Path, shares: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as caught:
        main(["datalist", "nih", "--tables", str(tables), "--out", str(tmp_path / "l.json"), "--split", shares])
    assert caught.value.code == 2
    assert (
        "must be three shares from 0 to 1, for training, validation and test, together 1, such as"
        in capsys.readouterr().err
    )


def test_an_external_test_set_is_made_and_split_anew(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "external.json"
    assert main(["datalist", "nih", "--tables", str(tables), "--out", str(out), "--split", "0,0,1"]) == 0
    assert "nothing in: training, validation" in capsys.readouterr().out
    assert [len(read_datalist(out).sections[section]) for section in SECTIONS] == [0, 0, 30]
    assert main(["split", str(out), str(tmp_path / "again.json"), "--shares", "0,0.5,0.5"]) == 0
    assert [len(read_datalist(tmp_path / "again.json").sections[section]) for section in SECTIONS] == [0, 15, 15]
    for words in (["--images", "3"], ["--patients", "0.5"], ["--level", "image"], ["--uncertain", "0.1"]):
        assert main(["degrade", str(out), str(tmp_path / "cheap.json"), *words]) == 1
        error = capsys.readouterr().err
        assert "section 'training' holds no item to change (those that hold any: test)" in error


def test_an_unwritable_place_is_one_message(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "file").touch()
    assert main(["datalist", "nih", "--tables", str(tables), "--out", str(tmp_path / "file" / "l.json")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_show_tells_what_is_held_and_what_is_wrong(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "list.json"
    main(["datalist", "nih", "--tables", str(tables), "--out", str(out)])
    assert main(["datalist", "show", str(out), "--csv", str(tmp_path / "counts" / "list.csv")]) == 0
    assert (tmp_path / "counts" / "list.csv").read_text().startswith("finding,section,present,absent,")
    assert "No problem found (files not looked at: --files)." in capsys.readouterr().out
    assert main(["datalist", "show", str(out), "--files"]) == 1
    captured = capsys.readouterr()
    assert "Images with both findings present" in captured.out
    assert "30 problems" in captured.err
    assert "no such image file" in captured.err


def test_split_mends_patients_in_two_sections(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "list.json"
    main(["datalist", "nih", "--tables", str(tables), "--out", str(path)])
    content = json.loads(path.read_text())
    for section in SECTIONS:
        content[section][0]["patient"] = "same"
    path.write_text(json.dumps(content))
    assert main(["datalist", "show", str(path)]) == 1
    assert main(["split", str(path), str(tmp_path / "sub" / "mended.json")]) == 0
    mended = read_datalist(tmp_path / "sub" / "mended.json")
    # One folder further down, so that the paths lead one folder up.
    assert mended.sections["test"][0].image.startswith("../0000")


def test_split_writes_a_file_a_fold(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "list.json"
    main(["datalist", "nih", "--tables", str(tables), "--out", str(path)])
    assert main(["split", str(path), str(tmp_path / "fold_{fold}.json"), "--folds", "3"]) == 0
    tests = [read_datalist(tmp_path / f"fold_{fold}.json").sections["test"] for fold in range(3)]
    assert len({item.image for test in tests for item in test}) == 30
    assert main(["split", str(path), str(tmp_path / "folds.json"), "--folds", "3"]) == 1
    assert "with --folds the name must hold {fold}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), ("{}\n", "is no journal of a tracking outage")]
)
def test_syncing_what_is_no_journal_is_refused(tmp_path, capsys, content, message):
    journal = tmp_path / "tracking-x.jsonl"
    if content:
        journal.write_text(content)
    assert main(["sync", str(journal)]) == 1
    assert message in capsys.readouterr().err
