"""A datalist of drawn lung masks: patients, parts that masks cover, folds; and phantoms' lungs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datasets.lungs import WHOLE, cut, parts_and_patients
from app.files.tables import TableError
from app.phantoms import write_phantoms

HEAD = "image,patient,left,top,width,height\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six radiographs of 40 x 50 pixels with masks; a.png is described by the table, the others are not."""
    for kind in ("images", "masks", "tables"):
        (tmp_path / kind).mkdir()
    for name in "abcdef":
        image = np.tile(np.arange(50, dtype=np.uint8), (40, 1))
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), (image > 25).astype(np.uint8) * 255)
    (tmp_path / "tables" / "lungs.csv").write_text(HEAD + "a.png,p1,0.1,0,0.8,1\nb.png,p1,0,0,1,1\n")
    return tmp_path


def call(folder: Path, *options: str) -> Path:
    out = folder / "out" / "lungs.json"
    words = ["--images", f"{folder}/images", "--masks", f"{folder}/masks", "--tables", f"{folder}/tables"]
    assert main(["datalist", "lungs", *words, "--out", str(out), *options]) == 0
    return out


def test_items_name_images_masks_and_patients(folder):
    datalist = read_datalist(call(folder, "--split", "1,0,0"))
    assert datalist.findings == ("Lungs",)
    items = {Path(item.image).name: item for item in datalist.sections["training"]}
    assert {name: item.patient for name, item in items.items()} == {
        "a.png": "p1", "b.png": "p1", "c.png": "c", "d.png": "d", "e.png": "e", "f.png": "f"
    }  # fmt: skip
    assert items["b.png"].mask == {"Lungs": "../masks/b.png"}
    assert all(item.annotated == ("Lungs",) and item.label == (1,) for item in items.values())


def test_a_part_is_cut_out_and_stretched_to_the_masks_size(folder):
    out = call(folder, "--split", "1,0,0")
    image = cv2.imread(str(out.parent / "images" / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (40, 50)
    # 0.8 of 50 columns from 0.1 on are columns 5 to 44, whose grey value is their number.
    assert (image.min(), image.max()) == (5, 44)
    assert [item.image for item in read_datalist(out).sections["training"] if item.patient == "p1"] == [
        "../images/b.png",
        "images/a.png",
    ]


def test_cut_rounds_to_pixels():
    grey = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(cut(grey, WHOLE), grey)
    np.testing.assert_array_equal(cut(grey, (0.5, 0.0, 0.5, 1 / 3)), [[2, 3]])


def test_folds_are_disjoint_and_cover_and_keep_a_validation_section(folder):
    tests = []
    for fold in range(3):
        sections = read_datalist(call(folder, "--folds", "3", "--fold", str(fold))).sections
        assert sections["training"]
        assert sections["validation"]
        tests += [Path(item.image).name for item in sections["test"]]
    assert sorted(tests) == [f"{name}.png" for name in "abcdef"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,p1,0.3,0,0.8,1", "line 2: part 0.3,0,0.8,1 does not lie inside the image"),
        ("a.png,p1,0,0,0,1", "line 2: part 0,0,0,1 does not lie inside the image"),
        ("a.png,p1,x,0,1,1", "line 2: 'x,0,1,1' are not four numbers"),
    ],
    ids=["beyond", "empty", "text"],
)
def test_bad_parts_are_refused(tmp_path, row, message):
    (tmp_path / "lungs.csv").write_text(HEAD + row + "\n")
    with pytest.raises(TableError, match=message):
        parts_and_patients(tmp_path / "lungs.csv")


def test_a_missing_mask_and_a_missing_fold_are_named(folder, capsys):
    words = ["datalist", "lungs", "--images", f"{folder}/images", "--masks", f"{folder}/masks"]
    words += ["--tables", f"{folder}/tables", "--out", str(folder / "out" / "lungs.json")]
    assert main([*words, "--fold", "5"]) == 1
    assert "fold 5: must be from 0 to 4" in capsys.readouterr().err
    (folder / "masks" / "c.png").unlink()
    assert main(words) == 1
    assert "c.png: no mask of this name in" in capsys.readouterr().err


def test_phantoms_outline_two_lungs(tmp_path):
    with_lungs = write_phantoms(tmp_path / "lungs", 2, 0, size=96, findings=["Lungs"], workers=1, progress=False)
    for item in read_datalist(with_lungs).sections["training"]:
        mask = cv2.imread(str(with_lungs.parent / item.mask["Lungs"]), cv2.IMREAD_GRAYSCALE) > 0
        # Two sides, each a sixteenth of the field or more; lungs fill a quarter to a half of a chest radiograph.
        assert 0.15 < mask.mean() < 0.6
        assert min(mask[:, :48].mean(), mask[:, 48:].mean()) > 1 / 16
