"""Other label sets of ChestX-ray14's images: experts' of 4 and 16 findings, boxes as labels, chest drains."""

import gzip
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from app.annotations.agreement import agreement
from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Datalist
from app.datalist.validate import problems
from app.datasets.nih import boxes_as_labels, chestxray14
from app.datasets.nih_drains import drains
from app.datasets.nih_experts import ALL_FINDINGS, expert_labels
from app.datasets.nih_tables import BOXED, FINDINGS
from app.files.tables import TableError
from tests.app.datasets.nih_rows import BOX as ONE_BOX_EACH
from tests.app.datasets.nih_rows import ENTRY

BOX = ONE_BOX_EACH + "00000001_001.png,Infiltrate,110,20,30,40\n"
FOUR = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,Fracture,Pneumothorax,"
    "Airspace opacity,Nodule or mass,Set Id\n"
    "00000001_001.png,No Finding,1,1,95,M,AP,NO,YES,NO,NO,test\n"
)
# The header of the release's test_labels.csv.
SIXTEEN = (
    "Image ID,Patient ID,Abnormal,Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,"
    "Consolidation,Edema,Emphysema,Fibrosis,Pleural Thickening,Hernia,Other\n"
    "00000001_000.png,1,YES,NO,YES,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,YES,NO,NO\n"
    "00000002_000.png,2,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO\n"
    "00000003_004.png,3,YES,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,NO,YES\n"
)
DRAINS = """,Image Index,Drain,Drain_a1,Drain_Location_a1,Drain_a2,Drain_Location_a2
0,00000001_000.png,1,1.0,left,0.75,left
1,00000001_001.png,0,0.0,,0.25,
2,00000003_004.png,2.0,1.0,,INVALID,
"""
EXPERT = "Image Index,drain\n00000001_000.png,1\n00000009_000.png,0\n"


def tables(folder: Path, **files: str) -> Path:
    for name, text in ({"Data_Entry_2017": ENTRY, "BBox_List_2017": BOX} | files).items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def items_of(datalist: Datalist) -> dict[str, tuple[float, ...]]:
    return {item.image: item.label for item in datalist.items()}


def present(datalist: Datalist, image: str) -> list[str]:
    return [name for name, value in zip(datalist.findings, items_of(datalist)[image], strict=True) if value == 1]


@pytest.mark.parametrize(
    "name", ["all_findings_expert_labels", "all_findings_expert_labels_test_labels", "test_labels"]
)
def test_sixteen_findings_by_experts(tmp_path: Path, name: str):
    datalist = expert_labels(tables(tmp_path, **{name: SIXTEEN}))
    assert datalist.findings == ALL_FINDINGS == (*FINDINGS, "Abnormal", "Other")
    assert [len(items) for items in datalist.sections.values()] == [0, 0, 3]
    assert present(datalist, "00000001_000.png") == ["Cardiomegaly", "Pleural Thickening", "Abnormal"]
    assert present(datalist, "00000002_000.png") == []
    assert present(datalist, "00000003_004.png") == ["Abnormal", "Other"]
    first, _, third = datalist.sections["test"]
    assert (first.patient, first.study, first.view, first.attributes) == ("1", "1-0", "PA", {"sex": "M", "age": 57})
    assert (third.patient, third.study, third.view, third.attributes) == ("3", "3-4", "PA", {})
    assert problems(datalist) == []


def test_the_columns_tell_the_experts_tables_apart_not_their_names(tmp_path: Path):
    datalist = expert_labels(tables(tmp_path, all_findings_expert_labels=FOUR))
    assert present(datalist, "00000001_001.png") == ["Pneumothorax"]
    (tmp_path / "google2019_nih-chest-xray-labels.csv.gz").write_bytes(gzip.compress(SIXTEEN.encode()))
    assert len(expert_labels(tmp_path, "4").findings) == 4
    assert len(expert_labels(tmp_path, "16").findings) == 16
    with pytest.raises(TableError, match="say which is meant by --experts 4 or --experts 16"):
        expert_labels(tmp_path)


