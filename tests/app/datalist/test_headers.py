"""View, sex and age of items that come out of DICOM headers, and how they are counted."""

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.headers import facts_of, identifiers_of, named_in_headers
from app.datalist.item import Datalist, Item
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
        # Years by hand, from the birth to the day before or of the 60th birthday; older files have dots.
        ({"PatientBirthDate": "19610304", "StudyDate": "20210303"}, "", {"age": 59}),
        ({"PatientBirthDate": "19610304", "StudyDate": "20210304"}, "", {"age": 60}),
        ({"PatientBirthDate": "1961.03.04", "AcquisitionDate": "20210304"}, "", {"age": 60}),
        ({"PatientBirthDate": "19200229", "StudyDate": "20210228"}, "", {"age": 90}),
        ({"PatientBirthDate": "19000101", "StudyDate": "20210303"}, "", {}),  # 121: a placeholder
        ({"PatientBirthDate": "19610304", "StudyDate": "20210304", "PatientAge": "058Y"}, "", {"age": 58}),
        ({"PatientBirthDate": "20220304", "StudyDate": "20210304"}, "", {}),
        ({"PatientBirthDate": "19610304"}, "", {}),
        ({"PatientBirthDate": "19611304", "StudyDate": "20210304"}, "", {}),
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


def test_patients_and_studies_come_from_headers_as_pseudonyms(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    images = tmp_path / "images"
    for number, (patient, study) in enumerate([("MRN77", "1.2.3"), ("MRN77", "1.2.4"), ("MRN78", "1.2.5")], start=1):
        write(images / f"{number}.dcm", PatientID=patient, StudyInstanceUID=study)
    (tmp_path / "labels.csv").write_text("image,Nodule\n1.dcm,1\n2.dcm,0\n3.dcm,0\n")
    command = ["datalist", "folder", "--tables", str(tmp_path), "--images", str(images), "--split", "1,0,0"]
    out = tmp_path / "list.json"
    # Names of the table may be kept; those of headers never are.
    assert main([*command, "--out", str(out), "--keep-names"]) == 0
    first, second, third = read_datalist(out).sections["training"]
    assert first.patient == second.patient != third.patient
    assert len({first.study, second.study, third.study}) == 3
    assert not any(name in out.read_text() for name in ("MRN", "1.2."))
    assert "images whose patient came from their DICOM headers, as a pseudonym: 3" in capsys.readouterr().out
    # One of the files says nothing about its patient.
    write(images / "3.dcm", PatientID="ANONYMOUS")
    assert main([*command, "--out", str(out)]) == 1
    assert "the patients of 1 of 3 images are known neither from a column (name it with" in capsys.readouterr().err
    assert main([*command, "--out", str(out), "--each-image-a-patient"]) == 0
    assert "images whose patient is not known (each counts as its own): 1" in capsys.readouterr().out


def test_rows_of_studies_find_their_images_by_header(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for number, accession in enumerate(["A1", "A1", "A2"], start=1):
        write(tmp_path / f"images/IM{number}", PatientID=f"p{accession}", AccessionNumber=accession)
    (tmp_path / "labels.csv").write_text("Accession Number;Nodule\nA1;ja\nA2;nein\n")
    command = ["datalist", "folder", "--csv", str(tmp_path / "labels.csv"), "--images", str(tmp_path / "images")]
    assert main([*command, "--out", str(tmp_path / "list.json"), "--split", "1,0,0"]) == 0
    items = read_datalist(tmp_path / "list.json").sections["training"]
    assert [(item.image, item.label) for item in items] == [
        *[("images/IM1", (1,)), ("images/IM2", (1,)), ("images/IM3", (0,))]
    ]
    assert items[0].study == items[1].study != items[2].study
    assert "A1" not in (tmp_path / "list.json").read_text()


def test_rows_of_images_are_found_by_sop_instance_uid(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"images/IM{number}", PatientID=f"p{number}", SOPInstanceUID=f"1.2.826.0.1.{number}")
    (tmp_path / "labels.csv").write_text(
        "SOPInstanceUID;Nodule\n1.2.826.0.1.2;ja\n1.2.826.0.1.1;nein\n1.2.826.0.1.3;ja\n"
    )
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "list.json")]
    assert main(["datalist", "folder", *words, "--split", "1,0,0"]) == 0
    datalist = read_datalist(tmp_path / "list.json")
    assert {(tmp_path / i.image).resolve().name: i.label for i in datalist.items()} == {"IM2": (1,), "IM1": (0,)}
    assert datalist.provenance["counts"]["left out: rows without an image in the folder"] == 1
    assert "1.2.826" not in (tmp_path / "list.json").read_text()


@pytest.mark.parametrize(
    ("elements", "image", "patient", "kinds"),
    [
        ({"PatientName": "Doe^Jane"}, "doe_3/IM1", "1", {"images"}),
        ({"PatientName": "Doe^Jane"}, "doer/jan/IM1", "1", set()),
        ({"PatientName": "Mustermann^Erika"}, "erikamustermann.dcm", "1", {"images"}),
        ({"PatientID": "471"}, "x-471/IM1", "p", {"images"}),
        ({"PatientID": "471"}, "x4711/IM1", "0471", set()),
        ({"PatientID": "Ab1"}, "IM1", "aB1 ", {"patients"}),
        ({"PatientName": "Doe"}, "IM1", "DOE", {"patients"}),
        ({"PatientID": "12"}, "12/IM1", "p", set()),  # too short to tell from other numbers
        ({"PatientID": "ANONYMOUS", "PatientName": "Anonymous"}, "anonymous/IM1", "anonymous", set()),
        ({"AccessionNumber": "A21"}, "a21/IM1", "p", {"images"}),
        ({}, "IM1", "p", set()),
    ],
)
def test_what_stands_in_the_header_is_known_in_paths_and_tables(tmp_path, elements, image, patient, kinds):
    write(tmp_path / image, **elements)
    identifiers = identifiers_of({"a": tmp_path / image})
    datalist = Datalist.unsplit("made", ("Nodule",), [Item("a", patient, (1,))])
    assert named_in_headers(datalist, identifiers, {"a": image}) == kinds
