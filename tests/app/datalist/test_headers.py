"""View, sex and age of items that come out of DICOM headers, and how they are counted."""

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.headers import facts_of
from tests.transforms.made_dicom import content, dataset

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def write(path, **elements):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(dataset(PIXELS, elements)))
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("elements", "view", "attributes"),
    [
        ({"ViewPosition": "PA", "PatientSex": "F", "PatientAge": "045Y"}, "PA", {"sex": "F", "age": 45}),
        ({"ViewPosition": "AP", "PatientSex": "M", "PatientAge": "018M"}, "AP", {"sex": "M", "age": 1}),
        ({"ViewPosition": "LL", "PatientSex": "O", "PatientAge": "060W"}, "LATERAL", {"age": 1}),
        ({"PatientAge": "300D"}, "", {"age": 0}),
        ({"PatientAge": "62"}, "", {"age": 62}),
        # Those above 89 are 90, so that no age identifies anybody.
        ({"PatientAge": "097Y"}, "", {"age": 90}),
        ({"PatientAge": "090Y"}, "", {"age": 90}),
        ({"PatientAge": "089Y"}, "", {"age": 89}),
        ({"PatientAge": "999Y", "PatientSex": "X", "ViewPosition": "?"}, "", {}),
        ({"PatientAge": "-05Y", "PatientSex": "FEMALE"}, "", {}),
        ({}, "", {}),
    ],
)
def test_facts_of_a_header(tmp_path, elements, view, attributes):
    assert facts_of([write(tmp_path / "a", **elements)]) == [(view, attributes)]


def test_facts_of_other_files_are_none(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), PIXELS)
    (tmp_path / "empty.dcm").write_bytes(b"")
    assert facts_of([tmp_path / "a.png", tmp_path / "empty.dcm"]) == [("", {}), ("", {})]
    with pytest.raises(FileNotFoundError):
        facts_of([tmp_path / "none.dcm"])


def test_headers_say_what_the_table_does_not(tmp_path, capsys):
    images = tmp_path / "images"
    write(images / "1.dcm", ViewPosition="PA", PatientSex="F", PatientAge="045Y")
    write(images / "2.dcm", ViewPosition="LL", PatientSex="M", PatientAge="093Y")
    write(images / "3.dcm", PatientSex="M")
    cv2.imwrite(str(images / "4.png"), PIXELS)
    # The first row says all, and is believed; the second one nothing; the third one the age.
    rows = "1.dcm,a,AP,M,30,1\n2.dcm,b,,,,0\n3.dcm,c,,,50,0\n4.png,d,,,,1\n"
    (tmp_path / "labels.csv").write_text(f"image,patient,view,sex,age,Nodule\n{rows}")
    out = tmp_path / "list.json"
    main(["datalist", "folder", "--tables", str(tmp_path), "--images", str(images), "--out", str(out)])
    items = {item.patient: item for section in read_datalist(out).sections.values() for item in section}
    assert {name: (item.view, item.attributes) for name, item in items.items()} == {
        "a": ("AP", {"sex": "M", "age": 30}),
        "b": ("LATERAL", {"sex": "M", "age": 90}),
        "c": ("", {"age": 50, "sex": "M"}),
        "d": ("", {}),
    }
    told = capsys.readouterr().out
    for name, count in (("view", 1), ("sex", 2), ("age", 1)):
        assert f"images whose {name} came from their DICOM headers: {count}" in told