BAD = {
    "other table": (ENTRY, "has neither the columns of GCS4L"),
    "one a reader": (
        SIXTEEN.replace("Abnormal", "Reader ID").replace(",YES,NO,YES", ",9,NO,YES"),
        "holds each reader's labels",
    ),
    "answer": (SIXTEEN.replace("1,YES,NO,YES", "1,YES,NO,MAYBE"), "line 2: 'Cardiomegaly' must be one of 'YES', 'NO'"),
    "patient": (
        SIXTEEN.replace("000.png,2,", "000.png,7,"),
        "line 3: image '00000002_000.png' is of patient 2, not '7'",
    ),
    "image twice": (SIXTEEN.replace("00000002_000.png,2", "00000001_000.png,1"), "line 3: image .* is named twice"),
    "name": (SIXTEEN.replace("00000002_000.png", "b.png"), "line 3: an image of ChestX-ray14 is named such as"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_of_experts_says_where_and_why(tmp_path: Path, name: str):
    text, message = BAD[name]
    with pytest.raises(TableError, match=message):
        expert_labels(tables(tmp_path, all_findings_expert_labels=text))


@pytest.mark.parametrize(("text", "what"), [(SIXTEEN, "GCS16L"), (DRAINS, "chest drains of NEATX")])
def test_these_tables_are_recognised_where_another_is_needed(tmp_path: Path, text: str, what: str):
    with pytest.raises(TableError, match=f"It looks like .*{what}"):
        chestxray14(tables(tmp_path, Data_Entry_2017=text))


def test_experts_without_their_table(tmp_path: Path):
    with pytest.raises(TableError, match="holds no google2019"):
        expert_labels(tables(tmp_path))
    with pytest.raises(TableError, match="with the columns of GCS16L, sixteen findings"):
        expert_labels(tables(tmp_path, four_findings_expert_labels=FOUR), "16")


def test_boxes_as_labels(tmp_path: Path):
    datalist = boxes_as_labels(chestxray14(tables(tmp_path)))
    assert datalist.findings == BOXED
    assert {image: present(datalist, image) for image in items_of(datalist)} == {
        "00000001_000.png": ["Cardiomegaly"],
        "00000001_001.png": ["Infiltration"],
    }
    assert [len(item.boxes) for item in datalist.sections["training"]] == [1, 2]
    assert problems(datalist) == []


def test_drains_by_each_reader(tmp_path: Path):
    folder = tables(tmp_path, **{"NIH-CX14_TubeAnnotations_NonExperts_aggregated": DRAINS, "expert_drains": EXPERT})
    labels = {
        reader: [label[0] for label in items_of(drains(folder, reader)).values()] for reader in ("combined", "1", "2")
    }
    assert labels == {"combined": [1, 0, 1], "1": [1, 0, 1], "2": [0.75, 0.25, -2]}
    assert items_of(drains(folder, "expert")) == {"00000001_000.png": (1,), "00000009_000.png": (0,)}
    first, _, third = drains(folder, "combined").sections["training"]
    assert (first.patient, first.view, first.attributes, first.source) == ("1", "PA", {"sex": "M", "age": 57}, "NEATX")
    assert (third.patient, third.study, third.view) == ("3", "3-4", "")
    assert problems(drains(folder, "combined")) == []


@pytest.mark.parametrize(
    ("text", "reader", "message"),
    [
        (DRAINS.replace(",0,0.0", ",3,0.0"), "combined", "line 3: 'Drain' must be one of"),
        (DRAINS.replace("0.75", "0.8"), "2", "line 2: 'Drain_a2' must be one of"),
        (DRAINS.replace("1_001", "1_000"), "1", "line 3: image '00000001_000.png' is named twice"),
        (DRAINS.replace("Drain_a1", "Tube_a1"), "1", "no column 'Drain_a1'"),
        (EXPERT, "1", "no column 'Drain_a1'"),
    ],
)
def test_a_bad_table_of_drains_says_where_and_why(tmp_path: Path, text: str, reader: str, message: str):
    with pytest.raises(TableError, match=message):
        drains(tables(tmp_path, neatx_nih_aggregated=text), reader)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tables(tmp_path, all_findings_expert_labels=SIXTEEN, expert_drains=EXPERT)
    words = ["datalist", "nih", "--tables", str(folder), "--out", str(tmp_path / "out.json"), "--split", "0,0,1"]
    for extra, count in ((["--experts"], 3), (["--experts", "16"], 3), (["--boxes"], 2), (["--drains", "expert"], 2)):
        assert main([*words, *extra]) == 0
        assert len(read_datalist(tmp_path / "out.json").sections["test"]) == count
    assert main([*words, "--boxes", "--rsna"]) == 1
    assert "leave out --rsna and --official-split" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--boxes", "--experts"])
    assert main([*words, "--drains", "combined"]) == 1
    assert "holds no NIH-CX14_TubeAnnotations_NonExperts_aggregated.csv" in capsys.readouterr().err


def test_non_experts_drains_without_the_expert_s_patients(tmp_path: Path, capsys: pytest.CaptureFixture):
    # Images 1_000 and 1_001 are of the expert's patient 1, who is also among the non-experts'.
    folder = tables(tmp_path, neatx_nih_aggregated=DRAINS, expert_drains=EXPERT)
    words = ["datalist", "nih", "--tables", str(folder), "--out"]
    expert, left = (str(tmp_path / name) for name in ("expert.json", "left.json"))
    assert main([*words, expert, "--drains", "expert", "--split", "0,0,1"]) == 0
    assert main([*words, left, "--drains", "combined", "--without", expert, "--split", "1,0,0"]) == 0
    assert "left out: images of patients who are in ChestX-ray14 chest drains: 2" in capsys.readouterr().out
    assert [item.image for item in read_datalist(Path(left)).sections["training"]] == ["00000003_004.png"]


def test_the_boxes_of_chestxray14_against_its_labels(chestxray14_datalist: Datalist):
    reports = chestxray14_datalist
    boxes = boxes_as_labels(reports)
    assert len(boxes.sections["training"]) == 880
    # 984 different pairs of image and finding, counted in the table with `cut -d, -f1,2 | sort -u`.
    assert sum(len(present(boxes, image)) for image in items_of(boxes)) == 984
    found = {one.first[0]: one.agreement for one in agreement(reports, boxes)}
    truth, said = items_of(boxes), items_of(reports)
    for place, name in enumerate(BOXED):
        pairs = [(said[image][FINDINGS.index(name)], label[place]) for image, label in truth.items()]
        assert found[name].kappa.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)
    # "Overall, almost perfect or substantial agreement for NIH-CXR14 and BBox set" (Cheplygina et al., 4.1); of two
    # findings it is moderate here.
    assert {name for name, one in found.items() if one.name not in ("Almost perfect", "Substantial")} == {
        "Effusion",
        "Infiltration",
    }
