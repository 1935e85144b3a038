"""The transforms, dispatch by content, bad files, and damage of every kind."""

import pickle
import resource
import time

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose
from pydicom import uid
from pydicom.dataset import FileMetaDataset

from transforms import LoadRadiograph, LoadRadiographd, RadiographError, read_radiograph

PIXELS = (np.arange(48 * 40, dtype=np.uint16) * 2).reshape(48, 40)


def save_dicom(path, syntax=uid.ExplicitVRLittleEndian, spacing=None):
    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.ComputedRadiographyImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    made.Modality, made.ViewPosition, made.PatientName = "CR", "AP", "Doe^Jane"
    made.Rows, made.Columns = PIXELS.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME1", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.WindowCenter, made.WindowWidth, made.RescaleSlope, made.RescaleIntercept = 2048, 4096, 1, 0
    if spacing:
        made.ImagerPixelSpacing = spacing
    made.PixelData = PIXELS.tobytes()
    made["PixelData"].VR = "OW"
    if syntax != uid.ExplicitVRLittleEndian:
        made.compress(syntax, generate_instance_uid=False)
    made.save_as(path, enforce_file_format=True)
    return path


def test_load_radiograph(tmp_path):
    image = LoadRadiograph()(save_dicom(tmp_path / "a.dcm", spacing=[0.2, 0.1]))
    assert isinstance(image, MetaTensor)
    assert image.shape == (1, 48, 40)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    # MONOCHROME1 in the identity window of 12 bits: 1 - x / 4095.
    np.testing.assert_allclose(image[0].numpy(), 1 - PIXELS / 4095, atol=1e-6)
    assert image.meta["spacing"] == (0.2, 0.1)
    assert tuple(image.meta["original_size"]) == (48, 40)
    assert (image.meta["modality"], image.meta["view"], image.meta["bits"]) == ("CR", "AP", 12)
    assert image.meta["photometric"] == "MONOCHROME1"
    np.testing.assert_allclose(image.pixdim[:2], [0.2, 0.1])
    assert "Doe" not in repr(image.meta)


def test_load_radiographd(tmp_path):
    first, second = save_dicom(tmp_path / "a.dcm"), tmp_path / "b.png"
    cv2.imwrite(str(second), np.zeros((5, 6), np.uint8))
    given = {"image": str(first), "prior": str(second), "patient": "17"}
    sample = LoadRadiographd(keys=("image", "prior"))(given)
    assert given["image"] == str(first)
    assert sample["patient"] == "17"
    assert sample["prior"].shape == (1, 5, 6)
    np.testing.assert_array_equal(sample["original_size"], [48, 40])
    np.testing.assert_array_equal(sample["region"], np.array([0, 0, 40, 48]))
    assert (sample["original_size"].dtype, sample["region"].dtype) == (np.int64, np.float32)


def test_missing_key(tmp_path):
    assert LoadRadiographd(allow_missing_keys=True)({"patient": "17"}) == {"patient": "17"}
    with pytest.raises(KeyError, match="image"):
        LoadRadiographd()({"patient": "17"})


def test_batches_of_different_sources(tmp_path):
    """One image with spacing and tags, one without any, through MONAI's own loader."""
    cv2.imwrite(str(tmp_path / "b.png"), PIXELS)
    data = [{"image": str(save_dicom(tmp_path / "a.dcm", spacing=[0.2, 0.1]))}, {"image": str(tmp_path / "b.png")}]
    batch = next(iter(DataLoader(Dataset(data, Compose([LoadRadiographd()])), batch_size=2)))
    assert batch["image"].shape == (2, 1, 48, 40)
    assert batch["region"].shape == (2, 4)
    assert "spacing" not in batch["image"].meta


def test_transforms_pickle():
    assert pickle.loads(pickle.dumps(LoadRadiographd())).keys == ("image",)


@pytest.mark.parametrize("suffix", [".dcm", ".png", ".nii", ""])
def test_content_decides_not_the_name(tmp_path, suffix):
    np.testing.assert_allclose(read_radiograph(save_dicom(tmp_path / f"a{suffix}"))[0], 1 - PIXELS / 4095, atol=1e-6)
    cv2.imwrite(str(tmp_path / "b.png"), PIXELS)
    (tmp_path / "b.png").rename(tmp_path / f"c{suffix}")
    np.testing.assert_allclose(read_radiograph(tmp_path / f"c{suffix}")[0], PIXELS / 4095, atol=1e-6)


