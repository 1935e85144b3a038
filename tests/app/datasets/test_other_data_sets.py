"""VinDr-CXR, SIIM, NEATX, PadChest and JSRT: hand-made tables, bad ones, and published counts of the real ones."""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.datalist.item import Box, Datalist
from app.datalist.run_lengths import decode
from app.datalist.showing import summary
from app.datalist.validate import problems, validate
from app.datasets import padchest as padchest_module
from app.datasets import siim as siim_module
from app.datasets import vindr as vindr_module
from app.datasets.jsrt import jsrt
from app.datasets.neatx import neatx
from app.datasets.padchest import finding_of, padchest, with_tubes
from app.datasets.siim import siim
from app.datasets.vindr import vindr
from app.files.tables import TableError
from app.findings import TUBES

VINDR = """image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
a,No finding,14,R1,,,,
a,No finding,14,R2,,,,
a,Nodule/Mass,8,R3,10.0,20.0,40.0,60.0
b,ILD,5,R1,1,2,3,4
b,Lung cyst,20,R1,1,2,3,4
"""
SIIM = "ImageId, EncodedPixels\n1.2.3, -1\n1.2.4,1 2 1022 3\n1.2.4,2 2\n"
TUBE_COLUMNS = ("Chest_drain_tube", "NSG_tube", "Endotracheal_tube", "Tracheostomy_tube")
NEATX = (
    ",ImageDir,ImageID," + ",".join(f"{tube}_a{who}" for who in (1, 2) for tube in TUBE_COLUMNS) + "\n"
    "0,1,a.png,0.0,0.75,INVALID,1.0,0.25,1.0,0.0,0.5\n1,2,b.png,0,0,0,0,0,0,0,0\n"
)
PADCHEST = (
    ",ImageID,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,Projection,MethodLabel,Labels\n"
    """0,a.png,20100101,s1,p1,1950.0,F,PA,Physician,"['laminar atelectasis', ' Pleural effusion', 'scoliosis']"\n"""
    """1,b.png,20100101,s1,p1,1950.0,F,L,RNN_model,['normal']\n"""
    """2,c.png,20110101,s2,p2,,,AP_horizontal,Physician,['unchanged']\n"""
    """3,d.png,20110101,s2,p2,1900.0,M,PA,RNN_model,"['exclude', 'NSG tube']"\n"""
)
CLN = (
    "JPCLN001.IMG\t5\t15\t53\tfemale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\r\n"
    "JPCLN002.IMG\t1\t35\t?\tMale\t50\t1000\tbenign\tr.lower lobe\tgranuloma\r\n\r\n"
)
CNN = "JPCNN001.IMG\t91\tmale\tNon-nodule\n"


def make(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt" if name.startswith("C") else folder / f"{name}.csv").write_text(text)
    return folder


def build(name: str, folder: Path, text: str) -> Datalist:
    """A datalist of one (main) table's text."""
    if name == "jsrt":
        return jsrt(make(folder, CLNDAT_EN=text, CNNDAT_EN=CNN))
    if name == "neatx":
        return neatx(make(folder, raw=text), each_image_a_patient=True)
    builders: dict[str, tuple[str, Callable[[Path], Datalist]]] = {
        "vindr": ("train", vindr),
        "siim": ("train-rle", siim),
        "padchest": ("padchest", padchest),
    }
    table, builder = builders[name]
    return builder(make(folder, **{table: text}))


GOOD = {"vindr": VINDR, "siim": SIIM, "neatx": NEATX, "padchest": PADCHEST, "jsrt": CLN}


@pytest.mark.parametrize("name", GOOD)
def test_a_data_set_has_no_problem(tmp_path: Path, name: str):
    datalist = build(name, tmp_path, GOOD[name])
    assert problems(datalist) == []
    assert not datalist.sections["validation"]
    assert not datalist.sections["test"]


def test_vindr_keeps_readers_and_lists_what_is_not_in_the_vocabulary(tmp_path: Path):
    datalist = build("vindr", tmp_path, VINDR)
    first, second = datalist.sections["training"]
    assert first.boxes == (Box("Nodule or Mass", 10, 20, 30, 40, "R3"),)
    assert first.attributes == {"readers": "R1 R2 R3"}
    assert [name for name, value in zip(datalist.findings, first.label, strict=True) if value] == ["Nodule or Mass"]
    assert first.annotated == second.annotated == datalist.findings
    assert datalist.provenance["unmapped"] == {"Lung cyst": 1}


def test_what_is_not_in_the_vocabulary_is_shown(tmp_path: Path):
    text = summary(build("vindr", tmp_path, VINDR))
    assert "Labels that are no finding of the vocabulary, with how often they occur: Lung cyst 1" in text


def arguments(tables: Path, images: Path | None, **more: object) -> argparse.Namespace:
    return argparse.Namespace(tables=tables, images=images, out=tables / "list.json", **more)


def test_vindr_boxes_follow_images_whose_first_size_is_told(tmp_path: Path):
    make(tmp_path, train=VINDR, train_meta="image_id,dim0,dim1\na,200,100\nb,200,100\n")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((100, 50), np.uint8))
    asked = arguments(tmp_path, tmp_path / "images", readers=None, iou=None, otherwise="absent")
    (item,) = vindr_module.datalist_from(asked).sections["training"]
    assert item.boxes == (Box("Nodule or Mass", 5, 10, 15, 20, "R3"),)


