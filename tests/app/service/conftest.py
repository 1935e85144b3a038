"""What tests of the service start from: radiographs as small DICOM files, and a spool."""

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from app.service.settings import Tls
from app.service.spool import Spool
from app.service.table import Table

NAME = "Mustermann^Erika"


def radiograph(number: int = 1, **changes: object) -> Dataset:
    """A CR image of 8 x 6 pixels; a value of None removes an attribute."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, f"2.25.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.9{number}", f"2.25.8{number}"
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = NAME, "4711", "A77"
    dataset.Modality, dataset.ViewPosition, dataset.BodyPartExamined = "CR", "PA", "CHEST"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 6, 8, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = np.arange(48, dtype="<u2").tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def content(dataset: Dataset) -> bytes:
    """A data set as a file."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a radiograph: ``written(ViewPosition="LL")``."""

    def write(**changes: object) -> Path:
        path = tmp_path / "radiograph.dcm"
        path.write_bytes(content(radiograph(**changes)))
        return path

    return write


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate of localhost, which is its own authority, so that clients must show it."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    try:
        subprocess.run([*command.split(), *map(str, more)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate")
    return Tls(certificate=certificate, key=key, authority=certificate)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "table.sqlite")
