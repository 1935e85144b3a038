"""MIMIC-CXR-JPG and BRAX, which have CheXpert's labels: small tables in their published form, and bad ones."""

import gzip
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Datalist, Item
from app.datalist.validate import problems
from app.datasets.brax import brax
from app.datasets.chexpert import COLUMNS, FINDINGS
from app.datasets.mimic import mimic
from app.files.tables import TableError
from app.findings import ABSENT


def cells(**values: str) -> str:
    """The 14 labels of a row in alphabetical order, as MIMIC-CXR-JPG has them; `_` stands for a blank."""
    return ",".join(values.get(name.replace(" ", "_"), "") for name in sorted(COLUMNS))


METADATA = """dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns
aa-1,10000032,50414267,CHEST (PA AND LAT),PA,3056,2544
aa-2,10000032,50414267,CHEST (PA AND LAT),LL,3056,2544
bb-1,10000032,53189527,CHEST (PORTABLE AP),AP,3056,2544
cc-1,11000011,51029426,,,2544,3056
dd-1,12000012,52000001,CHEST (PA AND LAT),LATERAL,3056,2544
"""
SPLIT = """dicom_id,study_id,subject_id,split
aa-1,50414267,10000032,train
aa-2,50414267,10000032,train
bb-1,53189527,10000032,train
cc-1,51029426,11000011,validate
dd-1,52000001,12000012,test
"""
HEAD = f"subject_id,study_id,{','.join(sorted(COLUMNS))}\n"
CHEXPERT = (
    f"{HEAD}10000032,50414267,{cells(No_Finding='1.0', Pleural_Effusion='0.0')}\n"
    f"10000032,53189527,{cells(Edema='-1.0', Pleural_Effusion='1.0')}\n"
    f"11000011,51029426,{cells()}\n"
)
NEGBIO = CHEXPERT.replace("-1.0", "1.0")


def mimic_tables(folder: Path, **changed: str) -> Path:
    tables = {"metadata": METADATA, "split": SPLIT, "chexpert": CHEXPERT, "negbio": NEGBIO} | changed
    for name, text in tables.items():
        (folder / f"mimic-cxr-2.0.0-{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def states(item: Item) -> dict[str, float]:
    """What is said of an item."""
    return {name: value for name, value in zip(FINDINGS, item.label, strict=True) if value != -2}


def test_mimic_keeps_its_split_and_every_state_apart(tmp_path: Path):
    datalist = mimic(mimic_tables(tmp_path))
    first, second, third = datalist.sections["training"]
    assert first.image == "files/p10/p10000032/s50414267/aa-1.jpg"
    assert [item.patient for item in (first, second, third)] == ["10000032"] * 3
    assert [item.study for item in (first, second, third)] == ["50414267", "50414267", "53189527"]
    assert [item.view for item in datalist.items()] == ["PA", "LATERAL", "AP", "", "LATERAL"]
    assert states(first) == states(second) == {"No Finding": 1, "Effusion": 0}
    assert states(third) == {"Edema": -1, "Effusion": 1}
    assert [states(item) for item in datalist.sections["validation"] + datalist.sections["test"]] == [{}, {}]
    assert datalist.provenance["counts"] == {"rows of the metadata": 5, "images of studies without a row of labels": 1}
    assert problems(datalist) == []


def test_mimic_has_two_labellers_and_two_meanings_of_empty(tmp_path: Path):
    assert states(mimic(mimic_tables(tmp_path), "negbio").sections["training"][2]) == {"Edema": 1, "Effusion": 1}
    datalist = mimic(tmp_path, empty=ABSENT)
    assert set(datalist.sections["validation"][0].label) == {0}
    # A study that no program has read is not one whose report mentions nothing.
    assert set(datalist.sections["test"][0].label) == {-2}


def test_mimic_takes_the_images_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    mimic_tables(tmp_path)
    for name in ("p10/p10000032/s50414267/aa-1", "p10/p10000032/s50414267/aa-2", "p12/p12000012/s52000001/dd-1"):
        path = tmp_path / "files" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((8, 9), np.uint8))
    out = tmp_path / "mimic.json"
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "files"), "--out", str(out), "--view", "frontal"]
    assert main(["datalist", "mimic", *words]) == 0
    assert [item.image for item in read_datalist(out).items()] == ["files/p10/p10000032/s50414267/aa-1.jpg"]
    text = capsys.readouterr().out
    assert "left out: images of other views: 3" in text  # two lateral ones, and one whose view is not given
    assert "left out: rows without an image in the folder: 1" in text


BRAX_HEAD = (
    ",DicomPath,PngPath,PatientID,PatientSex,PatientAge,AccessionNumber,StudyDate,"
    f"{','.join(COLUMNS)},ViewPosition,Rows,Columns,Manufacturer\n"
)


