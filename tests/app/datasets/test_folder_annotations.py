"""``frugal datalist folder --annotations``: formats are recognised, images found, labels and locations joined."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own convention
from PIL import Image

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Box, Item
from app.datalist.run_lengths import decode
from tests.app.annotation_formats.drawn import block
from tests.app.annotation_formats.test_dicom_seg_format import write as write_seg
from tests.app.annotation_formats.test_dicom_sr_format import ohif_report
from tests.app.annotation_formats.test_label_studio_format import choice, region, task
from tests.app.annotation_formats.test_mask_formats import DESCRIPTION, write_dicom
from tests.app.annotation_formats.test_mask_formats import SIZE as DICOM_SIZE

SIZE = (20, 40)


def images(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> Path:
    for index, name in enumerate(names):
        file = folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full(size, index, np.uint8))
    return folder / "images"


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def command(folder: Path, *words: object, table: bool = False) -> int:
    common = ["--images", folder / "images", "--out", folder / "list.json", "--split", "1,0,0", "--keep-names"]
    patients = ["--tables", folder] if table else ["--each-image-a-patient"]
    return main(["datalist", "folder", *map(str, [*common, *patients, *words])])


def items(folder: Path, *words: object, table: bool = False) -> dict[str, Item]:
    assert command(folder, *words, table=table) == 0
    return {item.image.removeprefix("images/"): item for item in read_datalist(folder / "list.json").items()}


BOX = region("rectangle", x=10, y=50, width=25, height=20, rotation=0)
CVAT = (
    "<annotations><version>1.1</version><meta><task><labels><label><name>Nodule</name></label></labels></task></meta>"
    '<image id="0" name="7.png" width="40" height="20">'
    '<box label="nodule" xtl="4" ytl="10" xbr="14" ybr="14"/></image></annotations>'
)
VOC = (
    "<annotation><filename>7.png</filename><size><width>40</width><height>20</height></size><object><name>Nodule</name>"
    "<bndbox><xmin>5</xmin><ymin>11</ymin><xmax>14</xmax><ymax>14</ymax></bndbox></object></annotation>"
)
COCO = {
    "images": [{"id": 1, "file_name": "7.png", "width": 40, "height": 20}],
    "categories": [{"id": 1, "name": "Nodule"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 10, 10, 4]}],
}
LABELME = {
    "shapes": [{"label": "Nodule", "shape_type": "rectangle", "points": [[4, 10], [14, 14]]}],
    "imagePath": "7.png",
    "imageHeight": 20,
    "imageWidth": 40,
}
SAME_BOX = {
    "Label Studio": ("export.dat", [task(BOX)]),
    "CVAT": ("annotations.txt", CVAT),
    "Pascal VOC": ("boxes/7.xml", VOC),
    "COCO": ("coco.json", COCO),
    "LabelMe": ("boxes/7.json", LABELME),
    "YOLO": ("boxes/7.txt", "0 0.225 0.6 0.25 0.2\n"),
}


@pytest.mark.parametrize("name", SAME_BOX)
def test_each_format_is_recognised_by_its_content(tmp_path: Path, name: str, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png", "8.png")
    file, content = SAME_BOX[name]
    path = write(tmp_path, file, content)
    write(tmp_path, "boxes/classes.txt", "Nodule\n")
    found = items(tmp_path, "--annotations", path.parent if "/" in file else path)
    assert found.keys() == {"7.png"}
    assert (found["7.png"].label, found["7.png"].annotated) == ((1,), ("Nodule",))
    assert found["7.png"].boxes == (Box("Nodule", 4, 10, 10, 4),)
    text = capsys.readouterr().out
    assert f"({name}): annotated images: 1" in text
    assert "left out: images in the folder without an annotation: 1" in text


def test_labels_of_a_table_meet_annotations(tmp_path: Path):
    images(tmp_path, "7.png", "8.png", "9.png", "10.png")
    write(tmp_path, "labels.csv", "image,patient,Nodule\n7.png,a,1\n8.png,b,1\n9.png,c,\n10.png,d,0\n")
    entries = [{"id": number, "file_name": f"{number}.png", "width": 40, "height": 20} for number in (7, 8, 9, 10, 11)]
    boxes = [{"image_id": number, "category_id": 1, "bbox": [4, 10, 10, 4]} for number in (7, 10)]
    path = write(tmp_path, "coco.json", COCO | {"images": entries, "annotations": boxes})
    found = items(tmp_path, "--annotations", path, table=True)
    # Located. Present, but not located: not asked for. Not said, so absent. Absent, but located: both stay.
    assert [(found[f"{n}.png"].label, found[f"{n}.png"].annotated) for n in (7, 8, 9, 10)] == [
        ((1,), ("Nodule",)),
        ((1,), ()),
        ((0,), ("Nodule",)),
        ((0,), ("Nodule",)),
    ]
    counts = read_datalist(tmp_path / "list.json").provenance["counts"]
    assert counts["labelled absent, but located (both kept)"] == 1
    assert counts["labelled present, but not located (location not asked for)"] == 1
    assert counts["coco.json (COCO): left out: annotated images that are not in the folder"] == 1


def test_a_table_of_patients_needs_no_labels_beside_annotations(tmp_path: Path):
    images(tmp_path, "7.png", "8.png")
    write(tmp_path, "patients.csv", "image,patient,sex\n7.png,a,F\n8.png,b,M\n")
    found = items(tmp_path, "--annotations", write(tmp_path, "coco.json", COCO), table=True)
    assert [(each.patient, each.label, each.attributes) for each in found.values()] == [
        ("a", (1,), {"sex": "F"}),
        ("b", (-2,), {"sex": "M"}),
    ]


def test_choices_are_labels_and_the_table_s_come_first(tmp_path: Path):
    images(tmp_path, "7.png", "8.png")
    write(tmp_path, "labels.csv", "image,patient,Effusion\n7.png,a,0\n8.png,b,\n")
    tasks = [task(choice("Effusion")), task(choice("Edema"), image="/data/upload/1/12345678-8.png")]
    found = items(tmp_path, "--annotations", write(tmp_path, "export.json", tasks), table=True)
    assert {name: item.label for name, item in found.items()} == {"7.png": (0, 0), "8.png": (0, 1)}
    counts = read_datalist(tmp_path / "list.json").provenance["counts"]
    assert counts["annotations that differ from the table's label (the table's is kept)"] == 1


def test_categories_are_mapped_or_ignored_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    path = write(tmp_path, "export.json", [task(BOX, region("rectangle", "Pnuemonia", x=1, y=1, width=9, height=9))])
    assert command(tmp_path, "--annotations", path) == 1
    text = capsys.readouterr().err
    assert "export.json: no finding is called 'Pnuemonia' (1 times). Did you mean 'Pneumonia'? Say what each" in text
    assert "--map 'Pnuemonia'=FINDING, or leave it out by --ignore 'Pnuemonia'." in text
    assert text.count("\n") == 1
    assert len(items(tmp_path, "--annotations", path, "--map", "pnuemonia=Mass")["7.png"].boxes) == 2
    assert len(items(tmp_path, "--annotations", path, "--ignore", "Pnuemonia")["7.png"].boxes) == 1
    assert "left out: 'Pnuemonia' (--ignore): 1" in capsys.readouterr().out


def test_images_are_found_by_name_folder_and_hash(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "a/7.png", "b/7.png", "Röntgen 1 (2).png", "a1b2c3d4-8.png")
    uploads = [
        task(BOX, image="/data/local-files/?d=scans/b/7.jpg"),
        task(BOX, image="/data/upload/3/0f0f0f0f-R%C3%B6ntgen_1_2.png"),
        task(BOX, image="/data/upload/3/a1b2c3d4-8.png"),  # this is its own name
    ]
    found = items(tmp_path, "--annotations", write(tmp_path, "export.json", uploads))
    assert found.keys() == {"b/7.png", "Röntgen 1 (2).png", "a1b2c3d4-8.png"}
    assert "share a name with others (told apart by folder or suffix): 1" in capsys.readouterr().out
    path = write(tmp_path, "export.json", [task(BOX, image="/data/upload/3/0f0f0f0f-7.png")])
    assert command(tmp_path, "--annotations", path) == 1
    assert "image 'data/upload/3/0f0f0f0f-7.png' may be any of a/7.png, b/7.png" in capsys.readouterr().err


def test_two_uploads_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    tasks = [task(BOX, image=f"/data/upload/3/{mark}0f0f0f0-7.png") for mark in "ab"]
    assert command(tmp_path, "--annotations", write(tmp_path, "export.json", tasks)) == 1
    assert "'data/upload/3/a0f0f0f0-7.png' and 'data/upload/3/b0f0f0f0-7.png' would both be" in capsys.readouterr().err
    other = write(tmp_path, "coco.json", COCO | {"images": [{"id": 1, "file_name": "x.png", "width": 4, "height": 2}]})
    assert command(tmp_path, "--annotations", other) == 1
    assert "none of its 1 images (such as 'x.png') is one of the 1 in" in capsys.readouterr().err


def test_several_readers_keep_their_boxes(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    other = region("rectangle", x=50, y=50, width=10, height=10)
    annotations = [{"completed_by": 3, "result": [BOX]}, {"completed_by": 4, "result": [other]}]
    path = write(tmp_path, "export.json", [task(annotations=annotations)])
    item = items(tmp_path, "--annotations", path)["7.png"]
    assert [box.reader for box in item.boxes] == ["3", "4"]
    assert item.attributes == {"readers": "3 4"}
    (box,) = items(tmp_path, "--annotations", path, "--reader", "4")["7.png"].boxes
    assert box == Box("Nodule", 20, 10, 4, 2)
    assert command(tmp_path, "--annotations", path, "--reader", "5") == 1
    assert "no reader is named '5'; readers: 3, 4" in capsys.readouterr().err
    outline = region("polygon", points=[[0, 0], [10, 0], [10, 50], [0, 50]])
    annotations[1]["result"] = [outline]
    path = write(tmp_path, "export.json", [task(annotations=annotations)])
    assert command(tmp_path, "--annotations", path) == 1
    assert "readers 3 and 4 drew outlines of 'Nodule'" in capsys.readouterr().err
    annotations = [{"completed_by": 3, "result": [choice("Mass")]}, {"completed_by": 4, "result": [choice("Edema")]}]
    path = write(tmp_path, "export.json", [task(annotations=annotations)])
    assert command(tmp_path, "--annotations", path) == 1
    assert "readers differ on 'Mass'" in capsys.readouterr().err


def masks(folder: Path, values: np.ndarray, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / name)
    return folder


def test_masks_beside_and_below_the_images(tmp_path: Path, capsys: pytest.CaptureFixture):
    values = block(SIZE, slice(2, 5), slice(3, 9)) + 2 * block(SIZE, slice(9, 15), slice(20, 30))
    for folder in (tmp_path / "masks", tmp_path / "images" / "masks"):
        images(tmp_path, "7.png", "8.png")
        masks(folder, values, "7_seg.png")
        found = items(tmp_path, "--annotations", folder, "--map", "1=Nodule", "--map", "2=Effusion")
        assert found.keys() == {"7.png"}
        np.testing.assert_array_equal(decode(found["7.png"].mask["Nodule"]), values == 1)
        np.testing.assert_array_equal(decode(found["7.png"].mask["Effusion"]), values == 2)
    (tmp_path / "images" / "masks" / "7_seg.png").unlink()
    assert command(tmp_path, "--annotations", tmp_path / "masks") == 1
    assert "no finding is called '1' (1 times), '2' (1 times)." in capsys.readouterr().err
    for name, text in (("labels.json", {"1": "Nodule", "2": "Effusion"}), ("masks/labels.txt", DESCRIPTION)):
        named = write(tmp_path, name, text)
        found = items(tmp_path, "--annotations", tmp_path / "masks", "--annotations", named)
        assert found["7.png"].mask.keys() == {"Nodule", "Effusion"}
        named.unlink()


def test_a_hospital_s_files_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    """DICOM files, a table of another country with reports, ITK-SNAP's masks, and Label Studio's boxes."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    rows = ["Datei;Patient;Befund;Pneumothorax;Alter"]
    tasks = []
    for number in range(4):
        write_dicom(tmp_path / "images" / f"{number}.dcm", [-1, 0, 0, 0, 0, -1] if number % 2 else None)
        rows.append(
            f'{number}.dcm;p{number // 2};"Kein Erguss; Drainage {number}.";{"ja" if number else "nein"};6{number},0'
        )
        radiograph = sitk.ReadImage(str(tmp_path / "images" / f"{number}.dcm"))
        drawn = sitk.GetImageFromArray(block(DICOM_SIZE, slice(1, 4), slice(2, 9 - number))[None])
        drawn.CopyInformation(radiograph)
        sitk.WriteImage(drawn, str(tmp_path / "masks" / f"{number}.nii.gz"))
        frame = {"original_width": DICOM_SIZE[1], "original_height": DICOM_SIZE[0]}
        box = region("rectangle", "Nodule", x=0, y=50, width=100, height=50) | frame
        tasks.append(task(*[box] * (number == 3), image=f"/data/upload/2/0f0f0f0f-{number}.png"))
    write(tmp_path, "befunde.csv", "\n".join(rows))
    write(tmp_path, "masks/names.txt", DESCRIPTION)
    export = write(tmp_path, "export.json", tasks)
    found = items(tmp_path, "--annotations", export, "--annotations", tmp_path / "masks", table=True)
    datalist = read_datalist(tmp_path / "list.json")
    assert datalist.findings == ("Pneumothorax", "Nodule", "Effusion")
    for number in range(4):
        item = found[f"{number}.dcm"]
        assert item.label == (int(number > 0), int(number == 3), 1)
        assert item.annotated == ("Nodule", "Effusion")
        assert item.attributes["age"] == 60 + number
        np.testing.assert_array_equal(
            decode(item.mask["Effusion"]), block(DICOM_SIZE, slice(1, 4), slice(2, 9 - number))
        )
    assert found["3.dcm"].boxes == (Box("Nodule", 0, 6, 17, 6),)
    assert "Befund" in capsys.readouterr().out  # what is not used is said


