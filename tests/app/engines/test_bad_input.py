"""Bad input: a launch stops before training and names the problem, or reports what it does instead."""

import logging
import shutil
import socket
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pydicom
import pytest
from pydicom import uid

from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import SECTIONS


def chain(error: BaseException | None) -> str:
    """The messages of an error and its causes."""
    messages = []
    while error is not None:
        messages.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(messages)


def refused(launch: Any, overrides: dict[str, Any]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - MONAI wraps what components raise
        launch("training", overrides)
    return chain(caught.value)


def launches(store: str) -> list[Any]:
    return mlflow.MlflowClient(store).search_experiments(filter_string="name = 'nodule_detection'")


def dicom_file(path: Path, cut: int) -> None:
    """A radiograph of a named patient, without its last ``cut`` bytes."""
    pixels = np.random.default_rng(0).integers(0, 4096, (80, 72), dtype=np.uint16)
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.ComputedRadiographyImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    made.Modality, made.PatientName, made.PatientID = "CR", "Doe^Jane", "0815-4711"
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    made.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])


@pytest.fixture
def copied(world, tmp_path) -> Path:
    """A copy of the pictures and their datalist, to be damaged."""
    shutil.copytree(world.folder, tmp_path / "data", ignore=shutil.ignore_patterns("prepared", "*.pt"))
    return tmp_path / "data" / "datalist.json"


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        # 72 x 80 pixels of two bytes are 11520.
        (4000, "cut.dcm: is truncated: 7520 bytes of pixel data where 80 rows by 72 columns of 16 bits need 11520"),
        (11650, "cut.dcm: its size cannot be read"),
    ],
    ids=["in the pixels", "in the header"],
)
def test_a_truncated_dicom_file_is_refused(world, copied, launch, store, tmp_path, cut, message):
    dicom_file(copied.parent / "cut.dcm", cut)
    datalist = read_datalist(copied)
    datalist.sections["training"][3].image = "cut.dcm"
    datalist.sections["training"][3].boxes = ()
    datalist.sections["training"][3].annotated = ()
    write_datalist(datalist, copied)
    refusal = refused(launch, world.overrides(tmp_path / "out", datalist=str(copied)))
    assert message in refusal
    assert "Doe" not in refusal
    assert "4711" not in refusal
    assert launches(store) == []
    assert not (tmp_path / "out" / "model.pt").exists()


@pytest.mark.parametrize("sections", [(), SECTIONS], ids=["no section", "empty sections"])
def test_an_empty_datalist_is_refused(world, launch, store, tmp_path, sections):
    path = tmp_path / "empty.json"
    lists = ", ".join(f'"{section}": []' for section in sections)
    path.write_text(f'{{"name": "nothing", "findings": ["Nodule"]{", " if lists else ""}{lists}}}')
    message = refused(launch, world.overrides(tmp_path / "out", datalist=str(path)))
    assert f"{path}: the datalist is empty: no item in training, validation, test." in message
    assert launches(store) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"], ids=["no byte", "cut off", "a list", "no findings"])
def test_a_file_that_is_not_a_datalist_is_refused(world, launch, tmp_path, text):
    path = tmp_path / "odd.json"
    path.write_text(text)
    assert str(path) in refused(launch, world.overrides(tmp_path / "out", datalist=str(path)))


def test_a_missing_datalist_is_refused(world, launch, tmp_path):
    path = tmp_path / "no.json"
    assert f"{path}: no such datalist" in refused(launch, world.overrides(tmp_path / "out", datalist=str(path)))


def test_patients_in_two_sections_are_counted_and_three_are_named(world, copied, launch, tmp_path):
    datalist = read_datalist(copied)
    for number in range(5):
        datalist.sections["test"][number].patient = f"training-patient-{number}"
    write_datalist(datalist, copied)
    message = refused(launch, world.overrides(tmp_path / "out", datalist=str(copied)))
    assert "5 patients in more than one of training, validation, test" in message
    named = [n for n in range(5) if f"'training-patient-{n}' in training and test" in message]
    assert named == [0, 1, 2]
    assert "Split by patient." in message


def test_all_missing_images_are_named_before_any_is_prepared(world, copied, launch, tmp_path):
    for name in ("training-1.png", "test-0.png"):
        (copied.parent / name).unlink()
    message = refused(launch, world.overrides(tmp_path / "out", datalist=str(copied)))
    assert "training-1.png" in message
    assert "test-0.png" in message


def test_a_run_is_kept_locally_if_the_server_does_not_answer(
    world, launch, template_store, tmp_path, monkeypatch, caplog
):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", closed)
    # The local store of the folder that the launch is started in; its tables take seconds to make.
    shutil.copy(template_store, tmp_path / "mlflow.db")
    with caplog.at_level(logging.WARNING):
        metrics = launch("training", world.overrides(tmp_path / "out", max_epochs=1), folder=tmp_path)
    assert metrics["section"] == "test"
    assert (tmp_path / "out" / "metrics.json").is_file()
    (warning,) = [line for line in caplog.messages if "127.0.0.1" in line]
    assert warning.startswith(f"tracking server {closed} does not answer (")
    assert warning.endswith(f"This run is kept in {tmp_path / 'mlflow.db'} instead; nothing is lost.")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("nodule_detection").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/auc.Nodule"] == metrics["auc"]["Nodule"]["value"]
