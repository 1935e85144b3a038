"""ChestX-ray14 and its expert labels: published counts on the real tables, and what bad tables say."""

import argparse
import gzip
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.datalist.file import read_datalist
from app.datalist.item import Box, Datalist
from app.datalist.stored_images import with_images
from app.datalist.validate import problems, validate
from app.datasets.nih import add_arguments, chestxray14, datalist_from
from app.datasets.nih_experts import expert_labels
from app.datasets.nih_tables import FINDINGS, FRAME
from app.files.tables import TableError
from tests.app.datasets.nih_rows import BOX, ENTRY


def tables_with(folder: Path, entry: str = ENTRY, box: str = BOX) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Data_Entry_2017.csv").write_text(entry)
    (folder / "BBox_List_2017.csv.gz").write_bytes(gzip.compress(box.encode()))
    return folder


def arguments(**given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    namespace = parser.parse_args([])
    vars(namespace).update({"images": None, "out": Path("list.json")} | given)
    return namespace


def test_a_row_becomes_an_item(tmp_path: Path):
    first, second, third = chestxray14(tables_with(tmp_path)).sections["training"]
    assert (first.image, first.patient, first.study, first.view) == ("00000001_000.png", "1", "1-0", "PA")
    assert first.attributes == {"sex": "M", "age": 57}
    assert [finding for finding, value in zip(FINDINGS, first.label, strict=True) if value] == ["Cardiomegaly"]
    assert set(first.label) == {0, 1}
    assert first.boxes == (Box("Cardiomegaly", 100, 200, 300.5, 400),)
    assert first.annotated == ("Cardiomegaly",)
    # `Infiltrate` in the box table is `Infiltration` in the label table.
    assert (second.boxes[0].finding, second.annotated) == ("Infiltration", ("Infiltration",))
    assert second.attributes["age"] == 90  # 95: all above 90 are given as 90
    assert third.label == (0,) * 14
    assert third.annotated == ()


def test_the_first_release_writes_ages_with_a_letter_and_some_implausible(tmp_path: Path):
    datalist = chestxray14(tables_with(tmp_path, ENTRY.replace(",57,", ",057Y,").replace(",8,F", ",412,F")))
    first, _, third = datalist.sections["training"]
    assert first.attributes["age"] == 57
    assert third.attributes == {"sex": "F"}
    assert datalist.provenance["counts"]["ages left out as implausible"] == 1


def test_only_stored_images_with_boxes_at_their_size(tmp_path: Path):
    tables = tables_with(tmp_path / "tables")
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "pictures" / "deep" / "00000001_000.png"), np.zeros((512, 256), np.uint8))
    cv2.imwrite(str(tmp_path / "pictures" / "other.png"), np.zeros((8, 8), np.uint8))
    out = tmp_path / "lists" / "nih.json"
    datalist = datalist_from(arguments(tables=tables, images=tmp_path / "pictures", out=out))
    (item,) = datalist.items()
    assert item.image == "../pictures/deep/00000001_000.png"
    # By hand: 1024 -> 512 down halves, 1024 -> 256 across quarters.
    assert item.boxes == (Box("Cardiomegaly", 25, 100, 75.125, 200),)
    assert datalist.provenance["counts"] == {
        "rows of the label table": 3,
        "boxes of the box table": 2,
        "images included": 1,
        "left out: rows without an image in the folder": 2,
        "left out: images in the folder without a row": 1,
    }
    validate(datalist, out.parent, files=True)