def test_a_pattern_of_masks_that_lie_otherwise_than_a_dicom_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "images").mkdir()
    write(tmp_path, "labels.csv", "image,patient,Nodule\n7.dcm,a,1\n")
    drawn = block(DICOM_SIZE, slice(1, 4), slice(2, 9))
    for orientation, status in (([1, 0, 0, 0, 0, -1], 0), ([-1, 0, 0, 0, 0, -1], 1)):
        radiograph = sitk.ReadImage(str(write_dicom(tmp_path / "images" / "7.dcm", orientation)))
        volume = sitk.GetImageFromArray(drawn[None])
        volume.CopyInformation(radiograph)
        sitk.WriteImage(volume, str(tmp_path / "7_mask.nii.gz"))
        assert command(tmp_path, "--masks", "{stem}_mask.nii.gz", table=True) == status
    assert (
        "7_mask.nii.gz: lies as its header says, head up, but 7.dcm is shown as it is stored" in capsys.readouterr().err
    )
    masks(tmp_path, drawn, "7_mask.png")
    assert command(tmp_path, "--masks", "{stem}_mask.png", table=True) == 0


@pytest.mark.parametrize("path", ["../boxes", "../boxes/../boxes/", "{folder}/images/../boxes"])
def test_folders_of_annotations_by_way_of_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str):
    images(tmp_path, "7.png")
    write(tmp_path, "boxes/labels/7.txt", "0 0.225 0.6 0.25 0.2\n")
    write(tmp_path, "boxes/classes.txt", "Nodule\n")
    monkeypatch.chdir(tmp_path / "images")
    # In 40 x 20 pixels: the centre at 9, 12, width 10, height 4.
    assert items(tmp_path, "--annotations", path.format(folder=tmp_path))["7.png"].boxes == (
        Box("Nodule", 4, 10, 10, 4),
    )
    monkeypatch.chdir(tmp_path / "boxes")
    assert items(tmp_path, "--annotations", ".")["7.png"].boxes == (Box("Nodule", 4, 10, 10, 4),)
    counts = read_datalist(tmp_path / "list.json").provenance["counts"]
    assert counts["boxes (YOLO): annotated images"] == 1


