"""CANDID-PTX, VinDr-PCXR and CheXmask: small tables in their published form, and bad ones."""

import gzip
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item
from app.datalist.run_lengths import decode, from_row_starts
from app.datalist.validate import problems
from app.datasets.candid import candid
from app.datasets.chexmask import with_organs
from app.datasets.pcxr import pcxr
from app.files.tables import TableError

REPORTS = """SOPInstanceUID,StudyInstanceUID,EncodedPixels,Report,filename
1.2.1,1.2,-1,"No pneumothorax, no tube.",P0001_a
1.2.2,1.2,1 2,Small apical pneumothorax.,P0001_b
1.2.2,1.2,4 1,Small apical pneumothorax.,P0001_b
1.2.2,1.2,4 1,Small apical pneumothorax.,P0001_b
1.3.1,1.3,,Unclear.,P0002_a
1.4.1,1.4,-1,Two people.,P0003_a
1.4.1,1.4,-1,Two people.,P0004_a
"""
TUBES = "anon_SOPUID,annotation,mask_rle\n1.2.2,x,0 1\n1.9.9,x,0 1\n1.2.1,x,-1\n"
FRACTURES = "anon_SOPUID,annotation,mask_rle\n1.3.1,x,1025 1\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def candid_tables(folder: Path, **changed: str) -> Path:
    tables = {"Pneumothorax_reports": REPORTS, "chest_tube": TUBES, "acute_rib_fracture": FRACTURES}
    return write(folder, **(tables | changed))


def pixels(mask: np.ndarray) -> list[tuple[int, ...]]:
    """(row, column) of the pixels that are on."""
    return sorted(map(tuple, np.argwhere(mask).tolist()))


def test_candid_unites_outlines_down_the_columns(tmp_path: Path):
    datalist = candid(candid_tables(tmp_path))
    first, second, third = datalist.sections["training"]
    assert datalist.findings == ("Pneumothorax", "Chest Drain", "Fracture")
    assert [item.label for item in (first, second, third)] == [(0, 0, 0), (1, 1, 0), (-2, 0, 1)]
    assert [item.patient for item in (first, second, third)] == ["P0001", "P0001", "P0002"]
    # By hand: 1 and 2 of the first column, and 4; 1025 is the second pixel of the second column.
    assert pixels(decode(second.mask["Pneumothorax"])) == [(1, 0), (2, 0), (4, 0)]
    assert pixels(decode(third.mask["Fracture"])) == [(1, 1)]
    assert third.annotated == ("Chest Drain", "Fracture")
    assert datalist.provenance["counts"] == {
        "images of the table of reports": 4,
        "left out: images of two patients": 1,
        "left out: images with an outline, but without a report": 1,
        "images with -1 beside an outline (the outline counts)": 0,
        "images without a label of Pneumothorax": 1,
        "outlines": 3,
    }
    assert problems(datalist) == []


def test_candid_counts_what_contradicts_itself(tmp_path: Path):
    datalist = candid(candid_tables(tmp_path, Pneumothorax_reports=REPORTS + "1.2.1,1.2,0 1,Both.,P0001_a\n"))
    assert datalist.sections["training"][0].label == (1, 0, 0)
    assert datalist.provenance["counts"]["images with -1 beside an outline (the outline counts)"] == 1


BOXES = """image_id,rad_ID,class_name,x_min,y_min,x_max,y_max,class_id
a,R1,No finding,,,,,0
b,R2,Bronchectasis,10.5,20,30.5,50,1
b,R2,Pleural effusion,1,2,3,4,2
"""
TEST_BOXES = "image_id,rad_ID,class_name,x_min,y_min,x_max,y_max\nc,R1,Lung cyst,1,2,3,4\n"
DISEASES = "image_id,rad_ID,No finding,Brocho-pneumonia,CPAM\na,R1,1,0,0\nb,R2,0,1,0\n"
TEST_DISEASES = "image_id,rad_ID,No finding,Brocho-pneumonia,CPAM\nc,R1,0.0,0.0,1.0\n"


def pcxr_tables(folder: Path, **changed: str) -> Path:
    tables = {"annotations_train": BOXES, "annotations_test": TEST_BOXES}
    tables |= {"image_labels_train": DISEASES, "image_labels_test": TEST_DISEASES}
    return write(folder, **(tables | changed))