def test_two_files_of_one_name_are_refused(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        (tmp_path / "pictures" / folder / "00000001_000.png").touch()
    with pytest.raises(ValueError, match=r"image '00000001_000\.png' may be any of .*a/0.*, .*b/0"):
        datalist_from(arguments(tables=tables_with(tmp_path / "tables"), images=tmp_path / "pictures"))


def test_a_folder_without_any_of_the_images_is_refused(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").touch()
    with pytest.raises(ValueError, match=r"none of its 1 images, such as '1\.png', is one of the 3 of ChestX-ray14"):
        datalist_from(arguments(tables=tables_with(tmp_path / "tables"), images=tmp_path / "pictures"))


def test_the_official_lists_make_the_test_section(tmp_path: Path):
    tables = tables_with(tmp_path)
    (tables / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    (tables / "test_list.txt").write_text("00000002_000.png\n")
    datalist = datalist_from(arguments(tables=tables, official_split=True))
    assert [item.image for item in datalist.sections["test"]] == ["00000002_000.png"]
    assert len(datalist.sections["training"]) == 2
    (tables / "test_list.txt").write_text("")
    with pytest.raises(TableError, match=r"'00000002_000\.png' must be in one of train_val_list\.txt and"):
        datalist_from(arguments(tables=tables, official_split=True))
    (tables / "test_list.txt").unlink()
    with pytest.raises(TableError, match=r"needs test_list\.txt, which is not there"):
        datalist_from(arguments(tables=tables, official_split=True))


BAD_ENTRIES = {
    "missing column": ((",View Position", ",View"), "no column 'View Position'. Columns found: 'Image Index'"),
    "image named twice": (("00000001_001", "00000001_000"), "line 3: image '00000001_000.png' is named twice"),
    "unknown finding": (
        ("Cardiomegaly", "Cardiomegali"),
        "unknown finding 'Cardiomegali'. Did you mean 'Cardiomegaly'",
    ),
    "text for an age": ((",57,", ",old,"), "line 2: 'Patient Age' must be a number, not 'old'"),
    "number for a sex": ((",M,PA", ",1,PA"), "line 2: 'Patient Gender' must be one of 'F', 'M', not '1'"),
    "number for a finding": (("Cardiomegaly", "3"), "unknown finding '3'"),
    "another view": ((",F,PA", ",F,LL"), "line 4: 'View Position' must be one of 'PA', 'AP', not 'LL'"),
    "patient of letters": ((",0,1,", ",0,Smith,"), "line 2: 'Patient ID' and 'Follow-up #' must be whole numbers"),
    "No Finding beside one": (("Cardiomegaly", "Cardiomegaly|No Finding"), "says 'No Finding' beside findings"),
    "short row": ((",F,PA,2682,2749", ",F"), "line 4: 6 cells, but the header names 9 columns"),
    "long row": (("F,PA,2682,2749", "F,PA,2682,2749,x"), "line 4: 10 cells, but the header names 9 columns"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_label_table_says_where_and_why(tmp_path: Path, name: str):
    (old, new), message = BAD_ENTRIES[name]
    with pytest.raises(ValueError, match=r"Data_Entry_2017\.csv") as caught:
        chestxray14(tables_with(tmp_path, entry=ENTRY.replace(old, new, 1)))
    assert message in str(caught.value)


BAD_BOXES = {
    "no area": (("300.5,400", "300.5,0"), "line 2: the box x 100, y 200, width 300.5, height 0 has no area"),
    "outside": (("100,200", "900,200"), "reaches outside the image of 1024 x 1024"),
    "text for a number": (("100,200", "left,200"), "line 2: 'Bbox [x' must be a number, not 'left'"),
    "not a number": (("100,200", "nan,200"), "'Bbox [x' must be a number, not 'nan'"),
    "unknown image": (
        ("00000001_001", "00000009_001"),
        "line 3: a box on image '00000009_001.png', which the label table",
    ),
    "unknown finding": (("Infiltrate", "Infiltrated"), "unknown finding 'Infiltrated'"),
}


@pytest.mark.parametrize("name", BAD_BOXES)
def test_a_bad_box_table_says_where_and_why(tmp_path: Path, name: str):
    (old, new), message = BAD_BOXES[name]
    with pytest.raises(ValueError, match=r"BBox_List_2017\.csv\.gz") as caught:
        chestxray14(tables_with(tmp_path, box=BOX.replace(old, new, 1)))
    assert message in str(caught.value)


OTHERS = {
    "chexpert_train.csv.gz": "the table of CheXpert",
    "rsna_stage_2_train_labels.csv.gz": "the label table of RSNA",
    "vinbigdata-train.csv.gz": "the box table of VinDr-CXR",
    "siim-pneumothorax-train-rle.csv.gz": "the mask table of SIIM-ACR",
    "BBox_List_2017.csv.gz": "the box table of ChestX-ray14",
    "neatx_padchest_raw.csv": "the raw annotations of NEATX",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_table_of_another_data_set_is_recognised(frugal_data: Path, tmp_path: Path, name: str):
    tables = tables_with(tmp_path)
    (tables / "Data_Entry_2017.csv").write_bytes((frugal_data / "tables" / name).read_bytes())
    with pytest.raises(TableError, match=f"It looks like {OTHERS[name]}"):
        chestxray14(tables)


def test_missing_tables_are_named_with_those_found(tmp_path: Path):
    (tmp_path / "train.csv").touch()
    with pytest.raises(TableError, match=r"no Data_Entry_2017_v2020.csv\[.gz\] or .* Tables found: train.csv"):
        chestxray14(tmp_path)
    with pytest.raises(TableError, match="no such folder of tables"):
        chestxray14(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bbroken", b"\xff\xfe\x00"])
def test_an_unreadable_table_is_named(tmp_path: Path, content: bytes):
    (tables_with(tmp_path) / "Data_Entry_2017.csv").write_bytes(content)
    with pytest.raises(TableError, match=r"Data_Entry_2017\.csv: (the table is empty|not a readable CSV table)"):
        chestxray14(tmp_path)


def test_published_counts(chestxray14_datalist: Datalist):
    # Wang et al. 2017: 112,120 images of 30,805 patients, 984 boxes; on 880 images: the release's README.
    items = chestxray14_datalist.items()
    assert len(items) == 112_120
    assert len({item.patient for item in items}) == 30_805
    assert sum(len(item.boxes) for item in items) == 984
    assert sum(bool(item.boxes) for item in items) == 880
    # Rozenberg et al. 2020 evaluate on these boxes, in this order of classes.
    boxes = Counter(box.finding for item in items for box in item.boxes)
    assert [boxes[finding] for finding in FINDINGS[:8]] == [180, 146, 153, 123, 85, 79, 120, 98]
    assert problems(chestxray14_datalist) == []


def test_every_box_is_on_an_image_labelled_with_its_finding(chestxray14_datalist: Datalist):
    for item in chestxray14_datalist.items():
        for box in item.boxes:
            assert item.label[FINDINGS.index(box.finding)] == 1


def test_ages_are_at_most_90(chestxray14_datalist: Datalist):
    ages = Counter(item.attributes["age"] for item in chestxray14_datalist.items())
    assert max(ages) == 90
    assert all(isinstance(age, int) for age in ages)


def test_the_stored_images(frugal_data: Path, tmp_path: Path):
    # The numbers of the data folder's README: 418 Pneumonia, 373 No Finding, 446 AP, 345 PA, 36 images with 41 boxes.
    given = arguments(tables=frugal_data / "tables", images=frugal_data / "nih" / "images", out=tmp_path / "list.json")
    datalist = datalist_from(given)
    items = datalist.items()
    place = FINDINGS.index("Pneumonia")
    assert len(items) == 791
    assert len({item.patient for item in items}) == 526
    assert sum(item.label[place] for item in items) == 418
    assert sum(not any(item.label) for item in items) == 373
    assert Counter(item.view for item in items) == {"AP": 446, "PA": 345}
    assert (sum(bool(item.boxes) for item in items), sum(len(item.boxes) for item in items)) == (36, 41)
    validate(datalist, tmp_path, files=True)


def test_boxes_agree_between_two_stored_sizes(chestxray14_datalist: Datalist, frugal_data: Path, tmp_path: Path):
    small, large = (
        {
            Path(item.image).name: item
            for item in with_images(
                chestxray14_datalist, frugal_data / "nih" / folder, tmp_path / "list.json", FRAME
            ).items()
        }
        for folder in ("images", "images_1024")
    )
    boxed = [name for name, item in large.items() if item.boxes]
    assert boxed
    for name in boxed:
        for half, full in zip(small[name].boxes, large[name].boxes, strict=True):
            np.testing.assert_allclose(np.array(half[1:5]) * 2, full[1:5], atol=2e-3)


def test_expert_labels(frugal_data: Path):
    # The README's counts; positives by a count of YES in the table.
    datalist = expert_labels(frugal_data / "tables")
    assert {section: len(items) for section, items in datalist.sections.items()} == {
        "training": 0,
        "validation": 2414,
        "test": 1962,
    }
    positives = np.sum([item.label for item in datalist.items()], axis=0)
    np.testing.assert_array_equal(positives, [186, 238, 2166, 605])
    assert problems(datalist) == []


def test_experts_take_no_other_source(tmp_path: Path):
    with pytest.raises(ValueError, match="leave out --rsna and --official-split"):
        datalist_from(arguments(tables=tmp_path, experts=True, rsna=True))


def test_the_tables_of_a_study_can_be_written_and_read(chestxray14_datalist: Datalist, tmp_path: Path):
    from app.datalist.file import write_datalist

    write_datalist(chestxray14_datalist, tmp_path / "list.json")
    assert read_datalist(tmp_path / "list.json") == chestxray14_datalist