@pytest.mark.parametrize(
    ("readers", "iou", "label", "boxes"), [(1, None, 1, 1), (2, None, -1, 0), (2, 0.5, -1, 0), (None, None, 1, 1)]
)
def test_vindr_readers_become_one(tmp_path: Path, readers: int | None, iou: float | None, label: int, boxes: int):
    make(tmp_path, train=VINDR)
    datalist = vindr_module.datalist_from(arguments(tmp_path, None, readers=readers, iou=iou, otherwise="uncertain"))
    item = datalist.sections["training"][0]
    assert (item.label[datalist.findings.index("Nodule or Mass")], len(item.boxes)) == (label, boxes)


@pytest.mark.parametrize(("readers", "iou"), [(4, None), (0, None), (None, 0.5)])
def test_vindr_has_three_readers(tmp_path: Path, readers: int | None, iou: float | None):
    make(tmp_path, train=VINDR)
    with pytest.raises(ValueError, match="--readers"):
        vindr_module.datalist_from(arguments(tmp_path, None, readers=readers, iou=iou, otherwise="absent"))


def test_siim_outlines_of_one_image_are_united(tmp_path: Path):
    none, some = build("siim", tmp_path, SIIM).sections["training"]
    assert (none.image, none.label, none.annotated, none.mask) == ("1.2.3.dcm", (0,), ("Pneumothorax",), {})
    mask = decode(some.mask["Pneumothorax"])
    # By hand: pixels 1, 2 and 2, 3 of the first column; 1,022 after 3 come 1,025 to 1,027, rows 1 to 3 of the second.
    assert sorted(map(tuple, np.argwhere(mask.T).tolist())) == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]


def test_siim_outlines_follow_the_stored_size(tmp_path: Path):
    make(tmp_path, **{"train-rle": "ImageId, EncodedPixels\n1.2.4,0 524288\n"})
    cv2.imwrite(str(tmp_path / "1.2.4.png"), np.zeros((32, 64), np.uint8))
    datalist = siim_module.datalist_from(arguments(tmp_path, tmp_path))
    validate(datalist, tmp_path, files=True)
    mask = decode(datalist.sections["training"][0].mask["Pneumothorax"])
    assert mask.shape == (32, 64)
    assert mask[:, :32].all()
    assert not mask[:, 32:].any()


def test_neatx_is_combined_or_one_annotator_s(tmp_path: Path):
    make(tmp_path, raw=NEATX)
    assert neatx(tmp_path, "combined", True).sections["training"][0].label == (0, 1, -2, -1)
    assert neatx(tmp_path, "1", True).sections["training"][0].label == (0, 0.75, -2, 1)
    assert neatx(tmp_path, "2", True).sections["training"][0].label == (0.25, 1, 0, 0.5)


def test_neatx_takes_patients_from_padchest_or_says_what_it_lacks(tmp_path: Path):
    make(tmp_path, raw=NEATX)
    with pytest.raises(TableError, match="the only table with the patients"):
        neatx(tmp_path)
    alone = neatx(tmp_path, each_image_a_patient=True)
    assert alone.provenance["counts"]["images whose patient is not known (each counts as its own)"] == 2
    make(tmp_path, padchest=PADCHEST)
    first, second = neatx(tmp_path).sections["training"]
    assert (first.patient, first.study, first.view, second.view) == ("p1", "s1", "PA", "LATERAL")


