"""Open-i, COVIDx and BIMCV-COVID19: small files in their published form, and bad ones."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from app.datalist.item import Datalist, Item
from app.datalist.validate import problems
from app.datasets import bimcv as bimcv_module
from app.datasets.bimcv import bimcv
from app.datasets.covidx import covidx
from app.datasets.openi import openi
from app.files.images import image_files
from app.files.tables import TableError

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <meta type="rr"/>
  <uId id="CXR7"/>
  <MedlineCitation Owner="Indiana University" Status="supplied by publisher">
    <Article><Abstract><AbstractText Label="FINDINGS">Mild cardiomegaly.</AbstractText></Abstract></Article>
  </MedlineCitation>
  <MeSH>
    <major>Cardiomegaly/mild</major>
    <major>Thickening/pleura/apex/left</major>
    <major>Fractures, Bone/ribs/right</major>
    <major>Scoliosis</major>
    <automatic>heart</automatic>
  </MeSH>
  <parentImage id="CXR7_IM-2263-1001"><caption>Xray Chest PA and Lateral</caption></parentImage>
  <parentImage id="CXR7_IM-2263-2001"><caption>Xray Chest PA and Lateral</caption></parentImage>
</eCitation>
"""
NORMAL = "<eCitation><MeSH><major>normal</major></MeSH><parentImage id='CXR8_IM-1'/></eCitation>"
UNINDEXED = "<eCitation><MeSH><major>No Indexing</major></MeSH><parentImage id='CXR9_IM-1'/></eCitation>"
TABLE = """uid,MeSH,Problems,image,indication,comparison,findings,impression
7,"Cardiomegaly/mild;Thickening/pleura/apex;Fractures, Bone/ribs","Cardiomegaly;Thickening;Fractures, Bone",a,b,c,d,e
8,normal,normal,a,b,c,"Two
lines.",e
10,Opacity/lung/base/left,Opacity,a,b,c,d,e
"""
PROJECTIONS = """uid,filename,projection
7,7_IM-2263-1001.dcm.png,Frontal
7,7_IM-2263-2001.dcm.png,Lateral
8,8_IM-1-1001.dcm.png,Frontal
"""


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def states(datalist: Datalist, item: Item) -> list[str]:
    """The findings that are present in an item."""
    return [name for name, value in zip(datalist.findings, item.label, strict=True) if value == 1]


def test_openi_reads_reports_in_xml(tmp_path: Path):
    files = {"7__xml": REPORT, "8__xml": NORMAL, "9__xml": UNINDEXED, "10__xml": "<eCitation/>"}
    write(tmp_path / "ecgen-radiology", **files)
    datalist = openi(tmp_path)
    by_name = {item.image: item for item in datalist.sections["training"]}
    first, second = by_name["CXR7_IM-2263-1001.png"], by_name["CXR7_IM-2263-2001.png"]
    assert states(datalist, first) == states(datalist, second) == ["Cardiomegaly", "Fracture", "Pleural Thickening"]
    assert (first.patient, first.study, first.view) == ("7", "7", "")
    assert states(datalist, by_name["CXR8_IM-1.png"]) == ["No Finding"]
    assert set(by_name["CXR9_IM-1.png"].label) == {-2}
    assert datalist.provenance["unmapped"] == {"scoliosis": 2}
    assert datalist.provenance["counts"] == {
        "reports": 4,
        "reports without an image": 1,
        "images whose report says nothing of findings": 1,
        "reports whose patient the data set does not tell (each counts as one)": 4,
    }
    assert problems(datalist) == []


def test_openi_reads_the_tables_with_views(tmp_path: Path):
    datalist = openi(write(tmp_path, indiana_reports__csv=TABLE, indiana_projections__csv=PROJECTIONS))
    first, second, third = datalist.sections["training"]
    assert [item.view for item in (first, second, third)] == ["FRONTAL", "LATERAL", "FRONTAL"]
    assert first.image == "7_IM-2263-1001.dcm.png"
    assert states(datalist, first) == ["Cardiomegaly", "Fracture", "Pleural Thickening"]
    assert states(datalist, third) == ["No Finding"]
    assert datalist.provenance["counts"]["reports without an image"] == 1


TRAIN = """419639-003251 MIDRC-RICORD-1C-419639-003251-46647-0.png positive ricord
1 ARDSSevere.png negative cohen
1 other.png positive fig1
7 seven.png negative cohen
"""
TEST = "7 seven-later.png positive cohen\n"


