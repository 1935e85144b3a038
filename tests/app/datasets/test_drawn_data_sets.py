"""ChestX-Det, Object-CXR, TBX11K, Montgomery and Shenzhen: small files in their published form, and bad ones."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Box, Datalist
from app.datalist.run_lengths import decode
from app.datalist.validate import problems, validate
from app.datasets.chestxdet import FINDINGS, chestxdet
from app.datasets.clinical_readings import read_readings
from app.datasets.montgomery import montgomery
from app.datasets.objectcxr import objectcxr
from app.datasets.shenzhen import FORM as SHENZHEN
from app.datasets.tbx11k import tbx11k
from app.files.tables import TableError

NOTHING = {"file_name": "36199.png", "syms": [], "boxes": [], "polygons": []}
SOMETHING = {
    "file_name": "36302.png",
    "syms": ["Effusion", "Mass", "Effusion"],
    "boxes": [[2, 1, 6, 3], [0, 0, 1, 1], [100, 100, 102, 101]],
    "polygons": [[[2, 1], [6, 1], [6, 3], [2, 3]], [], [[100, 100], [102, 100], [102, 101], [100, 101]]],
}


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def pixels(mask: np.ndarray) -> list[tuple[int, ...]]:
    """(row, column) of the pixels that are on."""
    return sorted(map(tuple, np.argwhere(mask).tolist()))


def picture(path: Path, height: int = 8, width: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))


def chestxdet_files(folder: Path, entry: object = SOMETHING) -> Path:
    return write(folder, ChestX_Det_train__json=[entry], ChestX_Det_test__json=[NOTHING])


def test_chestxdet_outlines_of_a_finding_are_united(tmp_path: Path):
    datalist = chestxdet(chestxdet_files(tmp_path))
    (some,), (none,) = datalist.sections["training"], datalist.sections["test"]
    assert [name for name, value in zip(FINDINGS, some.label, strict=True) if value] == ["Effusion", "Mass"]
    # By hand: columns 2 to 5 of rows 1 and 2, and two pixels of row 100.
    expected = [(row, column) for row in (1, 2) for column in (2, 3, 4, 5)] + [(100, 100), (100, 101)]
    assert pixels(decode(some.mask["Effusion"])) == expected
    assert pixels(decode(some.mask["Mass"])) == [(0, 0)]  # no polygon: its box
    assert some.annotated == none.annotated == FINDINGS
    assert (none.patient, none.mask, set(none.label)) == ("36199", {}, {0})
    assert problems(datalist) == []


OBJECTS = "image_name,annotation\na.jpg,0 1 2 4 6;0 -1 0 3 2\nb.jpg,\nc.jpg,1 2 2 6 6;2 0 0 2 0 2 1 0 1\n"
DEV = "image_name,annotation\nd.jpg,0 1 2 4 6\n"


def test_objectcxr_keeps_its_sections_and_says_where_nothing_is(tmp_path: Path):
    datalist, shapes = objectcxr(write(tmp_path, train__csv=OBJECTS, dev__csv=DEV))
    first, second, third = datalist.sections["training"]
    assert [len(items) for items in datalist.sections.values()] == [3, 1, 0]
    assert first.boxes == (Box("Foreign Object", 1, 2, 3, 4), Box("Foreign Object", 0, 0, 3, 2))  # cut at the edge
    assert (second.label, second.boxes, second.annotated) == ((0,), (), ("Foreign Object",))
    assert third.boxes == (Box("Foreign Object", 2, 2, 4, 4), Box("Foreign Object", 0, 0, 2, 1))
    assert [shape.kind for shape in shapes["c.jpg"]] == ["1", "2"]
    assert datalist.provenance["counts"]["objects"] == 5
    assert problems(datalist) == []


def test_objectcxr_shapes_become_masks_of_the_stored_images(tmp_path: Path):
    for name in "abcd":
        picture(tmp_path / "images" / f"{name}.jpg")
    tables, out = write(tmp_path / "tables", train__csv=OBJECTS, dev__csv=DEV), tmp_path / "objects.json"
    words = ["--tables", str(tables), "--images", str(tmp_path / "images"), "--out", str(out)]
    assert main(["datalist", "objectcxr", *words]) == 0
    first, _, third = read_datalist(out).sections["training"]
    assert (len(first.boxes), first.mask) == (2, {})
    # By hand: the circle of radius 2 around (4, 4) holds the centres of all pixels of its square but the corners.
    circle = {(row, column) for row in range(2, 6) for column in range(2, 6)}
    circle -= {(2, 2), (2, 5), (5, 2), (5, 5)}
    assert pixels(decode(third.mask["Foreign Object"])) == sorted(circle | {(0, 0), (0, 1)})


COCO = {
    "categories": [
        {"id": 1, "name": "ActiveTuberculosis"},
        {"id": 2, "name": "ObsoletePulmonaryTuberculosis"},
        {"id": 3, "name": "PulmonaryTuberculosis"},
    ],
    "images": [
        {"id": number, "file_name": name, "width": 512, "height": 512}
        for number, name in enumerate(
            ("health/h0001.png", "sick/s0001.png", "tb/tb0001.png", "tb/tb0002.png", "tb/tb0003.png"), start=1
        )
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 1, "bbox": [-1, 10, 21, 30], "segmentation": [[1, 2]]},
        {"id": 2, "image_id": 3, "category_id": 1, "bbox": [100.5, 100, 60.1, 60]},  # 160.6 - 100.5 is not 60.1
        {"id": 3, "image_id": 5, "category_id": 3, "bbox": [10, 10, 5, 5]},
    ],
}
VALIDATION = COCO | {"images": [{"id": 1, "file_name": "health/h0002.png"}], "annotations": []}


def tbx11k_files(folder: Path, training: object = COCO) -> Path:
    write(folder / "annotations" / "json", TBX11K_train__json=training, TBX11K_val__json=VALIDATION)
    return folder


def test_tbx11k_tells_absent_unknown_and_uncertain_apart(tmp_path: Path):
    datalist = tbx11k(tbx11k_files(tmp_path))
    items = datalist.sections["training"]
    assert [item.label for item in items] == [(0, 0), (0, 0), (1, 0), (-2, -2), (-1, -1)]
    assert [len(item.annotated) for item in items] == [2, 2, 2, 0, 0]
    assert [item.attributes["group"] for item in items] == ["health", "sick", "tb", "tb", "tb"]
    finding = "Active Tuberculosis"
    assert items[2].boxes == (Box(finding, 0, 10, 20, 30), Box(finding, 100.5, 100, 60.1, 60))
    assert [item.image for item in datalist.sections["validation"]] == ["health/h0002.png"]
    assert datalist.provenance["counts"] == {
        "boxes": 3,
        "boxes cut at the image's edge": 1,
        "images of tuberculosis without a box (labels not said)": 1,
        "images of tuberculosis of unknown kind (uncertain)": 1,
        "images whose patient the data set does not tell (each counts as its own)": 6,
    }
    assert problems(datalist) == []


READINGS = {
    "MCUCXR_0001_0": "Patient's Sex: F \nPatient's Age: 027Y\nnormal\n",
    "MCUCXR_0104_1": "Patient's Sex: M\nPatient's Age: 092Y\nsoft infiltrate 3 months old\n",
    "CHNCXR_0001_0": "male 45yrs\nnormal",
    "CHNCXR_0002_0": "Female, 28yrs \n\nnormal",
    "CHNCXR_0330_1": "femal 16month\nright PTB",
    "CHNCXR_0331_1": "male64days\nPTB",
    "CHNCXR_0332_1": "\n2. bilateral PTB",
}


@pytest.fixture
def readings(tmp_path: Path) -> Path:
    """Both sets' readings in one folder, one pair of masks, and a file that Windows leaves in folders."""
    write(tmp_path / "ClinicalReadings", **{f"{name}__txt": text for name, text in READINGS.items()}, Thumbs__db="x")
    for side in ("leftMask", "rightMask"):
        picture(tmp_path / "ManualMask" / side / "MCUCXR_0001_0.png")
    return tmp_path