def test_pcxr_has_diseases_of_images_and_local_findings_in_boxes(tmp_path: Path):
    datalist = pcxr(pcxr_tables(tmp_path))
    (first, second), (third,) = datalist.sections["training"], datalist.sections["test"]
    local = ("Bronchiectasis", "Effusion", "Lung cyst")
    assert datalist.findings == ("No Finding", "Bronchopneumonia", "CPAM", *local)
    assert [item.label for item in (first, second, third)] == [
        (1, 0, 0, 0, 0, 0),
        (0, 1, 0, 1, 1, 0),
        (0, 0, 1, 0, 0, 1),
    ]
    assert second.boxes == (Box("Bronchiectasis", 10.5, 20, 20, 30), Box("Effusion", 1, 2, 2, 2))
    assert first.annotated == third.annotated == local
    assert first.image == "a.dicom"
    assert problems(datalist) == []


def test_runs_along_rows_become_runs_down_columns():
    # By hand: pixels 2, 3 and 5 of a mask of two rows and three columns, counted along the rows from 1.
    assert decode(from_row_starts("2 2 5 1", (2, 3))).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert decode(from_row_starts("", (2, 3))).sum() == 0
    for text, message in (("1", "pairs"), ("0 1", "pairs"), ("1 0", "pairs"), ("6 2", "beyond"), ("a 1", "whole")):
        with pytest.raises(ValueError, match=message):
            from_row_starts(text, (2, 3))


