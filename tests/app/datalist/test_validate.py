"""A datalist against its files, whose sizes are read from their headers."""

from dataclasses import replace
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from app.datalist.file import DatalistError
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.validate import file_problems, problems, validate
from app.files.image_names import image_size
from transforms.read import read_radiograph

HEIGHT, WIDTH = 30, 40


def write_image(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    pixels = np.zeros((height, width), np.uint8)
    if path.suffix == ".dcm":
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
        meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.Rows, dataset.Columns, dataset.PixelData = height, width, pixels.tobytes()
        dataset.save_as(path, enforce_file_format=True)
    elif path.name.endswith(".nii.gz"):
        nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)
    elif path.suffix in (".mha", ".mhd", ".nrrd", ".nhdr"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(path))
    else:
        cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.dcm", "a.nii.gz", "a.mha", "a.nrrd"])
def test_size_of_every_kind_is_height_and_width(tmp_path: Path, name: str):
    assert image_size(write_image(tmp_path / name)) == (HEIGHT, WIDTH)


def test_size_of_a_jpeg_with_other_segments_first(tmp_path: Path):
    Image.new("L", (WIDTH, HEIGHT)).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(5000), progressive=True, comment="x" * 300
    )
    assert image_size(tmp_path / "a.jpg") == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("name", "content"), [("a.png", b"text"), ("a.dcm", b"text"), ("a.jpg", b"\xff\xd8\xff\xe0\0\x02")]
)
def test_a_broken_header_names_the_file(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: its size cannot be read"):
        image_size(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["no preamble.dcm", "second.nii.gz", "second.nii", "big.tif", "a.bmp", "a.mhd", "a.nhdr"]
)
def test_the_size_of_whatever_the_reader_reads(tmp_path: Path, name: str):
    """What the header says is what the pixels are."""
    path = tmp_path / name
    if name.endswith(".dcm"):
        path.write_bytes(save_dicom(tmp_path / "whole").read_bytes()[132:])
    elif name.startswith("second"):
        nibabel.save(nibabel.Nifti2Image(np.zeros((WIDTH, HEIGHT), np.int16), np.eye(4)), path)
    elif name == "big.tif":
        Image.new("L", (WIDTH, HEIGHT)).save(path, big_tiff=True)
    else:
        write_image(path)
    assert image_size(path) == read_radiograph(path)[0].shape == (HEIGHT, WIDTH)


def save_dicom(path: Path) -> Path:
    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.3"
    made.Modality, made.SamplesPerPixel, made.PhotometricInterpretation = "CR", 1, "MONOCHROME2"
    made.Rows, made.Columns, made.PixelRepresentation = HEIGHT, WIDTH, 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = np.arange(HEIGHT * WIDTH, dtype=np.uint8).tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


def write_turned(path: Path) -> None:
    """Stored as rows of WIDTH pixels, HEIGHT of them, and shown turned by a quarter."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("L", (WIDTH, HEIGHT)).save(path, exif=exif)


@pytest.mark.parametrize("box", [Box("Nodule", 5, 30, 20, 10), Box("Nodule", 30, 5, 10, 20)], ids=["shown", "stored"])
def test_boxes_are_checked_in_the_frame_that_everybody_sees(tmp_path: Path, box: Box):
    write_turned(tmp_path / "1.jpg")
    item = Item("1.jpg", "1", (1,), boxes=(box,), annotated=("Nodule",))
    datalist = Datalist("made", ("Nodule",), {"training": [item], "validation": [], "test": []})
    if box.y == 30:
        validate(datalist, tmp_path, files=True)
    else:
        with pytest.raises(DatalistError, match="reaches outside the image of 30 x 40 pixels"):
            validate(datalist, tmp_path, files=True)


@pytest.fixture
def datalist(tmp_path: Path) -> Datalist:
    write_image(tmp_path / "1.png")
    write_image(tmp_path / "mask.png")
    item = Item(
        "1.png", "1", (1,), boxes=(Box("Nodule", 30, 20, 10, 10),), annotated=("Nodule",), mask={"Nodule": "mask.png"}
    )
    return Datalist("made", ("Nodule",), {"training": [item], "validation": [], "test": []})


def changed(datalist: Datalist, **changes: object) -> Datalist:
    (item,) = datalist.sections["training"]
    return replace(datalist, sections={"training": [replace(item, **changes)], "validation": [], "test": []})


def test_a_box_up_to_the_very_edge_is_inside(datalist: Datalist, tmp_path: Path):
    assert problems(datalist) == []
    assert file_problems(datalist, tmp_path) == []


CASES = {
    "image missing": ({"image": "2.png"}, r"training\[0\] 2.png: .*2.png: no such image file"),
    "box outside": (
        {"boxes": (Box("Nodule", 30, 20, 10.5, 10),)},
        r"1.png: box of 'Nodule' .* reaches outside the image of 40 x 30 pixels",
    ),
    "mask missing": ({"mask": {"Nodule": "no.png"}}, r"1.png: mask of 'Nodule': .*no.png: no such image file"),
    "run lengths of another size": (
        {"mask": {"Nodule": RunLengths((40, 30), (1200,))}},
        r"mask of 'Nodule' has 30 x 40 pixels \(width x height\), the image 40 x 30",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_problem_with_files_names_the_item(datalist: Datalist, tmp_path: Path, name: str):
    changes, message = CASES[name]
    wrong = changed(datalist, **changes)
    validate(wrong, tmp_path, files=False)
    with pytest.raises(DatalistError, match=message):
        validate(wrong, tmp_path, files=True)


def test_a_mask_file_of_another_size_is_refused(datalist: Datalist, tmp_path: Path):
    write_image(tmp_path / "mask.png", HEIGHT, WIDTH - 1)
    with pytest.raises(DatalistError, match=r"mask of 'Nodule' has 39 x 30 pixels"):
        validate(datalist, tmp_path, files=True, where="list.json")


def test_real_dicom_sizes_agree_with_pydicom(frugal_data: Path):
    for path in sorted((frugal_data / "dicom").glob("*.dcm")):
        whole = pydicom.dcmread(path)
        assert image_size(path) == (whole.Rows, whole.Columns)