def test_covidx_keeps_its_sections_and_patients_apart(tmp_path: Path):
    datalist = covidx(write(tmp_path, train__txt=TRAIN, test__txt=TEST))
    training, test = datalist.sections["training"], datalist.sections["test"]
    assert datalist.findings == ("COVID-19",)  # of others nothing is said
    assert [item.label for item in training] == [(1,), (0,), (1,)]
    # Numbers of patients recur in other collections.
    assert [item.patient for item in training] == ["ricord-419639-003251", "cohen-1", "fig1-1"]
    assert [item.image for item in test] == ["seven-later.png"]
    assert datalist.provenance["counts"] == {
        "images of the lists": 5,
        "left out: images of patients who are in test or validation as well": 1,
    }
    assert problems(datalist) == []


def test_covidx_has_releases_with_three_labels(tmp_path: Path):
    lines = "1 a.png normal rsna\n2 b.png pneumonia rsna\n3 c.png COVID-19 sirm\n"
    datalist = covidx(write(tmp_path, train_COVIDx9A__txt=lines, test_COVIDx9A__txt="", val_COVIDx9A__txt=""))
    assert datalist.findings == ("COVID-19", "Pneumonia", "No Finding")
    assert [item.label for item in datalist.sections["training"]] == [(0, 0, 1), (0, 1, 0), (1, -2, -2)]


POSITIVE = """\tPatientID\tReportID\tReport\tLabels\tLocalizations
0\tsub-S001\tses-E01\tsin hallazgos\t"['normal']"\t[]
1\tsub-S001\tses-E02\tdudoso\t"['COVID 19 uncertain'\t 'pleural effusion'\t'scoliosis']"\t[]
2\tsub-S002\tses-E03\tneumonia\t"[""COVID 19"", ""pneumonia""]"\t[]
3\tsub-S003\tses-E04\tsin cambios\t['unchanged']\t[]
4\tsub-S004\tses-E05\t\t\t[]
"""
NEGATIVE = "\tPatientID\tReportID\tReport\tLabels\tLocalizations\n0\tsub-S009\tses-E09\tx\t['normal']\t[]\n"
PARTICIPANTS = "participant\tmodality_dicom\tbody_parts\tage\tgender\n" + (
    "sub-S001\t['DX']\t[['chest']]\t[64, 65]\tF\nsub-S002\t['CR']\t[['chest']]\t[inf]\tU\n"
)
IMAGES = (
    "sub-S001/ses-E01/mod-rx/sub-S001_ses-E01_run-1_bp-chest_vp-pa_dx.png",
    "sub-S001/ses-E02/mod-rx/sub-S001_ses-E02_acq-2_run-1_bp-chest_vp-lateral_dx.png",
    "sub-S002/ses-E03/mod-rx/sub-S002_ses-E03_run-1_bp-chest_cr.png",
    "sub-S003/ses-E04/mod-rx/sub-S003_ses-E04_run-1_bp-chest_vp-ap_cr.png",
    "sub-S003/ses-E08/mod-rx/sub-S003_ses-E08_run-1_bp-chest_vp-ap_cr.png",
    "sub-S003/ses-E04/mod-ct/sub-S003_ses-E04_run-1_bp-chest_ct.nii.gz",
    "sub-S009/ses-E09/mod-rx/sub-S009_ses-E09_run-1_bp-chest_vp-ap_dx.png",
)


@pytest.fixture
def valencia(tmp_path: Path) -> Path:
    """Tables as they are published, and images, of which nothing but the names is read."""
    write(tmp_path / "derivatives" / "labels", labels_covid19_posi__tsv=POSITIVE, Labels_covid_NEG_JAN21__tsv=NEGATIVE)
    for name in IMAGES:
        write((tmp_path / "images" / name).parent, **{Path(name).name.replace(".", "__", 1): "x"})
    return write(tmp_path, participants__tsv=PARTICIPANTS)


def bimcv_of(folder: Path) -> Datalist:
    return bimcv(folder, image_files(folder / "images"))


def test_bimcv_takes_radiographs_by_their_names(valencia: Path):
    datalist = bimcv_of(valencia)
    items = datalist.sections["training"]
    assert datalist.findings == ("COVID-19", "Effusion", "Pneumonia", "No Finding")
    assert [item.label for item in items] == [(0, 0, 0, 1), (-1, 1, 0, 0), (1, 0, 1, 0), (-2,) * 4, (0, 0, 0, 1)]
    assert [(item.patient, item.study, item.view) for item in items] == [
        ("sub-S001", "ses-E01", "PA"),
        ("sub-S001", "ses-E02", "LATERAL"),
        ("sub-S002", "ses-E03", ""),
        ("sub-S003", "ses-E04", "AP"),
        ("sub-S009", "ses-E09", "AP"),
    ]
    assert [item.attributes for item in items[1:4]] == [{"sex": "F", "age": 64}, {}, {}]
    assert [item.source for item in items[3:]] == ["BIMCV-COVID19+", "BIMCV-COVID19-"]
    assert datalist.provenance["unmapped"] == {"scoliosis": 1}
    assert datalist.provenance["counts"] == {
        "radiographs": 5,
        "radiographs whose report says nothing of findings": 1,
        "left out: radiographs of sessions without labels": 1,
        "left out: images of other kinds (CT, other names)": 1,
        "sessions without a radiograph": 1,
    }
    assert problems(datalist) == []