def test_a_mask_of_another_size_names_both(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    masks(tmp_path / "masks", np.ones((20, 39), np.uint8), "7_nodule.png")
    assert command(tmp_path, "--annotations", tmp_path / "masks") == 1
    assert "its mask has 39 x 20 pixels (width x height), but the radiograph has 40 x 20" in capsys.readouterr().err


def test_a_segmentation_object_finds_its_radiograph_by_its_identifier(tmp_path: Path):
    (tmp_path / "images").mkdir()
    write_dicom(tmp_path / "images" / "IM0001", None)
    drawn = block(DICOM_SIZE, slice(2, 5), slice(3, 9))
    (tmp_path / "objects").mkdir()
    write_seg(tmp_path / "objects" / "seg.dcm", [(1, drawn)], source="1.2.3.4.5")
    found = items(tmp_path, "--annotations", tmp_path / "objects")
    assert found["IM0001"].annotated == ("Nodule", "Effusion")
    assert found["IM0001"].label == (1, 0)
    np.testing.assert_array_equal(decode(found["IM0001"].mask["Nodule"]), drawn)


def test_a_report_finds_its_radiograph_and_the_finding_by_its_label(tmp_path: Path):
    folder = tmp_path / "images"
    folder.mkdir()
    write_dicom(folder / "chest.dcm", None)
    (tmp_path / "objects").mkdir()
    ohif_report(tmp_path / "objects" / "report.dcm", "nodule", instance="1.2.3.4.5")
    item = items(tmp_path, "--annotations", tmp_path / "objects")["chest.dcm"]
    assert item.label == (1,)
    assert item.mask["Nodule"].size == DICOM_SIZE


def test_a_segmentation_of_another_radiograph_is_not_taken_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "images").mkdir()
    write_dicom(tmp_path / "images" / "7.dcm", None)
    (tmp_path / "objects").mkdir()
    write_seg(tmp_path / "objects" / "7.dcm", [(1, block(DICOM_SIZE, slice(2, 5), slice(3, 9)))], source="9.9")
    assert command(tmp_path, "--annotations", tmp_path / "objects") == 1
    assert "none of its 1 images (such as '9.9') is one of the 1 in" in capsys.readouterr().err


