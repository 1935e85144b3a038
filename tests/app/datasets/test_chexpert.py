"""CheXpert: hand-made rows, bad tables, and the counts that were published of its real table."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.annotations.subset import first_of_studies, with_views
from app.cli import main
from app.datalist.file import read_datalist
from app.datasets.chexpert import COLUMNS, FINDINGS, chexpert
from app.files.tables import TableError
from app.findings import ABSENT, NOT_SAID

HEAD = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(COLUMNS) + "\n"
ROWS = [
    "C/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,-1.0",
    "C/train/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,,1.0,,,,,,,,,0.0,,,,-1.0",
    "C/train/patient00002/study1/view1_frontal.jpg,Unknown,0,Frontal,LL,,,,,,,,,,,1.0,,,",
]
# Positive and uncertain studies of 187,641; all others are negative. Source: Fig. 2 of Haghpanah, "Automatic Labeling
# of Chest Radiography Images", whose negatives are what is left.
PUBLISHED = {
    "No Finding": (16627, 0, 171014),
    "Enlarged Cardiomediastinum": (9020, 10148, 168473),
    "Cardiomegaly": (23002, 6597, 158042),
    "Lung Lesion": (6856, 1071, 179714),
    "Lung Opacity": (92669, 4341, 90631),
    "Edema": (48905, 11571, 127165),
    "Consolidation": (12730, 23976, 150935),
    "Pneumonia": (4576, 15658, 167407),
    "Atelectasis": (29333, 29377, 128931),
    "Pneumothorax": (17313, 2663, 167665),
    "Effusion": (75696, 9419, 102526),
    "Pleural Other": (2441, 1771, 183429),
    "Fracture": (7270, 484, 179887),
    "Support Devices": (105831, 898, 80912),
}


def tables_with(folder: Path, *rows: str, head: str = HEAD, name: str = "train.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(head + "".join(f"{row}\n" for row in rows or ROWS))
    return folder


def test_rows_become_items_with_every_state_apart(tmp_path: Path):
    first, second, third = chexpert(tables_with(tmp_path)).sections["training"]
    state = dict(zip(FINDINGS, first.label, strict=True))
    assert (state["No Finding"], state["Pneumothorax"], state["Support Devices"], state["Effusion"]) == (1, 0, -1, -2)
    assert (first.patient, first.study, first.view) == ("patient00001", "patient00001-study1", "AP")
    assert first.attributes == {"sex": "F", "age": 68}
    assert (second.view, second.label) == ("LATERAL", first.label)
    assert (third.view, third.attributes, third.label[FINDINGS.index("Effusion")]) == ("LL", {}, 1)


def test_empty_can_count_as_absent(tmp_path: Path):
    datalist = chexpert(tables_with(tmp_path), ABSENT)
    assert {value for item in datalist.sections["training"] for value in item.label} == {1, 0, -1}
    assert datalist.provenance["empty"] == "absent"
    assert "an empty one means: absent" in datalist.description


def test_the_radiologists_table_is_the_test_section(tmp_path: Path):
    tables_with(tmp_path, ROWS[2].replace("patient00002", "patient00009"), name="valid.csv")
    datalist = chexpert(tables_with(tmp_path))
    assert [(len(datalist.sections[name])) for name in ("training", "validation", "test")] == [3, 0, 1]
    assert datalist.sections["test"][0].source == "radiologists"


def test_studies_and_views_are_chosen(tmp_path: Path):
    datalist = chexpert(tables_with(tmp_path))
    assert [item.view for item in first_of_studies(datalist).sections["training"]] == ["AP", "LL"]
    lateral = with_views(datalist, ("LATERAL",), keep=True)
    assert [item.view for item in lateral.sections["training"]] == ["LATERAL"]
    assert lateral.provenance["counts"]["left out: images of other views"] == 2


BAD = {
    "another state": (
        (ROWS[0].replace("-1.0", "2.0"),),
        "line 2: 'Support Devices' must be one of '1.0', '0.0', '-1.0'",
    ),
    "text for a state": ((ROWS[0].replace("-1.0", "yes"),), "not 'yes'"),
    "image twice": ((ROWS[0], ROWS[0]), "line 3: image 'C/train/patient00001/study1/view1_frontal.jpg' is named twice"),
    "no study": (("view1_frontal.jpg" + ROWS[0][ROWS[0].index(",") :],), "must end with patient/study/file"),
    "text for age": ((ROWS[0].replace(",68,", ",old,"),), "line 2: 'age' must be a number, not 'old'"),
    "another side": (
        (ROWS[0].replace("Frontal,", "Oblique,"),),
        "'Frontal/Lateral' must be one of 'Frontal', 'Lateral'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    rows, message = BAD[name]
    with pytest.raises(TableError) as caught:
        chexpert(tables_with(tmp_path, *rows))
    assert message in str(caught.value)


def test_a_missing_column_and_another_table_are_told(tmp_path: Path):
    with pytest.raises(TableError, match=r"no column 'Edema'\. Columns found: 'Path', 'Sex'"):
        chexpert(tables_with(tmp_path, "x", head=HEAD.replace("Edema", "Water")))
    vindr = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
    with pytest.raises(TableError, match=r"It looks like the box table of VinDr-CXR\."):
        chexpert(tables_with(tmp_path, head=vindr))


def test_images_are_told_apart_by_their_study(tmp_path: Path, capsys: pytest.CaptureFixture):
    for row in ROWS:
        path = tmp_path / "copy" / Path(*Path(row.partition(",")[0]).parts[2:]).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((8, 9), np.uint8))
    tables, out = tables_with(tmp_path / "tables"), tmp_path / "made" / "list.json"
    words = ["datalist", "chexpert", "--tables", str(tables), "--images", str(tmp_path / "copy"), "--out", str(out)]
    assert main([*words, "--empty", "absent", "--view", "frontal", "--split", "1,0,0"]) == 0
    images = sorted(item.image for item in read_datalist(out).sections["training"])
    assert images == [f"../copy/patient0000{n}/study1/view1_frontal.png" for n in (1, 2)]
    assert "left out: images in the folder without a row: 1" in capsys.readouterr().out


def test_the_published_counts_of_studies(frugal_data: Path):
    datalist = chexpert(frugal_data / "tables", ABSENT)
    assert len(datalist.sections["training"]) == 223414
    items = first_of_studies(datalist).sections["training"]
    assert len(items) == 187641
    columns = zip(*(item.label for item in items), strict=True)
    counts = {name: Counter(column) for name, column in zip(FINDINGS, columns, strict=True)}
    assert {name: (count[1], count[-1], count[0]) for name, count in counts.items()} == PUBLISHED


def test_empty_and_uncertain_are_apart_in_the_real_table(frugal_data: Path):
    # Counted with the csv module: 'Pneumonia' is 1.0, 0.0, -1.0 and empty so often.
    column = FINDINGS.index("Pneumonia")
    items = chexpert(frugal_data / "tables").sections["training"]
    assert Counter(item.label[column] for item in items) == {1: 6039, 0: 2799, -1: 18770, NOT_SAID: 195806}
    assert Counter(item.view for item in items) == {"AP": 161590, "PA": 29420, "LATERAL": 32387, "LL": 16, "RL": 1}
    assert len({item.patient for item in items}) == 64540
