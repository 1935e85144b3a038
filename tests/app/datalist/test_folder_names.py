"""What names in a user's own folder and tables mean: links, files without suffix, Unicode's spellings, no patient."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.annotation_formats.coco import read_coco
from app.annotation_formats.marks import AnnotationError
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.datalist.validate import DatalistError, notes, validate
from app.datasets.lungs import parts_and_patients
from app.files.image_names import relative_image
from app.files.tables import TableError, read_table

LABELS = "image,patient,Nodule\n1.png,a,1\n2.png,b,0\n3.png,c,1\n"
COMPOSED, DECOMPOSED = "R\u00f6ntgen", "Ro\u0308ntgen"


def picture(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((20, 30), value, np.uint8))[1].tobytes())
    return path


def made(folder: Path, *words: str, out: str = "out.json") -> dict[str, Item]:
    """Items by the name of their image that the command makes of labels.csv and images/."""
    common = ["--tables", str(folder), "--images", str(folder / "images"), "--out", str(folder / out)]
    assert main(["datalist", "folder", *common, *words]) == 0
    datalist = read_datalist(folder / out)
    return {item.image: item for item in datalist.items()}


def refused(folder: Path, capsys: pytest.CaptureFixture, *words: str) -> str:
    common = ["--tables", str(folder), "--images", str(folder / "images"), "--out", str(folder / "out.json")]
    assert main(["datalist", "folder", *common, *words]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("blobs", [("x", "y", "z"), ("x", "x", "y")], ids=["once", "twice"])
def test_links_into_a_store_keep_their_names(tmp_path: Path, blobs: tuple[str, ...]):
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "images").mkdir()
    for number, blob in enumerate(blobs, start=1):
        picture(tmp_path / "blobs" / blob, ord(blob))
        (tmp_path / "images" / f"{number}.png").symlink_to(f"../blobs/{blob}")
    items = made(tmp_path)
    assert {name: item.patient for name, item in items.items()} == {
        "images/1.png": "a",
        "images/2.png": "b",
        "images/3.png": "c",
    }


def test_a_linked_folder_keeps_its_name_and_what_is_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "labels.csv").write_text(LABELS)
    picture(tmp_path / "disk/2.png")
    picture(tmp_path / "images/1.png")
    (tmp_path / "images/more").symlink_to("../disk")
    (tmp_path / "images/3.png").symlink_to("../gone.png")
    (tmp_path / "images/._1.png").write_bytes(b"what macOS puts beside files")
    assert set(made(tmp_path)) == {"images/1.png", "images/more/2.png"}
    text = capsys.readouterr().out
    assert "left out of the folder: broken links: 1" in text
    assert "left out of the folder: hidden files and folders: 1" in text


def test_names_are_relative_wherever_links_lead(tmp_path: Path):
    picture(tmp_path / "real/data/images/1.png")
    (tmp_path / "home").symlink_to("real")
    image = tmp_path / "home/data/images/1.png"
    # Behind the link, as seen from a datalist beside it, before and after the link, and from elsewhere.
    assert relative_image(image, tmp_path / "home/data/out.json") == "images/1.png"
    assert relative_image(image, tmp_path / "real/data/out.json") == "images/1.png"
    assert relative_image(image, tmp_path / "out.json") == "home/data/images/1.png"
    # What is read is always the same file.
    for out in ("home/data/out.json", "real/lists/out.json", "out.json"):
        (tmp_path / out).parent.mkdir(exist_ok=True)
        name = relative_image(image, tmp_path / out)
        assert ((tmp_path / out).parent.resolve() / name).resolve() == image.resolve()


def test_files_without_an_image_suffix_are_matched_by_their_exact_name(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("image,patient,Nodule\nIM000001,a,1\n4.ima,b,0\n5.png,c,0\nnotes,d,0\n")
    for name in ("IM000001", "4.ima", "5.png"):
        picture(tmp_path / "images" / name)
    (tmp_path / "images/notes").write_text("no image")
    assert set(made(tmp_path)) == {"images/IM000001", "images/4.ima", "images/5.png"}


@pytest.mark.parametrize(("in_table", "on_disk"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_a_letter_and_its_accent_may_be_one_character_or_two(tmp_path: Path, in_table: str, on_disk: str):
    (tmp_path / "labels.csv").write_text(f"image,patient,Nodule,Lésion\n{in_table}.png,a,1,0\n2.png,b,0,1\n")
    picture(tmp_path / f"images/{on_disk}.png")
    picture(tmp_path / "images/2.png")
    picture(tmp_path / f"masks/{in_table}_nodule.png", 255)
    entries = [{"id": 1, "file_name": f"{in_table}.png", "height": 20, "width": 30}]
    coco = {"images": entries, "categories": [{"id": 1, "name": "Le\u0301sion"}], "annotations": []}
    coco["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    words = ["--labels", "Nodule,Le\u0301sion", "--annotations", str(tmp_path / "coco.json")]
    item = made(tmp_path, *words, "--masks", "masks/{stem}_{finding}.png")[f"images/{on_disk}.png"]
    assert item.patient == "a"
    assert [box.finding for box in item.boxes] == ["L\u00e9sion"]
    assert item.mask == {"Nodule": f"masks/{in_table}_nodule.png"}


def test_a_study_may_be_written_in_either_way(tmp_path: Path):
    (tmp_path / "labels.csv").write_text(f"study,patient,Nodule\n{COMPOSED},a,1\n")
    picture(tmp_path / f"images/{DECOMPOSED}/1.png")
    assert set(made(tmp_path)) == {f"images/{DECOMPOSED}/1.png"}


def test_two_files_whose_names_look_the_same_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "labels.csv").write_text(f"image,patient,Nodule\n{COMPOSED},a,1\n")
    picture(tmp_path / f"images/{COMPOSED}.png")
    picture(tmp_path / f"images/{DECOMPOSED}.png")
    error = refused(tmp_path, capsys)
    assert "R\\xf6ntgen.png" in error
    assert "Ro\\u0308ntgen.png" in error
    (tmp_path / "labels.csv").write_text(f"image,patient,Nodule\n{COMPOSED}.png,a,1\n{DECOMPOSED}.png,b,1\n")
    assert {item.patient for item in made(tmp_path).values()} == {"a", "b"}


MISSING = (
    "nan",
    "NaN",
    "None",
    "NA",
    "<NA>",
    "null",
    "NULL",
    "NaT",
    "n/a",
    "#N/A",
    " nan ",
    "\u200bnan",
    "?",
    "-",
    "--",
    ".",
)


@pytest.mark.parametrize("patient", MISSING)
def test_a_missing_value_is_no_patient_in_any_table_or_datalist(
    tmp_path: Path, capsys: pytest.CaptureFixture, patient: str
):
    (tmp_path / "labels.csv").write_text(f"image,patient,Nodule\n1.png,a,1\n2.png,{patient},0\n")
    picture(tmp_path / "images/1.png")
    assert "labels.csv, line 3: the patient's cell" in refused(tmp_path, capsys)
    (tmp_path / "lungs.csv").write_text(f"image,patient,left,top,width,height\n1.png,{patient},0,0,1,1\n")
    with pytest.raises(TableError, match=r"lungs\.csv, line 2: the patient's cell"):
        parts_and_patients(tmp_path / "lungs.csv")
    item = {"image": "1.png", "patient": patient, "label": [1]}
    (tmp_path / "data.json").write_text(json.dumps({"name": "d", "findings": ["Nodule"], "training": [item]}))
    with pytest.raises(DatalistError, match="stands for a missing value; without it nobody can keep a patient out of"):
        read_datalist(tmp_path / "data.json")


def test_patients_whose_names_only_begin_so_stay(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("image,patient,Nodule\n1.png,nan1,1\n2.png,Nana,0\n3.png,0,0\n")
    for name in ("1.png", "2.png", "3.png"):
        picture(tmp_path / "images" / name)
    assert {item.patient for item in made(tmp_path).values()} == {"nan1", "Nana", "0"}


def test_a_missing_study_view_or_source_is_not_said(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("image,patient,study,view,reader,Nodule\n1.png,a,nan,None,NA,1\n")
    picture(tmp_path / "images/1.png")
    (item,) = made(tmp_path).values()
    assert (item.study, item.view, item.source) == ("", "", "")


@pytest.mark.parametrize("other", ["1 ", " 1", "1\u200b", "\u200d1", "\ufeff1", "\uff11"])
def test_one_patient_written_in_two_ways_is_one_patient(tmp_path: Path, other: str):
    (tmp_path / "labels.csv").write_text(f"image,patient,Nodule\n1.png,1,1\n2.png,{other},0\n")
    for name in ("1.png", "2.png"):
        picture(tmp_path / "images" / name)
    assert {item.patient for item in made(tmp_path).values()} == {"1"}


def crossing(one: str, other: str) -> Datalist:
    sections = {"training": [Item("1.png", one, (1,))], "validation": [], "test": [Item("2.png", other, (0,))]}
    return Datalist("made", ("Nodule",), sections)


@pytest.mark.parametrize(("one", "other"), [("1", "1 "), ("1", "1\u200b"), ("\u00e9", "e\u0301")])
def test_spellings_of_one_patient_must_not_cross_sections(tmp_path: Path, one: str, other: str):
    with pytest.raises(DatalistError, match="1 patient in more than one of training, validation, test"):
        validate(crossing(one, other), tmp_path, files=False)
    write_datalist(crossing(one, other), tmp_path / "data.json")
    with pytest.raises(DatalistError, match="1 patient in more than one of training, validation, test"):
        read_datalist(tmp_path / "data.json")


def test_patients_that_differ_in_capitals_alone_are_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    datalist = crossing("a1", "A1")
    assert notes(crossing("a1", "b1")) == []
    assert notes(datalist)[0].startswith("1 patient may be written in two ways, as their names differ only in capitals")
    write_datalist(datalist, tmp_path / "data.json")
    assert main(["datalist", "show", str(tmp_path / "data.json")]) == 0
    assert "Note: 1 patient may be written in two ways" in capsys.readouterr().out


def coco_of(categories: list[dict[str, object]]) -> str:
    return json.dumps({"images": [], "categories": categories, "annotations": []})


@pytest.mark.parametrize("second", [{"id": 1, "name": "Mass"}, {"id": 1, "name": "Nodule"}, {"id": True, "name": "x"}])
def test_a_category_id_given_twice_is_refused(tmp_path: Path, second: dict[str, object]):
    (tmp_path / "coco.json").write_text(coco_of([{"id": 1, "name": "Nodule"}, {"id": 2, "name": "Effusion"}, second]))
    with pytest.raises(AnnotationError, match=r"coco\.json: categories 'Nodule' and '\w+' have one id, (1|True)"):
        read_coco(tmp_path / "coco.json")
    (tmp_path / "coco.json").write_text(coco_of([{"name": "Nodule"}, {"name": "Mass"}]))
    with pytest.raises(AnnotationError, match="have one id, None"):
        read_coco(tmp_path / "coco.json")


@pytest.mark.parametrize(
    "text",
    [
        "image;patient;Nodule\n1.png;a;0,5\n",
        "image\tpatient\tNodule\n1.png\ta\t0,5\n",
        'image,patient,Nodule\n1.png,a,"0,5"\n',
        "sep=;\nimage;patient;Nodule\n1.png;a;0.5\n",
    ],
)
def test_tables_of_excel_are_read(tmp_path: Path, text: str):
    (tmp_path / "labels.csv").write_text(text)
    picture(tmp_path / "images/1.png")
    assert made(tmp_path, "--split", "1,0,0")["images/1.png"].label == (0.5,)


def test_columns_are_composed(tmp_path: Path):
    (tmp_path / "t.csv").write_text("Le\u0301sion\n1\n")
    assert read_table(tmp_path / "t.csv", ["L\u00e9sion"]).columns == ("L\u00e9sion",)


def test_hidden_tables_are_no_tables(tmp_path: Path):
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "._labels.csv").write_bytes(b"\0\x05\x16\x07 what macOS puts beside files")
    for name in ("1.png", "2.png", "3.png"):
        picture(tmp_path / "images" / name)
    assert len(made(tmp_path)) == 3