def test_montgomery_has_people_and_two_lungs(readings: Path):
    datalist = montgomery(readings, readings / "lists" / "m.json")
    first, second = datalist.sections["training"]
    assert datalist.findings == ("Tuberculosis", "Left Lung", "Right Lung")
    assert (first.image, first.patient, first.label) == ("MCUCXR_0001_0.png", "MCUCXR_0001", (0, 1, 1))
    assert first.attributes == {"sex": "F", "age": 27}
    assert first.mask["Left Lung"] == "../ManualMask/leftMask/MCUCXR_0001_0.png"
    assert first.annotated == ("Left Lung", "Right Lung")
    assert (second.label, second.attributes, second.mask) == ((1, -2, -2), {"sex": "M", "age": 90}, {})
    assert datalist.provenance["counts"]["left out: files that are no readings"] == 6
    assert problems(datalist) == []


def test_shenzhen_reads_the_ways_in_which_people_are_written(readings: Path):
    datalist = read_readings(readings, SHENZHEN)
    items = datalist.sections["training"]
    assert [item.label[0] for item in items] == [0, 0, 1, 1, 1]
    assert [item.attributes for item in items] == [
        {"sex": "M", "age": 45},
        {"sex": "F", "age": 28},
        {"sex": "F", "age": 1},
        {"sex": "M", "age": 0},
        {},
    ]
    assert datalist.provenance["counts"]["readings without a readable sex and age"] == 1


def test_montgomery_is_written_with_masks_of_the_images_size(readings: Path):
    for name in ("MCUCXR_0001_0", "MCUCXR_0999_1"):
        picture(readings / "CXR_png" / f"{name}.png")
    out = readings / "m.json"
    words = ["--tables", str(readings), "--images", str(readings / "CXR_png"), "--out", str(out), "--split", "1,0,0"]
    assert main(["datalist", "montgomery", *words]) == 0
    datalist = read_datalist(out)
    validate(datalist, readings, files=True)
    assert datalist.provenance["counts"]["left out: rows without an image in the folder"] == 1
    assert datalist.provenance["counts"]["left out: images in the folder without a row"] == 1


