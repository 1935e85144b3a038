"""A user's own folder: CSV, COCO JSON and mask files, and what is wrong with them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Box, Datalist
from app.datasets.finding_names import FindingNames
from app.datasets.folder_table import Choices, from_csv
from app.files.images import image_files
from app.files.tables import TableError
from app.findings import ABSENT
from tests.app.annotation_formats.coco_files import SIZE, coco, write_coco

CSV = (
    "File,Patient,Study,View,Sex,Age,Nodule,Pleural effusion,Remark\n"
    "w/1.png,p,s1,PA,F,95,1,-1,\nw/2.png,q,s2,AP,M,,0.25,,x\n"
)


def write_csv(folder: Path, text: str = CSV) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def write_images(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros(size, np.uint8))
    return folder


def read(folder: Path, text: str = CSV, images: Path | None = None, **choices: object) -> Datalist:
    listing = None if images is None else image_files(images)
    return from_csv(
        write_csv(folder, text), Choices(choices.pop("columns", {}), **choices), listing, FindingNames()
    ).datalist


def test_rows_become_items(tmp_path: Path):
    datalist = read(tmp_path)
    first, second = datalist.sections["training"]
    assert datalist.findings == ("Nodule", "Effusion")
    assert (first.image, first.patient, first.study, first.view, first.label) == ("w/1.png", "p", "s1", "PA", (1, -1))
    assert (first.attributes, second.attributes) == ({"sex": "F", "age": 90}, {"sex": "M"})
    assert second.label == (0.25, -2)
    assert datalist.provenance["columns not used"] == ["Remark"]
    assert read(tmp_path, empty=ABSENT).sections["training"][1].label == (0.25, 0)


def test_other_columns_can_be_named(tmp_path: Path):
    text = "pic,who,Crackle\n1.png,p,1\n"
    datalist = read(tmp_path, text, columns={"image": "pic", "patient": "who"}, labels=("Crackle",))
    assert (datalist.findings, datalist.sections["training"][0].patient) == (("Crackle",), "p")


def test_columns_and_categories_are_mapped(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_csv(tmp_path, "image,patient,Rundherd\n1.png,p,1\n")
    write_images(tmp_path / "images", "1.png")
    entry = {"id": 1, "file_name": "1.png", "height": 20, "width": 30}
    content = coco({"bbox": [1, 2, 3, 4], "category_id": 2}, images=[entry])
    words = ["--map", "rundherd=nodule", "--map", "Ribbon=Nodule", "--annotations", str(write_coco(tmp_path, content))]
    datalist = run(tmp_path, *words)
    assert datalist.findings == ("Nodule",)
    assert datalist.sections["training"][0].boxes == (Box("Nodule", 1, 2, 3, 4),)
    common = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "o.json")]
    assert main(["datalist", "folder", *common, *words, "--map", "Herd=Mass"]) == 1
    assert "--map: no column of labels and no category is named 'Herd'" in capsys.readouterr().err
    assert main(["datalist", "folder", *common, *words, "--map", "Ribbon=Mass"]) == 1
    assert "--map: 'Ribbon' is to mean 'Nodule' and 'Mass'" in capsys.readouterr().err


def test_labels_of_a_study_go_to_all_its_images(tmp_path: Path):
    images = write_images(tmp_path / "images", "s1/a.png", "s1/b.png", "s2/a.png")
    text = "Study,Patient,Nodule\ns1,p,1\ns2,q,0\n"
    datalist = read(tmp_path, text, images)
    found = {item.image: (item.patient, item.label) for item in datalist.sections["training"]}
    assert found == {"s1/a.png": ("p", (1,)), "s1/b.png": ("p", (1,)), "s2/a.png": ("q", (0,))}
    less = read(tmp_path, text.replace("s2", "s3"), images)
    assert less.provenance["counts"] == {"rows of the table": 2, "left out: rows of studies without an image": 1}
    with pytest.raises(TableError, match="of a study in column 'Study', such as 's3', and no DICOM header"):
        read(tmp_path, text.replace("s1", "s4").replace("s2", "s3"), images)


BAD = {
    "no image column": (
        {"text": CSV.replace("File", "Thing")},
        "no column of images, nor --images with one of studies; name it with --image-column",
    ),
    "columns found": ({"text": CSV.replace("File", "Thing")}, "Columns found: 'Thing', 'Patient', 'Study', 'View'"),
    "named column": ({"columns": {"image": "pic"}}, "no column 'pic'; --image-column must name one"),
    "no label": (
        {"text": "image,patient,x,y\n1.png,p,1,0\n"},
        "no column has the name of a finding; name the columns of labels with --labels or --map, such as 'x', 'y'",
    ),
    "no such label": ({"labels": ("Nodul",)}, "no column 'Nodul'; --labels must name one"),
    "one finding twice": (
        {"text": CSV.replace("Remark", "Effusion").replace(",x", ",1")},
        "'Pleural effusion', 'Effusion' are both",
    ),
    "image twice": (
        {"text": CSV.replace("w/2", "w/1")},
        "line 3: image 'w/1.png' is named twice, here and in line 2, with Nodule 1 and 0.25, Effusion -1 and not said.",
    ),
    "image with two patients": (
        {"text": "image,patient,Nodule\n1.png,p,1\n1.png,q,1\n"},
        "line 3: image '1.png' is named twice, here and in line 2, with other facts about it. Keep one row;",
    ),
    "no image": ({"text": CSV.replace("w/2.png", "")}, "line 3: the image's cell is empty"),
    "no patient": ({"text": CSV.replace(",q,", ",,")}, "line 3: the patient's cell is empty"),
    "no names": ({"text": "1.png,p,1\n2.png,q,0\n"}, "Its first line seems to be an image's: write the names"),
    "no rows": ({"text": CSV.splitlines()[0]}, "has the names of columns, but no row below them"),
    "another data set": (
        {"text": "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n1,x,1,1,1,1,1,1\n"},
        "It looks like the box table of VinDr-CXR",
    ),
    "text for a label": (
        {"text": CSV.replace("0.25", "maybe")},
        "no label: 'maybe' in 1 row of column 'Nodule' (first in line 3). A label is 1, 0, -1, empty, a certainty",
    ),
    "numbers of five kinds": (
        {"text": "image,patient,Nodule\n" + "".join(f"{n}.png,p,{n % 6}\n" for n in range(30))},
        "'2' in 5 rows of column 'Nodule' (first in line 4), '3' in 5 rows of column 'Nodule' (first in line 5), "
        "'4' in 5 rows of column 'Nodule' (first in line 6), and 1 more.",
    ),
    "a dash": ({"text": CSV.replace("0.25", "-")}, "such as --not-said '-', or choose the columns by --labels"),
    "a report as labels": (
        {"text": "image,patient,Report\n1.png,p,no focal lesion seen\n", "labels": ("report",)},
        "column 'Report' is free text, not labels: leave it out of --labels",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    given, message = BAD[name]
    with pytest.raises(TableError) as caught:
        read(tmp_path, **given)
    assert message in str(caught.value)


def run(folder: Path, *words: str) -> Datalist:
    out = folder / "made" / "list.json"
    common = ["datalist", "folder", "--tables", str(folder), "--images", str(folder / "images"), "--out", str(out)]
    assert main([*common, "--split", "1,0,0", *words]) == 0
    return read_datalist(out)


def test_the_command_with_coco_scales_to_the_stored_images(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_csv(tmp_path)
    write_images(tmp_path / "images", "w/1.png", "w/2.png", size=(40, 60))
    datalist = run(tmp_path, "--annotations", str(write_coco(tmp_path, coco({"bbox": [1, 2, 3, 4]}))))
    first, second = datalist.sections["training"]
    assert first.image == "../images/w/1.png"
    assert first.boxes == (Box("Nodule", 2, 4, 6, 8),)
    assert (first.annotated, second.annotated, second.boxes) == (("Nodule",), ("Nodule",), ())
    text = capsys.readouterr().out
    assert "coco.json (COCO): annotated images: 2" in text
    assert "columns not used: Remark" in text
    assert "columns read: image from 'File'; patient from 'Patient'" in text


def test_the_command_with_mask_files(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_csv(tmp_path)
    write_images(tmp_path / "images", "w/1.png", "w/2.png", "w/3.png")
    write_images(tmp_path / "masks", "1_nodule.png", "2_Effusion.png", "9_nodule.png")
    cv2.imwrite(str(tmp_path / "masks" / "2_Effusion.png"), np.eye(*SIZE, dtype=np.uint8))
    datalist = run(tmp_path, "--masks", "masks/{stem}_{finding}.png")
    first, second = datalist.sections["training"]
    assert (first.mask, first.annotated) == ({"Nodule": "../masks/1_nodule.png"}, ("Nodule",))
    assert (second.mask, second.label) == ({"Effusion": "../masks/2_Effusion.png"}, (0.25, 1))
    text = capsys.readouterr().out
    assert "left out: mask files of no image or finding: 1" in text
    assert "left out: images in the folder without a row: 1" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--masks", "masks/{stem}.png"], "must hold {stem} and, for more than one finding, {finding}"),
        (["--masks", "none/{stem}_{finding}.png"], "no mask file fits"),
    ],
)
def test_mask_patterns_that_find_nothing(tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture):
    write_csv(tmp_path)
    write_images(tmp_path / "images", "w/1.png", "w/2.png")
    out = str(tmp_path / "list.json")
    common = ["datalist", "folder", "--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", out]
    assert main([*common, *words]) == 1
    assert message in capsys.readouterr().err


def test_one_csv_must_be_meant(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_csv(tmp_path)
    (tmp_path / "other.csv").write_text(CSV)
    assert main(["datalist", "folder", "--tables", str(tmp_path), "--out", str(tmp_path / "o.json")]) == 1
    assert (
        "--csv must name the table unless there is only one CSV; found: labels.csv, other.csv"
        in capsys.readouterr().err
    )


def test_labels_in_words_and_views_in_any_case(tmp_path: Path):
    text = "image,patient,view,Nodule\n1.png,p,pa,Yes\n2.png,q,Ap,no\n3.png,r,oblique,TRUE\n4.png,s,,uncertain\n"
    items = read(tmp_path, text).sections["training"]
    assert [(item.view, item.label) for item in items] == [("PA", (1,)), ("AP", (0,)), ("oblique", (1,)), ("", (-1,))]


def test_implausible_ages_are_counted(tmp_path: Path):
    datalist = read(tmp_path, "image,patient,age,Nodule\n1.png,p,414,1\n2.png,q,058Y,1\n3.png,r,,1\n")
    assert [item.attributes for item in datalist.sections["training"]] == [{}, {"age": 58}, {}]
    assert datalist.provenance["counts"]["ages left out as implausible"] == 1


def test_a_column_twice_is_refused(tmp_path: Path):
    with pytest.raises(TableError, match="two columns are named 'image'"):
        read(tmp_path, "image,patient,image,Nodule\n1.png,p,2.png,1\n")


def test_files_of_one_name_matter_only_to_rows_that_may_mean_both(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_images(tmp_path / "images", "1.png", "w/1.png", "w/x.png", "v/x.png", "2.png", "2.jpg")
    write_csv(tmp_path, "image,patient,Nodule\n1.png,p,1\nv/x.png,q,0\n2.jpg,r,0\n")
    found = {item.image for item in run(tmp_path).sections["training"]}
    assert found == {"../images/1.png", "../images/v/x.png", "../images/2.jpg"}
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "o.json")]
    for name in ("x.png", "2"):
        write_csv(tmp_path, f"image,patient,Nodule\n{name},p,1\n")
        assert main(["datalist", "folder", *words]) == 1
        assert f"image {name!r} may be any of" in capsys.readouterr().err


def test_an_empty_mask_says_nowhere(tmp_path: Path):
    write_csv(tmp_path, "image,patient,Nodule\n1.png,p,\n2.png,q,0\n")
    write_images(tmp_path / "images", "1.png", "2.png")
    write_images(tmp_path / "masks", "1.png")
    cv2.imwrite(str(tmp_path / "masks" / "2.png"), np.eye(*SIZE, dtype=np.uint8))
    # A pattern may begin at the root of the disk as well.
    datalist = run(tmp_path, "--masks", f"{tmp_path}/masks/{{stem}}.png")
    assert [item.label for item in datalist.sections["training"]] == [(0,), (0,)]
    assert datalist.provenance["counts"]["labelled absent, but masked (both kept)"] == 1


def test_a_mask_of_two_images_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_csv(tmp_path, "image,patient,Nodule\na/1.png,p,1\nb/1.png,q,0\n")
    write_images(tmp_path / "images", "a/1.png", "b/1.png")
    write_images(tmp_path / "masks", "1.png")
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "o.json")]
    assert main(["datalist", "folder", *words, "--masks", "masks/{stem}.png"]) == 1
    assert "1.png: may be the mask of a/1.png or of b/1.png" in capsys.readouterr().err