def test_nifti_by_content(tmp_path):
    nibabel.save(nibabel.Nifti1Image(PIXELS.T.astype(np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").rename(tmp_path / "a")
    np.testing.assert_allclose(read_radiograph(tmp_path / "a")[0], PIXELS / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.dcm", b"Chest PA, no finding.\n" * 30, "is not a DICOM file, whatever its name says"),
        ("short.dcm", b"x", "is not a DICOM file"),
        ("empty.dcm", b"", r"is empty \(0 bytes\)"),
        ("empty.png", b"", r"is empty \(0 bytes\)"),
        ("notes.png", b"Chest PA, no finding.\n" * 30, "none of DICOM, PNG, JPEG, TIFF, BMP, NIfTI, MHA, NRRD, GIPL, "),
        ("preamble.dcm", bytes(128) + b"DICM", "not a DICOM image, or is truncated"),
        ("start.jpg", b"\xff\xd8\xff\xe0", "damaged or truncated"),
        ("start.png", b"\x89PNG\r\n\x1a\n", "truncated"),
        ("start.tif", b"II*\0", "damaged or truncated"),
    ],
)
def test_bad_files_name_themselves_and_the_cause(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RadiographError, match=message) as caught:
        LoadRadiograph()(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, ValueError)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(RadiographError, match=r"gone\.dcm: cannot be opened \(No such file"):
        read_radiograph(tmp_path / "gone.dcm")
    with pytest.raises(RadiographError, match=r"cannot be opened \(Is a directory"):
        read_radiograph(tmp_path)


def test_truncated_dicom_says_what_is_missing(tmp_path):
    path = save_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RadiographError, match=r"is truncated: 2840 bytes of pixel data .* need 3840"):
        read_radiograph(path)


def damaged(content, generator):
    """Flip bytes, cut, remove a piece, or lie about lengths, in the header more often than elsewhere."""
    content = bytearray(content)
    reach = len(content) if generator.random() < 0.3 else min(len(content), 900)
    kind = generator.integers(4)
    if kind == 0:
        for place in generator.integers(0, reach, generator.integers(1, 12)):
            content[place] = generator.integers(256)
    elif kind == 1:
        del content[generator.integers(0, len(content)) :]
    elif kind == 2:
        start = generator.integers(0, reach)
        del content[start : start + generator.integers(1, 64)]
    else:
        start = generator.integers(0, reach)
        content[start : start + 4] = generator.choice([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0"])
    return bytes(content)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["raw", "rle", "jpegls", "jpeg2000", "deflated", "png", "jpg", "tif", "nii", "mha"])
def test_damage_is_found_or_harmless(tmp_path, kind, seed):
    """20 files each: read as what they say, or refused in one way; never a crash, a hang or runaway memory."""
    syntaxes = {"raw": uid.ExplicitVRLittleEndian, "rle": uid.RLELossless, "jpegls": uid.JPEGLSLossless}
    syntaxes |= {"jpeg2000": uid.JPEG2000Lossless}
    path = tmp_path / f"a.{kind if kind not in (*syntaxes, 'deflated') else 'dcm'}"
    if kind in syntaxes:
        save_dicom(path, syntaxes[kind])
    elif kind == "deflated":
        made = pydicom.dcmread(save_dicom(path))
        made.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        made.save_as(path)
    elif kind in ("nii", "mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(PIXELS), str(path))
    else:
        cv2.imwrite(str(path), (PIXELS >> 4).astype(np.uint8))
    content = path.read_bytes()
    generator = np.random.default_rng([seed, len(kind), ord(kind[0])])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    refusals = []
    for _ in range(20):
        path.write_bytes(damaged(content, generator))
        try:
            image, _ = read_radiograph(path)
        except RadiographError as error:
            refusals.append(str(error))
            continue
        assert image.ndim == 2
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
    assert refusals
    assert all(message.startswith(f"{path}: ") for message in refusals)
    assert time.monotonic() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB more than before"