def objects(folder: Path, annotation: str) -> Datalist:
    tables = write(folder, train__csv=f"image_name,annotation\na.jpg,{annotation}\n", dev__csv=DEV)
    return objectcxr(tables)[0]


def tuberculosis(folder: Path, **changed: object) -> Datalist:
    return tbx11k(tbx11k_files(folder, COCO | changed))


def drawn(folder: Path, **changed: object) -> Datalist:
    return chestxdet(chestxdet_files(folder, SOMETHING | changed))


BOX = {"image_id": 3, "category_id": 1, "bbox": [600, 0, 10, 10]}


def test_files_may_be_gzipped(tmp_path: Path):
    path = chestxdet_files(tmp_path) / "ChestX_Det_test.json"
    path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert [item.image for item in chestxdet(tmp_path).sections["test"]] == ["36199.png"]
    path.with_suffix(".json.gz").write_bytes(gzip.compress(b"[]")[:12])
    with pytest.raises(TableError, match="cannot be read"):
        chestxdet(tmp_path)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "chestxdet name": (
        lambda f: drawn(f, syms=["Effusion", "Lump", "Mass"]),
        "[0]: 'syms' must be one of 'Atelectasis'",
    ),
    "chestxdet counts": (lambda f: drawn(f, syms=[]), "[0]: syms, boxes, polygons have 0, 3, 3 entries"),
    "chestxdet area": (
        lambda f: drawn(f, boxes=[[2, 1, 2, 3]] * 3),
        "[0]: the box from (2, 1) to (2, 3) has no area",
    ),
    "chestxdet polygon": (lambda f: drawn(f, polygons=[[[1, 2]]] * 3), "[0]: a polygon must have three points"),
    "chestxdet keys": (lambda f: chestxdet(chestxdet_files(f, {"file_name": "a"})), "must have 'file_name' and lists"),
    "chestxdet twice": (lambda f: chestxdet(chestxdet_files(f, NOTHING)), "image '36199.png' is named twice"),
    "objects kind": (lambda f: objects(f, "3 1 2 3 4"), "line 2: 'annotation' must be one of '0', '1', '2', not '3'"),
    "objects corners": (lambda f: objects(f, "0 1 2 3"), "line 2: a shape of kind 0 has two corners"),
    "objects polygon": (lambda f: objects(f, "2 1 2 3 4"), "line 2: a shape of kind 2 has three corners or more"),
    "objects text": (lambda f: objects(f, "0 1 2 3 x"), "line 2: 'annotation' must be a number, not 'x'"),
    "objects area": (lambda f: objects(f, "1 1 2 1 4"), "line 2: the shape '1 1 2 1 4' has no area"),
    "objects outside": (lambda f: objects(f, "0 -9 0 -1 4"), "line 2: the shape '0 -9 0 -1 4' is outside the image"),
    "objects twice": (lambda f: objects(f, "\na.jpg,"), "line 3: image 'a.jpg' is named twice"),
    "tbx11k outside": (lambda f: tuberculosis(f, annotations=[BOX]), "annotations[0]: the box x 600, y 0"),
    "tbx11k category": (
        lambda f: tuberculosis(f, categories=[{"id": 1, "name": "Cyst"}]),
        "'category' must be one of 'ActiveTuberculosis'",
    ),
    "tbx11k healthy": (
        lambda f: tuberculosis(f, annotations=[BOX | {"image_id": 1, "bbox": [1, 1, 2, 2]}]),
        "'health/h0001.png': has a box of tuberculosis, but is among those without",
    ),
    "tbx11k image": (
        lambda f: tuberculosis(f, annotations=[BOX | {"image_id": 9, "bbox": [1, 1, 2, 2]}]),
        "boxes on images without an entry, id 9",
    ),
    "tbx11k group": (
        lambda f: tuberculosis(f, annotations=[], images=[{"id": 3, "file_name": "extra/1.png"}]),
        "'folder of the image' must be one of 'health', 'sick', 'tb', not 'extra'",
    ),
    "tbx11k numbers": (
        lambda f: tuberculosis(f, annotations=[BOX | {"bbox": [1, 2, 3]}]),
        "annotations[0]: 'bbox' must be [x, y, width, height], not [1.0, 2.0, 3.0]",
    ),
    "tbx11k form": (lambda f: tuberculosis(f, images=[{"id": 3}]), "not in COCO's form (KeyError 'file_name')"),
    "no readings": (lambda f: montgomery(f, f / "m.json"), "holds no folder ClinicalReadings"),
    "other readings": (
        lambda f: montgomery(write(f / "ClinicalReadings", a__txt="x").parent, f / "m.json"),
        "holds no reading named such as MCUCXR_0001_0.txt",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_says_where_and_why(tmp_path: Path, name: str):
    build, message = BAD[name]
    with pytest.raises(TableError) as caught:
        build(tmp_path)
    assert message in str(caught.value)
