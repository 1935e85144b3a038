"""A hospital's own data, from its files to a trained run, and that nothing that was made names a patient."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own convention

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import decode
from tests.transforms.made_dicom import content, dataset

IMAGES, SIZE = 60, 64
NODULE = (30, 20, 12, 12)
"""x, y, width and height of each nodule in pixels."""
OUTLINED, BOXED, EMPTY = (0, 12, 24, 36, 48), (6, 18, 30, 42, 54), (4, 10)
"""Images with a nodule outlined in ITK-SNAP, with one boxed in Label Studio, and with nothing to draw there."""
REPORTS = (
    'Kein Nachweis von Infiltraten; Herz "normal" groß,\nkeine Stauung.',
    "Rundherd rechts, 12 mm; Kontrolle in 3,5 Monaten empfohlen.",
)


def number(index: int) -> str:
    """The record number of the patient of an image; each patient has two images in one study."""
    return str(4711000 + 37 * (index // 2))


def is_present(index: int) -> bool:
    """Whether an image shows a nodule, as every third study does."""
    return index // 2 % 3 == 0


def drawn() -> tuple[slice, slice]:
    """Rows and columns of a nodule."""
    x, y, width, height = NODULE
    return slice(y, y + height), slice(x, x + width)


def radiograph(index: int) -> bytes:
    """A DICOM file with everything that identifies its patient; a bright square where the nodule is."""
    pixels = np.random.default_rng(index).integers(300, 700, (SIZE, SIZE)).astype(np.uint16)
    if is_present(index):
        pixels[drawn()] += 2500
    elements = {
        "PatientID": number(index),
        "PatientName": f"Mustermann{index // 2}^Erika",
        "PatientBirthDate": f"19{20 + index}0304",
        "PatientSex": "FM"[index // 2 % 2],
        "StudyDate": "20210305",
        "StudyInstanceUID": f"1.2.840.99.{number(index)}",
        "AccessionNumber": f"RX-{number(index)}",
        "ViewPosition": ("PA", "LL")[index % 2],
        "BitsStored": 12,
    }
    return content(dataset(pixels, elements))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 DICOM files in folders named by patients, and a table of their studies as a German Excel writes it."""
    folder = tmp_path_factory.mktemp("hospital")
    for index in range(IMAGES):
        path = folder / f"pacs/Mustermann{index // 2}/IM{index:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(radiograph(index))
    with (folder / "Export.csv").open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Accession Number", "Rundherd", "Sicherheit", "Befund"])
        for index in range(0, IMAGES, 2):
            label = "ja" if is_present(index) else "fraglich" if index == 2 else "nein"
            writer.writerow([f"RX-{number(index)}", label, "0,75", REPORTS[is_present(index)]])
    write_segmentations(folder)
    (folder / "label_studio.json").write_text(json.dumps([task(index) for index in (*BOXED, *EMPTY)]))
    return folder


def write_segmentations(folder: Path) -> None:
    """Outlines as ITK-SNAP saves them, in the geometry of their DICOM files, and its description of labels."""
    (folder / "segmentations").mkdir()
    for index in OUTLINED:
        values = np.zeros((1, SIZE, SIZE), np.uint8)
        values[0][drawn()] = 1
        mask = sitk.GetImageFromArray(values)
        mask.CopyInformation(sitk.ReadImage(str(next(folder.glob(f"pacs/*/IM{index:04}")))))
        sitk.WriteImage(mask, str(folder / f"segmentations/IM{index:04}.nii.gz"))
    names = '    0   0 0 0  0  0 0  "Clear Label"\n    1   255 0 0  1  1 1  "Rundherd"\n'
    (folder / "segmentations/itk_snap_labels.txt").write_text(f"# ITK-SnAP Label Description File\n{names}")


def task(index: int) -> dict[str, object]:
    """A task as Label Studio exports it, with the number of the annotator and sizes in percent of the image."""
    value = dict(zip(("x", "y", "width", "height"), (100 * each / SIZE for each in NODULE), strict=True))
    region = {
        "type": "rectanglelabels",
        "original_width": SIZE,
        "original_height": SIZE,
        "image_rotation": 0,
        "value": {**value, "rotation": 0, "rectanglelabels": ["Rundherd"]},
    }
    annotation = {"completed_by": 3, "was_cancelled": False, "result": [region] if index in BOXED else []}
    return {"id": index, "data": {"image": f"/data/upload/7/1a2b3c4d-IM{index:04}.png"}, "annotations": [annotation]}