HEAD = "Dice RCA (Mean),Dice RCA (Max),Landmarks,Left Lung,Right Lung,Heart,Height,Width\n"
LUNGS = '"[1,2,3]",1 1 4 1,3 1,2 1'  # in 2 rows and 3 columns: the first and third column, and the second of row 0
CHEXPERT = (
    f"Path,{HEAD}train/patient1/study1/view1_frontal.jpg,0.9,0.95,{LUNGS},2,3\n"
    f"train/patient1/study2/view1_frontal.jpg,0.6999,0.95,{LUNGS},2,3\n"
    f"train/patient2/study1/view1_frontal.jpg,0.7,0.95,{LUNGS},3,2\n"
    f"train/patient9/study1/view1_frontal.jpg,0.9,0.95,{LUNGS},2,3\n"
    f'train/patient3/study1/view1_frontal.jpg,0.8,0.95,"[]",1 1,3 1,,2,3\n'
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A datalist in a folder of its own, of five radiographs of 4 x 6 pixels in two sections."""
    names = ["patient1/study1", "patient1/study2", "patient2/study1", "patient3/study1", "patient4/study1"]
    items = []
    for name in names:
        path = tmp_path / "data" / "train" / name / "view1_frontal.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.zeros((4, 6), np.uint8))
        patient = name.partition("/")[0]
        items.append(Item(f"train/{name}/view1_frontal.png", patient, (1,), name, "PA", attributes={"sex": "F"}))
    sections = {"training": items[:3], "validation": [], "test": items[3:]}
    write_datalist(Datalist("CheXpert", ("Edema",), sections), tmp_path / "data" / "chexpert.json")
    return tmp_path


def test_chexmask_puts_masks_on_the_images_of_another_datalist(images: Path, capsys: pytest.CaptureFixture[str]):
    (images / "CheXpert.csv.gz").write_bytes(gzip.compress(CHEXPERT.encode()))
    out = images / "masks" / "lungs.json"
    words = ["--tables", str(images), "--datalist", str(images / "data" / "chexpert.json"), "--out", str(out)]
    assert main(["datalist", "chexmask", *words, "--split", "0.5,0.5,0"]) == 0
    datalist = read_datalist(out)
    (first,), (last,) = datalist.sections["training"] + datalist.sections["validation"], datalist.sections["test"]
    assert datalist.findings == ("Left Lung", "Right Lung", "Heart")
    assert (first.image, first.patient, first.view) == (
        "../data/train/patient1/study1/view1_frontal.png",
        "patient1",
        "PA",
    )
    assert first.attributes == {"sex": "F", "dice_rca": 0.9}
    # Scaled from 2 x 3 to the 4 x 6 pixels of the image.
    assert decode(first.mask["Left Lung"]).tolist() == [[1, 1, 0, 0, 0, 0]] * 4
    assert decode(first.mask["Heart"]).tolist() == [[0, 0, 1, 1, 0, 0]] * 2 + [[0] * 6] * 2
    assert (last.patient, last.annotated, last.label) == ("patient3", ("Left Lung", "Right Lung"), (1, 1, 1))
    told = capsys.readouterr().out
    for text in (
        "masks of images that are not in the datalist: 1",
        "masks of a Dice RCA (Mean) below 0.7: 1",
        "masks of another shape than the image (take OriginalResolution): 1",
        "left out: images without a mask: 3",
    ):
        assert text in told


def test_chexmask_names_what_it_needs(images: Path, capsys: pytest.CaptureFixture[str]):
    words = ["datalist", "chexmask", "--tables", str(images), "--datalist", str(images / "data" / "chexpert.json")]
    words += ["--out", str(images / "lungs.json")]
    assert main(words) == 1
    assert "--csv must name CheXmask's table unless there is only one; there: none" in capsys.readouterr().err
    assert main([*words, "--images", str(images)]) == 1
    assert "the images are those of --datalist: leave out --images" in capsys.readouterr().err


def organs(folder: Path, text: str) -> Datalist:
    (folder / "VinDr-CXR.csv").write_text(text)
    cv2.imwrite(str(folder / "a.png"), np.zeros((2, 3), np.uint8))
    images = Datalist.unsplit("wards", ("Edema",), [Item("a.png", "1", (1,))])
    return with_organs(images, folder, folder / "VinDr-CXR.csv", 0.7)


VINDR = f"image_id,{HEAD}a,0.9,0.95,{LUNGS},2,3\n"
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "candid runs": (
        lambda f: candid(candid_tables(f, chest_tube=TUBES.replace("0 1", "0"))),
        "chest_tube.csv, line 2: 'mask_rle' of image '1.2.2': run lengths must be pairs",
    ),
    "candid patient": (
        lambda f: candid(candid_tables(f, Pneumothorax_reports=REPORTS.replace("P0002_a", ""))),
        "line 6: the patient's cell is empty",
    ),
    "candid is not it": (lambda f: candid(candid_tables(f, chest_tube=REPORTS)), "like the reports of CANDID-PTX"),
    "pcxr state": (
        lambda f: pcxr(pcxr_tables(f, image_labels_train=DISEASES.replace("0,1,0", "0,2,0"))),
        "line 3: 'Brocho-pneumonia' must be one of '1', '0', '1.0', '0.0', not '2'",
    ),
    "pcxr image": (
        lambda f: pcxr(pcxr_tables(f, annotations_test=TEST_BOXES.replace("\nc", "\nd"))),
        "line 2: image 'd' is not in the table of labels",
    ),
    "pcxr area": (
        lambda f: pcxr(pcxr_tables(f, annotations_train=BOXES.replace("1,2,3,4", "3,2,1,4"))),
        "line 4: the box from (3, 2) to (1, 4) has no area",
    ),
    "pcxr nothing": (
        lambda f: pcxr(pcxr_tables(f, annotations_train=BOXES.replace("finding,,", "finding,1,"))),
        "line 2: 'No finding' with a box",
    ),
    "pcxr columns": (
        lambda f: pcxr(pcxr_tables(f, image_labels_test=TEST_DISEASES.replace("CPAM", "Situs inversus"))),
        "columns of other diseases",
    ),
    "pcxr both": (
        lambda f: pcxr(pcxr_tables(f, annotations_train=BOXES.replace("Bronchectasis", "CPAM"))),
        "'CPAM' is a disease and has boxes",
    ),
    "chexmask runs": (lambda f: organs(f, VINDR.replace("3 1", "3 x")), "line 2: 'Right Lung': run lengths are whole"),
    "chexmask beyond": (lambda f: organs(f, VINDR.replace("3 1", "6 2")), "line 2: 'Right Lung': run lengths '6 2'"),
    "chexmask dice": (lambda f: organs(f, VINDR.replace("0.9,", "good,")), "'Dice RCA (Mean)' must be a number"),
    "chexmask twice": (lambda f: organs(f, VINDR + VINDR.partition("\n")[2]), "line 3: image 'a' is named twice"),
    "chexmask cells": (lambda f: organs(f, VINDR + "a,0.9\n"), "line 3: 2 cells, but the header names 9 columns"),
    "chexmask empty": (lambda f: organs(f, ""), "the table is empty"),
    "chexmask column": (lambda f: organs(f, VINDR.replace("Heart", "Aorta")), "no column 'Heart'"),
    "chexmask none": (lambda f: organs(f, VINDR.replace("\na", "\nb")), "none of its masks is of the images of wards"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    build, message = BAD[name]
    with pytest.raises(TableError) as caught:
        build(tmp_path)
    assert message in str(caught.value)