def test_padchest_labels_and_what_is_not_in_the_vocabulary(tmp_path: Path):
    datalist = build("padchest", tmp_path, PADCHEST)
    present = [
        [name for name, value in zip(datalist.findings, item.label, strict=True) if value == 1]
        for item in datalist.sections["training"]
    ]
    assert present == [["Atelectasis", "Effusion"], ["No Finding"], [], ["Nasogastric Tube"]]
    first, second, third, fourth = datalist.sections["training"]
    assert set(third.label) == {-2}
    assert (first.source, second.source) == ("physician", "RNN")
    assert (first.attributes, third.attributes) == ({"sex": "F", "age": 60}, {})
    assert fourth.attributes == {"sex": "M", "age": 90}  # 111 years
    assert datalist.provenance["unmapped"] == {"scoliosis": 1}
    assert datalist.provenance["counts"] == {"rows of the table": 4, "rows that say nothing of findings": 1}


def test_padchest_takes_tubes_from_neatx(tmp_path: Path):
    make(tmp_path, padchest=PADCHEST, raw=NEATX)
    datalist = with_tubes(padchest(tmp_path), tmp_path)
    first, _, third, fourth = datalist.sections["training"]
    assert datalist.findings[-4:] == TUBES
    assert (first.label[-4:], first.source) == ((0, 1, -2, -1), "physician+NEATX")
    assert third.label[-4:] == (-2,) * 4
    assert (fourth.label[-3], fourth.source) == (1, "RNN")
    assert problems(datalist) == []


def test_padchest_with_physician_alone(tmp_path: Path):
    make(tmp_path, padchest=PADCHEST)
    datalist = padchest_module.datalist_from(arguments(tmp_path, None, physician=True, rnn=False, neatx=False))
    assert [item.image for item in datalist.sections["training"]] == ["a.png", "c.png"]
    assert datalist.provenance["counts"]["left out: reports labelled without a physician"] == 2


def test_padchest_with_the_network_alone(tmp_path: Path):
    make(tmp_path, padchest=PADCHEST)
    datalist = padchest_module.datalist_from(arguments(tmp_path, None, physician=False, rnn=True, neatx=False))
    assert [(item.image, item.source) for item in datalist.sections["training"]] == [("b.png", "RNN"), ("d.png", "RNN")]
    assert datalist.provenance["counts"]["left out: reports labelled by a physician"] == 2


@pytest.mark.parametrize(
    ("label", "finding"),
    [
        ("rib fracture", "Fracture"),
        ("nsg tube", "Nasogastric Tube"),
        ("chest drain tube", "Chest Drain"),
        ("copd", None),
    ],
)
def test_padchest_kinds_of_findings(label: str, finding: str | None):
    assert finding_of(label) == finding


def test_jsrt_nodules_become_squares(tmp_path: Path):
    first, second, third = build("jsrt", tmp_path, CLN).sections["training"]
    # By hand: 15 mm / 0.175 mm = 85.714 pixels around (1634, 692).
    assert first.boxes == (Box("Nodule", 1591.143, 649.143, 85.714, 85.714),)
    assert first.attributes == {"sex": "F", "age": 53, "subtlety": 5, "size_mm": 15.0, "malignant": True}
    # 35 mm = 200 pixels around (50, 1000), cut at the left edge.
    assert second.boxes == (Box("Nodule", 0, 900, 150, 200),)
    assert second.attributes == {"sex": "M", "subtlety": 1, "size_mm": 35.0, "malignant": False}
    assert (third.label, third.annotated, third.boxes, third.attributes) == (
        (0,),
        ("Nodule",),
        (),
        {"sex": "M", "age": 90},
    )


