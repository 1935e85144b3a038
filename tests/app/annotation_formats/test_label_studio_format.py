"""Label Studio's exports: regions in hundredths, brush strokes, choices, readers, names, and damaged ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.annotation_formats.label_studio import read_label_studio
from app.annotation_formats.label_studio_brush import decode_brush
from app.annotation_formats.marks import AnnotationError
from app.datalist.item import Box
from app.datalist.run_lengths import decode
from tests.app.annotation_formats.drawn import block, drawn

SIZE = (20, 40)
FRAME = {"original_width": 40, "original_height": 20, "image_rotation": 0, "from_name": "label", "to_name": "image"}


def region(kind: str, label: str = "Nodule", **value: object) -> dict:
    return FRAME | {"id": f"{kind}{value}"[:40], "type": f"{kind}labels", "value": value | {f"{kind}labels": [label]}}


def choice(*taken: str, question: str = "view") -> dict:
    return {"id": question, "type": "choices", "from_name": question, "to_name": "image", "value": {"choices": taken}}


def task(*results: dict, image: str = "/data/upload/1/a1b2c3d4-7.png", **more: object) -> dict:
    annotation = {"id": 1, "completed_by": 3, "was_cancelled": False, "result": list(results)}
    return {"id": 5, "data": {"image": image}, "annotations": [annotation], "predictions": []} | more


def read(folder: Path, *tasks: dict):
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return read_label_studio(path)


def packed(values: np.ndarray, word: int = 8, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> list[int]:
    """A second implementation of rle-pack, which writes: a repeated run where values repeat, single ones elsewhere."""
    bits = f"{len(values):032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    start = 0
    while start < len(values):
        end = start + 1
        while end < len(values) and values[end] == values[start] and end - start < 2 ** sizes[3]:
            end += 1
        code = next(code for code, size in enumerate(sizes) if end - start - 1 < 2**size)
        length = f"{code:02b}{end - start - 1:0{sizes[code]}b}"
        bits += f"{int(end - start > 1)}{length}{int(values[start]):0{word}b}"
        start = end
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_boxes_are_in_hundredths_of_the_image(tmp_path: Path):
    (image,) = read(tmp_path, task(region("rectangle", x=10, y=50, width=25, height=20, rotation=0))).images
    # By hand: 10 % of 40 columns, 50 % of 20 rows, and so on; on a radiograph of twice the size all is twice as large.
    assert drawn(image, SIZE)[0] == (Box("Nodule", 4, 10, 10, 4),)
    assert drawn(image, (40, 80))[0] == (Box("Nodule", 8, 20, 20, 8),)
    assert image.names == ("data/upload/1/a1b2c3d4-7.png",)


def test_a_turned_box_is_an_outline_turned_around_its_corner(tmp_path: Path):
    (image,) = read(tmp_path, task(region("rectangle", x=50, y=10, width=20, height=10, rotation=90))).images
    boxes, masks = drawn(image, SIZE)
    # By hand: 8 x 2 pixels from (20, 2), a quarter turn clockwise around that corner: down 8, and 2 to the left.
    assert boxes == ()
    np.testing.assert_array_equal(masks["Nodule"], block(SIZE, slice(2, 10), slice(18, 20)))


def test_polygons_and_ellipses(tmp_path: Path):
    square = region("polygon", "Effusion", points=[[0, 0], [10, 0], [10, 50], [0, 50]])
    disc = region("ellipse", x=50, y=50, radiusX=10, radiusY=20, rotation=0)
    (image,) = read(tmp_path, task(square, disc)).images
    masks = drawn(image, SIZE)[1]
    np.testing.assert_array_equal(masks["Effusion"], block(SIZE, slice(0, 10), slice(0, 4)))
    rows, columns = np.mgrid[:20, :40] + 0.5
    np.testing.assert_array_equal(masks["Nodule"], ((columns - 20) / 4) ** 2 + ((rows - 10) / 4) ** 2 < 1)


@pytest.mark.parametrize("sizes", [(3, 4, 8, 16), (2, 3, 4, 5)])
def test_brush_strokes_agree_with_a_second_implementation(tmp_path: Path, sizes: tuple[int, ...]):
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    mask[5:9, 10:30] = True
    pixels = np.repeat(mask[..., None] * 255, 4, axis=2).ravel()
    stroke = region("brush", format="rle", rle=packed(pixels, sizes=sizes))
    (image,) = read(tmp_path, task(stroke)).images
    np.testing.assert_array_equal(drawn(image, SIZE)[1]["Nodule"], mask)


def test_brush_strokes_agree_with_label_studio(tmp_path: Path):
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    mask = np.random.default_rng(1).random(SIZE) < 0.2
    rle = brush.encode_rle(np.repeat(mask[..., None] * 255, 4, axis=2).astype(np.uint8).ravel())
    np.testing.assert_array_equal(decode(decode_brush(list(rle), SIZE)), mask)


def test_only_annotations_are_annotations(tmp_path: Path):
    box = region("rectangle", x=1, y=1, width=5, height=5)
    cancelled = {"completed_by": 4, "was_cancelled": True, "result": [box]}
    tasks = [
        task(box, predictions=[{"result": [box]}, {"result": [box]}]),
        task(annotations=[cancelled], image="/data/upload/1/8.png"),
        task(annotations=[], image="/data/upload/1/9.png"),
        task(image="/data/upload/1/10.png"),
    ]
    export = read(tmp_path, *tasks)
    assert [image.names[0] for image in export.images] == ["data/upload/1/a1b2c3d4-7.png", "data/upload/1/10.png"]
    assert export.images[1].marks == []  # looked at, and nothing drawn
    assert export.asked == ("Nodule",)
    assert {reason: count for reason, count in export.counts.items() if count} == {
        "left out: predictions of a model": 2,
        "left out: cancelled or skipped annotations": 1,
        "left out: tasks that nobody annotated": 2,
    }


def test_each_reader_is_named_by_number(tmp_path: Path):
    box = region("rectangle", x=1, y=1, width=5, height=5)
    people = [
        3,
        {"id": 4, "email": "ann@ward.example"},
        {"email": "bob@ward.example"},
        {"email": "cy@ward.example"},
        None,
    ]
    annotations = [{"completed_by": person, "result": [box]} for person in people]
    readers = [image.reader for image in read(tmp_path, task(annotations=annotations)).images]
    assert readers == ["3", "4", "person1", "person2", ""]  # addresses would say who they are


def test_what_has_no_extent_is_left_out_and_counted(tmp_path: Path):
    box = region("rectangle", x=1, y=1, width=5, height=5)
    point = region("keypoint", x=1, y=1, width=1)
    unlabelled = FRAME | {"id": "r", "type": "rectangle", "value": {"x": 1, "y": 1, "width": 2, "height": 2}}
    of_region = choice("benign") | {"id": box["id"]}
    export = read(tmp_path, task(box, point, unlabelled, of_region, {"type": "relation", "from_id": "a"}))
    assert len(export.images[0].marks) == 1
    assert export.images[0].labels == {}
    assert {reason for reason, count in export.counts.items() if count} == {
        "left out: keypointlabels",
        "left out: regions without a label",
        "left out: choices",
        "left out: relation",
    }


def test_labels_and_shapes_in_results_of_their_own(tmp_path: Path):
    value = {"x": 10, "y": 10, "width": 10, "height": 10}
    shape = FRAME | {"id": "r", "type": "rectangle", "value": value}
    label = FRAME | {"id": "r", "type": "labels", "value": value | {"labels": ["Nodule"]}}
    export = read(tmp_path, task(shape, label))
    assert [mark.name for mark in export.images[0].marks] == ["Nodule"]
    assert not any(export.counts.values())


def test_choices_are_labels_of_the_image(tmp_path: Path):
    tasks = [
        task(choice("Effusion", "Nodule"), choice("Yes", question="Pneumothorax")),
        task(choice("Edema"), choice("no", question="Pneumothorax"), image="/data/upload/1/8.png"),
        task(choice("uncertain", question="Pneumothorax"), image="/data/upload/1/9.png"),
    ]
    assert [image.labels for image in read(tmp_path, *tasks).images] == [
        {"Effusion": 1, "Nodule": 1, "Edema": 0, "Pneumothorax": 1},
        {"Effusion": 0, "Nodule": 0, "Edema": 1, "Pneumothorax": 0},
        {"Pneumothorax": -1},  # nobody answered the other question
    ]


NAMES = {
    "/data/upload/1/a1b2c3d4-7.png": "data/upload/1/a1b2c3d4-7.png",
    "/data/local-files/?d=wards/b%20c/7.png": "wards/b c/7.png",
    "http://localhost:8080/data/upload/2/0f-chest_1.png": "data/upload/2/0f-chest_1.png",
    "s3://bucket/wards/7.dcm": "wards/7.dcm",
    "C:\\scans\\7.png": "C:/scans/7.png",
}


@pytest.mark.parametrize("address", NAMES)
def test_names_of_images(tmp_path: Path, address: str):
    (image,) = read(tmp_path, task(image=address)).images
    assert NAMES[address] in image.names


def test_json_min(tmp_path: Path):
    box = {"x": 10, "y": 50, "width": 25, "height": 20, "rotation": 0, "rectanglelabels": ["Nodule"]}
    record = {
        "image": "/data/upload/1/a1b2c3d4-7.png",
        "ward": "three",
        "id": 1,
        "label": [box | {"original_width": 40, "original_height": 20}],
        "Effusion": "yes",
        "report": "No change since the last examination; tubes in place, no effusion.",
        "view": {"choices": ["Edema", "Mass"]},
        "annotator": 3,
        "annotation_id": 9,
        "created_at": "2024-01-01",
        "updated_at": "2024-01-01",
        "lead_time": 1.5,
        "agreement": 80,
    }
    export = read(tmp_path, record)
    (image,) = export.images
    assert drawn(image, SIZE)[0] == (Box("Nodule", 4, 10, 10, 4),)
    assert (image.labels, image.reader) == ({"Effusion": 1, "Edema": 1, "Mass": 1}, "3")
    assert +export.counts == {"left out: texts": 1}


BAD = {
    "no size": (region("rectangle", x=1, y=1, width=1, height=1) | {"original_width": None}, "original size: 'width'"),
    "no number": (region("rectangle", x="1,5", y=1, width=1, height=1), "result[0]: 'x' must be a number, not '1,5'"),
    "turned image": (region("rectangle", x=1, y=1, width=1, height=1) | {"image_rotation": 90}, "turned by 90 degrees"),
    "two points": (region("polygon", points=[[1, 1], [2, 2]]), "three 'points' or more"),
    "no points": (region("polygon", points=None), "three 'points' or more"),
    "no strokes": (region("brush", rle="abc"), "damaged brush strokes: its 'rle' must be"),
    "cut strokes": (region("brush", rle=[0, 0, 12, 128, 57, 27]), "damaged brush strokes: it ends early"),
    "other strokes": (region("brush", rle=[255] * 12), "it holds 4294967295 values of 32 bits, not 4 x 20 x 40"),
    "vast": (region("brush", rle=[1]) | {"original_width": 10**9, "original_height": 10**9}, "its image claims to be"),
    "text": ("result", "must be an object with a 'value'"),
    "choice": (choice() | {"value": {"choices": "Nodule"}}, "its 'choices' must be a list of texts"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_results_say_where_and_why(tmp_path: Path, name: str):
    result, message = BAD[name]
    with pytest.raises(AnnotationError, match=r"task 5") as caught:
        read(tmp_path, task(result))
    assert message in str(caught.value)


def test_bad_exports(tmp_path: Path):
    for given, message in (
        (
            task() | {"data": {"image": "/data/a.png", "second": "/data/b.png"}},
            "must name one image; found: 'image', 'sec",
        ),
        (task() | {"data": {"text": "a"}}, "must name one image; found: none of 'text'"),
        (task() | {"annotations": {}}, "must have 'data', an object, and 'annotations', a list"),
        (task() | {"annotations": [{"result": 3}]}, "must be an object with a list 'result'"),
    ):
        with pytest.raises(AnnotationError) as caught:
            read(tmp_path, given)
        assert message in str(caught.value)
    whole = json.dumps([task(region("rectangle", x=1, y=1, width=1, height=1))])
    (tmp_path / "cut.json").write_text(whole[:-40])
    with pytest.raises(AnnotationError, match="not a JSON file"):
        read_label_studio(tmp_path / "cut.json")


def test_questions_are_answered_in_other_languages(tmp_path: Path):
    tasks = [
        task(choice(answer, question="Pneumothorax"), image=f"/data/upload/1/{number}.png")
        for number, answer in enumerate(("Ja", "Nein", "unklar"))
    ]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    labels = [image.labels for image in read_label_studio(tmp_path / "a.json").images]
    assert labels == [{"Pneumothorax": 1}, {"Pneumothorax": 0}, {"Pneumothorax": -1}]