@pytest.fixture(scope="module")
def trained(folder: Path) -> Iterator[Path]:
    """The folder after the commands."""
    (folder / "made").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/made/mlflow.db")
        patch.chdir(folder / "made")
        files = ["--csv", str(folder / "Export.csv"), "--images", str(folder / "pacs")]
        for annotations in ("segmentations", "label_studio.json"):
            files += ["--annotations", str(folder / annotations)]
        out = folder / "made/thorax.json"
        assert main(["datalist", "folder", *files, "--out", str(out), "--map", "Rundherd=Nodule"]) == 0
        assert main(["datalist", "show", str(out), "--files", "--picture", str(out.with_suffix(".png"))]) == 0
        settings = {"datalist": out, "output_dir": folder / "made/run", "prepared_dir": folder / "made/prepared"}
        toy = {"max_epochs": 1, "batch_size": 8, "image_size": 32, "depth": 18, "width": 4, "precision": "float32"}
        words = [word for name, value in (settings | toy).items() for word in (f"--{name}", str(value))]
        assert main(["train", "annotation_cost", *words, "--prepare#workers", "0"]) == 0
        yield folder


@pytest.fixture(scope="module")
def datalist(trained: Path) -> Datalist:
    """What the first command made."""
    return read_datalist(trained / "made/thorax.json")


@pytest.fixture(scope="module")
def by_file(trained: Path, datalist: Datalist) -> dict[str, Item]:
    """Items by the name of the file that their link leads to."""
    return {(trained / "made" / item.image).resolve().name: item for item in datalist.items()}


def test_the_table_and_the_headers_say_what_the_items_say(datalist: Datalist, by_file: dict[str, Item]):
    items = datalist.items()
    assert (datalist.findings, len(items)) == (("Nodule",), IMAGES)
    assert len({item.patient for item in items}) == len({item.study for item in items}) == IMAGES // 2
    # By hand: every third of 30 studies, of two images each; one study is doubtful.
    labels = [item.label[0] for item in items]
    assert [labels.count(value) for value in (1, 0, -1)] == [20, 38, 2]
    first, last = by_file["IM0000"], by_file["IM0059"]
    assert (first.view, first.attributes, last.view, last.attributes) == (
        *("PA", {"sex": "F", "age": 90}),  # born in 1920
        *("LATERAL", {"sex": "M", "age": 42}),  # born in 1979, a day over 42
    )
    assert datalist.provenance["columns not used"] == ["Befund"]


def test_outlines_and_boxes_are_those_that_were_drawn(by_file: dict[str, Item]):
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[drawn()] = 1
    for index in range(IMAGES):
        item = by_file[f"IM{index:04}"]
        assert item.annotated == (("Nodule",) if index in (*OUTLINED, *BOXED, *EMPTY) else ())
        assert item.boxes == ((Box("Nodule", *map(float, NODULE)),) if index in BOXED else ())
        assert set(item.mask) == ({"Nodule"} if index in OUTLINED else set())
        for mask in item.mask.values():
            assert isinstance(mask, RunLengths)
            np.testing.assert_array_equal(decode(mask), expected)


def test_a_run_was_trained_on_it(trained: Path):
    assert set(json.loads((trained / "made/run/metrics.json").read_text())["auc"]) >= {"Nodule"}
    test = read_datalist(trained / "made/thorax.json").sections["test"]
    with (trained / "made/run/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["image"], row["patient"]) for row in rows} == {(item.image, item.patient) for item in test}
    assert {row["image"].rpartition("/")[0] for row in rows} == {"thorax_links/images"}


def test_nothing_that_was_made_names_a_patient(trained: Path):
    names = [b"Mustermann", b"Erika", b"RX-4711", b"1.2.840.99", *(number(index).encode() for index in range(IMAGES))]
    files = [path for path in (trained / "made").rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"thorax.json", "mlflow.db", "predictions.csv", "model.pt"} <= {path.name for path in files}
    told = {path.name: name for path in files for name in names if name in path.read_bytes()}
    assert not told
    key = (trained / "settings/frugal/pseudonyms.key").read_bytes().strip()
    assert not [path for path in files if key in path.read_bytes()]
