"""Which files of a folder are images: those with an image's suffix, and others by their content."""

import gzip
import os
from io import BytesIO
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_images
from app.files.folders import UNREADABLE_NAME
from app.files.images import OTHER, by_name, image_files, is_image

PIXELS = np.arange(48, dtype=np.uint8).reshape(6, 8)


def dicom() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = PIXELS.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = PIXELS.tobytes()
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def png() -> bytes:
    return cv2.imencode(".png", PIXELS)[1].tobytes()


def nifti() -> bytes:
    return gzip.compress(nibabel.Nifti1Image(PIXELS.T, np.eye(4)).to_bytes())


@pytest.mark.parametrize("name", ["IM000001", "4.ima", "3.dic", "1.2.840.10008.7", "slice.0001"])
@pytest.mark.parametrize("content", [dicom, png, nifti])
def test_images_are_known_by_content_whatever_their_suffix(tmp_path: Path, name: str, content):
    (tmp_path / name).write_bytes(content())
    assert is_image(tmp_path / name)
    assert [path.name for path in image_files(tmp_path).files] == [name]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", b"image,patient\n1.png,a\n"),
        ("labels.csv.gz", gzip.compress(b"image,patient\n1.png,a\n" * 50)),
        ("README", b"\x08\x00 two bytes that begin a DICOM element by chance, and no more"),
        ("empty", b""),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    ],
)
def test_other_files_are_left_out_and_counted(tmp_path: Path, name: str, content: bytes):
    (tmp_path / "1.png").write_bytes(png())
    (tmp_path / name).write_bytes(content)
    listing = image_files(tmp_path)
    assert [path.name for path in listing.files] == ["1.png"]
    assert listing.left_out == {OTHER: 1}


def test_names_that_are_no_utf8_cannot_stand_in_a_datalist_and_are_counted(tmp_path: Path):
    for name in (b"1.png", b"r\xf6ntgen.png"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(png())
    assert image_files(tmp_path).left_out == {UNREADABLE_NAME: 1}
    rows = Datalist("made", ("Nodule",), {"training": [Item("1.png", "a", (1,))]})
    made = with_images(rows, tmp_path, tmp_path / "out.json")
    assert made.provenance["counts"][f"left out of the folder: {UNREADABLE_NAME}"] == 1


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path):
    (tmp_path / ".hidden.png").write_bytes(png())
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        ValueError, match=r"holds no image \(left out: hidden files and folders 1, files that are no im"
    ):
        image_files(tmp_path)


def test_files_by_name_are_composed(tmp_path: Path):
    (tmp_path / "Ro\u0308ntgen.png").write_bytes(png())
    assert list(by_name(image_files(tmp_path))) == ["R\u00f6ntgen.png"]