BAD = {
    "vindr no area": ("vindr", VINDR.replace("40.0,60.0", "10.0,60.0"), "line 4: the box from (10, 20) to (10, 60)"),
    "vindr half a box": ("vindr", VINDR.replace("40.0,60.0", ",60.0"), "line 4: 'x_max' must be a number, not ''"),
    "vindr box of nothing": ("vindr", VINDR.replace("R2,,,,", "R2,1,2,3,4"), "line 3: 'No finding' with a box"),
    "vindr column": ("vindr", VINDR.replace("rad_id", "who"), "no column 'rad_id'. Columns found: 'image_id'"),
    "vindr is not it": ("vindr", SIIM, "It looks like the mask table of SIIM-ACR pneumothorax"),
    "siim odd": ("siim", SIIM.replace("2 2\n", "2 2 2\n"), "line 4: 'EncodedPixels' of image '1.2.4': run lengths"),
    "siim text": ("siim", SIIM.replace("2 2\n", "two 2\n"), "whole numbers separated by blanks, not 'two 2'"),
    "siim too long": ("siim", SIIM.replace("2 2\n", "2 1048576\n"), "together at most 1024 x 1024"),
    "siim both": ("siim", SIIM + "1.2.4,-1\n", "line 5: image '1.2.4' has -1, for no outline, beside an outline"),
    "siim both, other order": ("siim", SIIM + "1.2.3,1 2\n", "line 5: image '1.2.3' has -1, for no outline"),
    "siim row twice": ("siim", SIIM + "1.2.4,2 2\n", "line 5: image '1.2.4' is named twice"),
    "siim is not it": ("siim", VINDR, "It looks like the box table of VinDr-CXR"),
    "neatx certainty": ("neatx", NEATX.replace("0.75", "0.7"), "line 2: 'NSG_tube_a1' must be one of '0'"),
    "neatx twice": ("neatx", NEATX.replace("b.png", "a.png"), "line 3: image 'a.png' is named twice"),
    "neatx combined": (
        "neatx",
        ",ImageID,ImageDir,ImagePath,Chest_drain,NSG_tube,Endotracheal_tube,Tracheostomy_tube\n",
        "It looks like the combined annotations of NEATX",
    ),
    "padchest list": ("padchest", PADCHEST.replace("['normal']", "normal"), "line 3: 'Labels' must be a list"),
    "padchest texts": ("padchest", PADCHEST.replace("['normal']", "[1]"), "must be a list of texts"),
    "padchest method": ("padchest", PADCHEST.replace("RNN_model", "CNN"), "'MethodLabel' must be one of 'Physician'"),
    "padchest twice": ("padchest", PADCHEST.replace("b.png", "a.png"), "line 3: image 'a.png' is named twice"),
    "padchest column": ("padchest", PADCHEST.replace("StudyID", "Study"), "no column 'StudyID'. Columns found: ''"),
    "padchest is not it": ("padchest", NEATX, "It looks like the raw annotations of NEATX"),
    "jsrt no area": ("jsrt", CLN.replace("\t15\t", "\t0\t"), "line 1: a nodule of 0 mm has no area"),
    "jsrt outside": ("jsrt", CLN.replace("1634", "3000"), "line 1: a nodule at x 3000, y 692 is outside the image"),
    "jsrt subtlety": ("jsrt", CLN.replace("IMG\t5", "IMG\t6"), "line 1: 'subtlety' must be one of '1', '2'"),
    "jsrt text": ("jsrt", CLN.replace("1634", "left"), "line 1: 'x' must be a number, not 'left'"),
    "jsrt twice": ("jsrt", CLN.replace("JPCLN002", "JPCLN001"), "image 'JPCLN001.png' is named twice"),
    "jsrt cells": ("jsrt", CLN.replace("\t", " "), "line 1: 1 cells between tabs, at least 8 are needed"),
    "jsrt is not it": ("jsrt", VINDR, "It looks like the box table of VinDr-CXR"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    data_set, text, message = BAD[name]
    with pytest.raises(TableError) as caught:
        build(data_set, tmp_path, text)
    assert message in str(caught.value)


def test_a_table_that_is_not_there_is_told_with_those_that_are(tmp_path: Path):
    make(tmp_path, other="a\n")
    with pytest.raises(TableError, match=r"holds no CLNDAT_EN\.txt\. Found: other\.csv"):
        jsrt(tmp_path)


def test_vindr_has_the_published_counts(frugal_data: Path):
    datalist = vindr(frugal_data / "tables")
    assert len(datalist.sections["training"]) == 15000
    assert "unmapped" not in datalist.provenance
    assert all(len(str(item.attributes["readers"]).split()) == 3 for item in datalist.sections["training"])
    assert problems(datalist) == []
    # The docstring's fault: who read an image says much about it.
    boxed = [item for item in datalist.sections["training"] if item.boxes]
    assert sum(item.attributes["readers"] == "R10 R8 R9" for item in boxed) / len(boxed) > 0.9


def test_siim_has_the_published_counts(frugal_data: Path):
    datalist = siim(frugal_data / "tables")
    assert datalist.provenance["counts"] == {
        "images of the table": 12047,
        "images with outlines": 2669,
        "outlines": 3576,
        "images whose patient the data set does not tell (each counts as its own)": 12047,
    }
    assert sum(bool(item.mask) for item in datalist.sections["training"]) == 2669


def test_neatx_has_the_published_counts(frugal_data: Path):
    items = neatx(frugal_data / "tables", each_image_a_patient=True).sections["training"]
    counts = [Counter(column) for column in zip(*(item.label for item in items), strict=True)]
    # (absent, present, uncertain), as published with the combined table.
    assert [(count[0], count[1], count[-1]) for count in counts] == [
        (946, 37, 28),
        (360, 449, 202),
        (691, 162, 158),
        (744, 252, 15),
    ]
