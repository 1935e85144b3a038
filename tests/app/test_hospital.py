"""A hospital's own data, from its files to a trained run, and that nothing that was made names a patient."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import create_workflow

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Datalist
from app.engines import RadiographWorkflow
from tests.transforms.made_dicom import content, dataset

ROOT = Path(__file__).parents[2]
IMAGES, SIZE = 60, 64
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


def radiograph(index: int) -> bytes:
    """A DICOM file with everything that identifies its patient; a bright square where the nodule is."""
    pixels = np.random.default_rng(index).integers(300, 700, (SIZE, SIZE)).astype(np.uint16)
    if is_present(index):
        pixels[20:32, 30:42] += 2500
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
        path = folder / f"pacs/Mustermann{index // 2}_{number(index)}/IM{index:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(radiograph(index))
    with (folder / "Export.csv").open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Accession Number", "Rundherd", "Sicherheit", "Befund"])
        for index in range(0, IMAGES, 2):
            label = "ja" if is_present(index) else "fraglich" if index == 2 else "nein"
            writer.writerow([f"RX-{number(index)}", label, "0,75", REPORTS[is_present(index)]])
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Iterator[Path]:
    """The folder after the commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/made/mlflow.db")
        patch.chdir(ROOT)
        files = ["--csv", str(folder / "Export.csv"), "--images", str(folder / "pacs")]
        out = folder / "made/thorax.json"
        assert main(["datalist", "folder", *files, "--out", str(out), "--map", "Rundherd=Nodule"]) == 0
        assert main(["datalist", "show", str(out), "--files", "--picture", str(out.with_suffix(".png"))]) == 0
        settings = {"datalist": str(out), "output_dir": str(folder / "made/run"), "max_epochs": 1, "batch_size": 8}
        toy = {"image_size": 32, "depth": 18, "width": 4, "precision": "float32", "prepare#workers": 0}
        workflow = create_workflow(
            RadiographWorkflow,
            str(ROOT / "bundles/annotation_cost/configs/train.yaml"),
            workflow_type="train",
            run_id="training",
            prepared_dir=str(folder / "made/prepared"),
            **settings,
            **toy,
        )
        workflow.run()
        workflow.finalize()
        yield folder


@pytest.fixture(scope="module")
def datalist(trained: Path) -> Datalist:
    """What the first command made."""
    return read_datalist(trained / "made/thorax.json")


def test_the_table_and_the_headers_say_what_the_items_say(datalist: Datalist, trained: Path):
    items = datalist.items()
    assert (datalist.findings, len(items)) == (("Nodule",), IMAGES)
    assert len({item.patient for item in items}) == len({item.study for item in items}) == IMAGES // 2
    # By hand: every third of 30 studies, of two images each; one study is doubtful.
    labels = [item.label[0] for item in items]
    assert [labels.count(value) for value in (1, 0, -1)] == [20, 38, 2]
    by_file = {(trained / "made" / item.image).resolve().name: item for item in items}
    first, last = by_file["IM0000"], by_file["IM0059"]
    assert (first.view, first.attributes, last.view, last.attributes) == (
        *("PA", {"sex": "F", "age": 90}),  # born in 1920
        *("LATERAL", {"sex": "M", "age": 42}),  # born in 1979, a day over 42
    )
    assert datalist.provenance["columns not used"] == ["Befund"]


def test_a_run_was_trained_on_it(trained: Path):
    assert set(json.loads((trained / "made/run/metrics.json").read_text())["auc"]) >= {"Nodule"}
    test = read_datalist(trained / "made/thorax.json").sections["test"]
    with (trained / "made/run/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["image"], row["patient"]) for row in rows} == {(item.image, item.patient) for item in test}
    assert {row["image"].rpartition("/")[0] for row in rows} == {"thorax_links/images"}


def test_nothing_that_was_made_names_a_patient(trained: Path):
    names = [b"Mustermann", b"Erika", b"RX-", b"1.2.840.99", *(number(index).encode() for index in range(IMAGES))]
    files = [path for path in (trained / "made").rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"thorax.json", "mlflow.db", "predictions.csv", "model.pt"} <= {path.name for path in files}
    told = {path.name: name for path in files for name in names if name in path.read_bytes()}
    assert not told
    key = (trained / "settings/frugal/pseudonyms.key").read_bytes().strip()
    assert not [path for path in files if key in path.read_bytes()]