def brax_row(number: int, about: str, labels: str, view: str) -> str:
    return f"{number},Anonymized_DICOMs/{about},20080801,{labels},{view},2832,2320,1\n"


BRAX = (
    BRAX_HEAD
    + brax_row(0, "a.dcm,images/id_1/Study_1/Series_1/image-1.png,id_1,M,60,7", "1.0" + "," * 13, "PA")
    + brax_row(1, "b.dcm,images/id_1/Study_1/Series_2/image-1.png,id_1,M,60,7", "1.0" + "," * 13, "L")
    + brax_row(2, "c.dcm,images/id_2/Study_1/Series_1/image-1.png,id_2,O,85 or more,7", ",0.0,-1.0" + "," * 11, "")
)


def brax_tables(folder: Path, text: str = BRAX) -> Path:
    (folder / "master_spreadsheet_update.csv").write_text(text)
    return folder


def test_brax_rows_become_items(tmp_path: Path):
    datalist = brax(brax_tables(tmp_path))
    first, second, third = datalist.sections["training"]
    assert (first.patient, first.study, first.view, second.view, third.view) == ("id_1", "id_1-7", "PA", "LATERAL", "")
    assert third.study == "id_2-7"  # another patient's study of the same accession number
    assert states(first) == {"No Finding": 1}
    assert states(third) == {"Enlarged Cardiomediastinum": 0, "Cardiomegaly": -1}
    assert (first.attributes, third.attributes) == ({"sex": "M", "age": 60}, {"age": 85})
    assert problems(datalist) == []


def test_brax_images_are_told_apart_by_their_series(tmp_path: Path):
    for number in (1, 2):
        path = tmp_path / "png" / "id_1" / "Study_1" / f"Series_{number}" / "image-1.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.zeros((8, 9), np.uint8))
    tables, out = brax_tables(tmp_path), tmp_path / "brax.json"
    words = ["datalist", "brax", "--tables", str(tables), "--images", str(tmp_path / "png"), "--out", str(out)]
    assert main([*words, "--split", "1,0,0"]) == 0
    assert [(item.image, item.view) for item in read_datalist(out).sections["training"]] == [
        ("png/id_1/Study_1/Series_1/image-1.png", "PA"),
        ("png/id_1/Study_1/Series_2/image-1.png", "LATERAL"),
    ]


def bad_mimic(folder: Path, **changed: str) -> Datalist:
    return mimic(mimic_tables(folder, **changed))


BAD: dict[str, tuple[Callable[[Path], Datalist], str]] = {
    "state": (
        lambda folder: bad_mimic(folder, chexpert=CHEXPERT.replace("-1.0", "-2.0")),
        "line 3: 'Edema' must be one of '1.0', '0.0', '-1.0', '', not '-2.0'",
    ),
    "section": (
        lambda folder: bad_mimic(folder, split=SPLIT.replace("validate", "val")),
        "line 5: 'split' must be one of 'train', 'validate', 'test', not 'val'",
    ),
    "no section": (
        lambda folder: bad_mimic(folder, split=SPLIT.replace("dd-1", "ee-1")),
        "line 6: image 'dd-1' is not in the table of the split",
    ),
    "image twice": (
        lambda folder: bad_mimic(folder, metadata=METADATA.replace("aa-2", "aa-1")),
        "line 3: image 'aa-1' is named twice",
    ),
    "study twice": (
        lambda folder: bad_mimic(folder, chexpert=CHEXPERT.replace("53189527", "50414267")),
        "line 3: study '50414267' is named twice",
    ),
    "patient": (
        lambda folder: bad_mimic(folder, metadata=METADATA.replace("12000012", "p12")),
        "line 6: 'subject_id' and 'study_id' must be numbers, not 'p12'",
    ),
    "another table": (
        lambda folder: bad_mimic(folder, chexpert=SPLIT),
        "It looks like the split of MIMIC-CXR-JPG",
    ),
    "brax state": (lambda folder: brax(brax_tables(folder, BRAX.replace("-1.0", "?"))), "line 4: 'Cardiomegaly' must"),
    "brax patient": (lambda folder: brax(brax_tables(folder, BRAX.replace(",id_2,", ",,"))), "line 4: the patient's"),
    "brax age": (lambda folder: brax(brax_tables(folder, BRAX.replace("85 or", "80 or"))), "'age' must be a number"),
    "brax is not it": (lambda folder: brax(brax_tables(folder, METADATA)), "looks like the metadata of MIMIC-CXR-JPG"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    build, message = BAD[name]
    with pytest.raises(TableError) as caught:
        build(tmp_path)
    assert message in str(caught.value)