def test_bimcv_needs_the_folder_and_names_images_from_the_datalist(valencia: Path, capsys: pytest.CaptureFixture[str]):
    words = ["datalist", "bimcv", "--tables", str(valencia), "--out", str(valencia / "lists" / "b.json")]
    assert main(words) == 1
    assert "name the folder of radiographs, as the tables do not list them: --images DIR" in capsys.readouterr().err
    arguments = argparse.Namespace(tables=valencia, images=valencia / "images", out=valencia / "lists" / "b.json")
    assert bimcv_module.datalist_from(arguments).items()[0].image == f"../images/{IMAGES[0]}"


def bad_bimcv(folder: Path, text: str, image: str = "sub-S001_ses-E01_dx__png") -> Datalist:
    write(folder / "images", **{image: "x"})
    return bimcv_of(write(folder, labels_covid19_posi__tsv=text))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "openi nothing": (openi, "holds neither indiana_reports.csv nor reports, *.xml, here or in ecgen-radiology"),
    "openi xml": (lambda f: openi(write(f, a__xml="<eCitation>")), "a.xml: not a readable XML file"),
    "openi other xml": (lambda f: openi(write(f, a__xml="<annotation/>")), "its root is 'annotation'"),
    "openi twice": (
        lambda f: openi(write(f, a__xml=NORMAL, b__xml=NORMAL)),
        "report 'b': image 'CXR8_IM-1.png' is named twice",
    ),
    "openi report twice": (
        lambda f: openi(
            write(f, indiana_reports__csv=TABLE + TABLE.splitlines()[1] + "\n", indiana_projections__csv=PROJECTIONS)
        ),
        "line 6: report '7' is named twice",
    ),
    "openi no report": (
        lambda f: openi(write(f, indiana_reports__csv=TABLE, indiana_projections__csv=PROJECTIONS + "9,a,Frontal\n")),
        "has images of 1 reports that indiana_reports.csv lacks",
    ),
    "openi view": (
        lambda f: openi(write(f, indiana_reports__csv=TABLE, indiana_projections__csv=PROJECTIONS + "8,a,PA\n")),
        "line 5: 'projection' must be one of 'Frontal', 'Lateral', not 'PA'",
    ),
    "bimcv table": (
        lambda f: bimcv_of(write(f / "images", a__png="x").parent),
        "holds no labels_covid19_posi.tsv[.gz] or labels_covid_posi.tsv[.gz]",
    ),
    "bimcv list": (
        lambda f: bad_bimcv(f, POSITIVE.replace("['unchanged']", "unchanged")),
        "line 5: 'Labels' must be a list such as ['normal'], not 'unchanged'",
    ),
    "bimcv twice": (
        lambda f: bad_bimcv(f, POSITIVE.replace("ses-E02", "ses-E01")),
        "line 3: session 'ses-E01' of 'sub-S001' is named twice",
    ),
    "bimcv images": (
        lambda f: bad_bimcv(f, POSITIVE, "sub-S077_ses-E77_dx__png"),
        "none of its images is a radiograph of the 5 sessions",
    ),
    "covidx label": (
        lambda f: covidx(write(f, train__txt=TRAIN.replace("negative", "unsure"), test__txt=TEST)),
        "train.txt, line 2: 'label' must be one of 'positive', 'negative'",
    ),
    "covidx words": (
        lambda f: covidx(write(f, train__txt="1 a.png positive\n", test__txt=TEST)),
        "train.txt, line 1: must be patient, file, label and collection",
    ),
    "covidx twice": (lambda f: covidx(write(f, train__txt=TRAIN * 2, test__txt=TEST)), "is named twice"),
    "covidx list": (lambda f: covidx(write(f, train__txt=TRAIN)), "must hold one list test.txt"),
    "covidx releases": (
        lambda f: covidx(write(f, train__txt=TRAIN, train_COVIDx8B__txt=TRAIN, test__txt=TEST)),
        "of one release; there: train.txt, train_COVIDx8B.txt",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_says_where_and_why(tmp_path: Path, name: str):
    build, message = BAD[name]
    with pytest.raises(TableError) as caught:
        build(tmp_path)
    assert message in str(caught.value)