def test_names_that_programs_changed(tmp_path: Path):
    images(tmp_path, "7.dcm.png", "8.png", "9_1.png")
    files = {"7": "0 0.5 0.5 0.1 0.1\n", "0f0f0f0f-8": "0 0.5 0.5 0.1 0.1\n", "9_1": ""}
    for name, text in files.items():
        write(tmp_path, f"labels/{name}.txt", text)
    write(tmp_path, "labels/readme", "")
    write(tmp_path, "data.yaml", "names: [Nodule]\n")
    found = items(tmp_path, "--annotations", tmp_path / "labels")
    assert {name: (item.label, len(item.boxes)) for name, item in found.items()} == {
        "7.dcm.png": ((1,), 1),
        "8.png": ((1,), 1),
        "9_1.png": ((0,), 0),
    }


def test_what_holds_no_annotations_or_several_kinds_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    write(tmp_path, "mixed/7.xml", VOC)
    write(tmp_path, "mixed/readme.md", "words")
    masks(tmp_path / "mixed", block(SIZE, slice(2, 5), slice(3, 9)), "7_nodule.png")
    for words, message in (
        (["mixed"], "holds annotations of several formats: masks (1 files), voc (1 files). Choose one by --format."),
        (["none"], "no such file or folder of annotations"),
        (["mixed/readme.md"], "holds no annotations. Formats: coco, cvat, dicom-seg"),
        (["mixed", "--format", "yolo"], "holds no annotations of the format yolo (3 other files, such as '7.xml')"),
        (["images"], "holds no annotations (1 other files"),
    ):
        assert command(tmp_path, "--annotations", tmp_path / words[0], *words[1:]) == 1
        assert message in capsys.readouterr().err
    assert len(items(tmp_path, "--annotations", tmp_path / "mixed", "--format", "voc")["7.png"].boxes) == 1
    assert "left out: files in the folder that are no such annotations: 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "is a ZIP archive; unpack it"),
        (b"", "holds no annotations"),
        (b'{"images": [', "not a JSON file"),
        (b"<annotations><image ", "not an XML file"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares a document type"),
        (b"\xff\xfe\x00\x80words", "holds no annotations"),
        (b"[" * 100_000, "not a JSON file"),
    ],
)
def test_damaged_files_end_in_one_line(tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    (tmp_path / "export.json").write_bytes(content)
    assert command(tmp_path, "--annotations", tmp_path / "export.json") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_annotations_of_nothing_and_pipes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    assert command(tmp_path, "--annotations", write(tmp_path, "export.json", [task()])) == 1
    assert "no category in it is used, so nobody was asked for anything" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    assert command(tmp_path, "--annotations", tmp_path / "pipe") == 1
    assert "no such file or folder of annotations" in capsys.readouterr().err


def test_one_reader_beside_masks_of_nobody_in_particular(tmp_path: Path):
    images(tmp_path, "7.png")
    masks(tmp_path / "masks", block(SIZE, slice(2, 5), slice(3, 9)), "7_effusion.png")
    annotations = [{"completed_by": 3, "result": [BOX]}, {"completed_by": 4, "result": [BOX, BOX]}]
    path = write(tmp_path, "export.json", [task(annotations=annotations)])
    item = items(tmp_path, "--annotations", path, "--annotations", tmp_path / "masks", "--reader", "3")["7.png"]
    assert (len(item.boxes), set(item.mask)) == (1, {"Effusion"})


def test_options_without_annotations_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    images(tmp_path, "7.png")
    assert command(tmp_path, "--labels", "Nodule", "--reader", "3") == 1
    assert "--reader says which annotations to take, and there are none" in capsys.readouterr().err
    words = ["--annotations", str(tmp_path), "--labels", "Nodule", "--out", str(tmp_path / "o.json")]
    write(tmp_path, "labels.csv", "image,patient,Nodule\n7.png,a,1\n")
    assert main(["datalist", "folder", *words, "--tables", str(tmp_path)]) == 1
    assert (
        "--annotations needs the radiographs that are annotated: name their folder by --images"
        in capsys.readouterr().err
    )
