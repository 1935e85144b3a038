"""Whether a file is DICOM, told by its first bytes, and the view that its header states."""

import gzip
import struct
from io import BytesIO

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.transforms.made_dicom import content, dataset
from transforms.dicom import read_dicom
from transforms.dicom_header import header_codes, unsuited_files
from transforms.dicom_signature import is_dicom
from transforms.read import read_radiograph

RAMP = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)


def bare(implicit=True, little=True, **changes):
    """A data set without preamble and meta information, as a dump of a network transfer has it."""
    made, stream = dataset(RAMP, changes), BytesIO()
    del made.file_meta
    if not little:
        made.PixelData = RAMP.byteswap().tobytes()
    pydicom.dcmwrite(
        stream, made, implicit_vr=implicit, little_endian=little, force_encoding=True, enforce_file_format=False
    )
    raw = stream.getvalue()
    assert raw[128:132] != b"DICM"
    return raw


WHOLE = content(dataset(RAMP))
DICOM = {
    "as written": WHOLE,
    "no preamble": WHOLE[132:],
    "the prefix alone": WHOLE[128:],
    "a preamble of a TIFF's": b"II*\0" + WHOLE[4:],
    "bare, implicit": bare(),
    "bare, explicit": bare(implicit=False),
    "bare, big-endian": bare(implicit=False, little=False),
    "bare, with a character set first": bare(SpecificCharacterSet="ISO_IR 100"),
    "bare, with a group length first": struct.pack("<HHII", 8, 0, 4, 200) + bare(),
    "bare, with a sequence first": bare(LanguageCodeSequence=Sequence([Dataset()])),
}


def other_files():
    flat = (RAMP % 256).astype(np.uint8)
    made = {kind: cv2.imencode(f".{kind}", flat)[1].tobytes() for kind in ("png", "jpg", "tif", "bmp", "jp2", "pgm")}
    volume = nibabel.Nifti1Image(flat[..., None].astype(np.int16), np.eye(4)).to_bytes()
    return made | {
        "nii": volume,
        "nii.gz": gzip.compress(volume),
        "csv": b"image,patient,Nodule\n" * 40,
        "json": b'{"training": []}' * 40,
        "zip": b"PK\x03\x04" + bytes(500),
        "npy": b"\x93NUMPY\x01\0" + bytes(500),
        "pkl": b"\x80\x04\x95" + bytes(500),
        "zeros": bytes(1000),
        "raw of 8s": b"\x08\0" * 300,
        "raw of 2s": b"\x02\0\0\0" * 300,
        "raw of small words": np.arange(8, 400, dtype="<u2").tobytes(),
        "mha": b"ObjectType = Image\nNDims = 2\n" * 20,
        "empty": b"",
        "short": b"\x08\0\x05\0",
    }


@pytest.mark.parametrize("name", DICOM)
@pytest.mark.parametrize("filename", ["IM000001", "1.dcm", "3.dic", "4.ima", "1.2.840.113619.7", "a.png", "b.txt"])
def test_dicom_is_told_by_content(tmp_path, name, filename):
    path = tmp_path / filename
    path.write_bytes(DICOM[name])
    assert is_dicom(path)


@pytest.mark.parametrize("name", sorted(set(DICOM) - {"a preamble of a TIFF's"}))
def test_dicom_of_every_beginning_is_read(tmp_path, name):
    path = tmp_path / "IM000001"
    path.write_bytes(DICOM[name])
    np.testing.assert_allclose(read_radiograph(path)[0], RAMP / RAMP.max(), atol=1e-6)


@pytest.mark.parametrize("name", other_files())
def test_other_files_are_not_dicom(tmp_path, name):
    path = tmp_path / "1.dcm"
    path.write_bytes(other_files()[name])
    assert not is_dicom(path)


def coded(value, scheme="SCT"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    return Sequence([item])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "pa "}, "PA"),
        ({"ViewPosition": "RL"}, "LATERAL"),
        ({"ViewPosition": "LLD"}, "LLD"),
        # PS3.16 CID 4010, and the codes of SNOMED-RT that it had before.
        ({"ViewCodeSequence": coded("272479007")}, "PA"),
        ({"ViewCodeSequence": coded("R-10214", "SRT")}, "PA"),
        ({"ViewCodeSequence": coded("399348003")}, "AP"),
        ({"ViewCodeSequence": coded("399173006")}, "LATERAL"),
        ({"ViewCodeSequence": coded("399033003")}, ""),
        ({"ViewPosition": "AP", "ViewCodeSequence": coded("272479007")}, "AP"),
        ({"ViewPosition": "", "ViewCodeSequence": coded("272479007")}, "PA"),
        # A row that runs to the front or the back is one of a lateral view; to a side, one of PA or AP.
        ({"PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["P", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, ""),
        ({"PatientOrientation": ""}, ""),
        ({"ViewPosition": "PA", "PatientOrientation": ["A", "F"]}, "PA"),
    ],
)
def test_the_view_of_a_header(tmp_path, elements, view):
    path = tmp_path / "a"
    path.write_bytes(content(dataset(RAMP, elements)))
    assert header_codes([path])[0].view == view
    assert read_dicom(path.read_bytes())[1]["view"] == view


def test_headers_of_cut_and_damaged_files_say_what_they_can(tmp_path, recwarn):
    good = content(dataset(RAMP, {"ViewPosition": "PA", "PatientSex": "F"}))
    (tmp_path / "cut").write_bytes(good[: len(good) - 3000])
    (tmp_path / "cut early").write_bytes(good[:400])
    (tmp_path / "noise").write_bytes(good[:150] + bytes(range(256)) * 4)
    codes = header_codes([tmp_path / "cut", tmp_path / "cut early", tmp_path / "noise"])
    assert [(code.view, code.sex) for code in codes] == [("PA", "F"), ("", ""), ("", "")]
    assert not recwarn.list


def test_a_header_is_read_without_its_pixels(tmp_path):
    made = dataset(RAMP, {"PatientSex": "M"})
    with (tmp_path / "a").open("wb") as file:
        file.write(content(made))
        file.truncate(10**9)
    assert header_codes([tmp_path / "a"] * 50)[0].sex == "M"


def test_deflated_and_big_endian_headers(tmp_path):
    for number, syntax in enumerate((uid.DeflatedExplicitVRLittleEndian, uid.ExplicitVRBigEndian)):
        path = tmp_path / str(number)
        path.write_bytes(content(dataset(RAMP, {"PatientAge": "033Y"}, syntax)))
        assert header_codes([path])[0].age == "033Y"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"ViewPosition": "PA", "BodyPartExamined": "CHEST", "PresentationIntentType": "FOR PRESENTATION"}, ""),
        ({"ViewPosition": "LL"}, "is a lateral view"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "is an image for processing, not for presentation"),
        ({"BodyPartExamined": "HAND"}, "shows the body part HAND"),
        ({"BodyPartExamined": "PORT CHEST"}, ""),
        ({"BodyPartExamined": "TORAX AP"}, ""),
        ({"BodyPartExamined": "Doe, Jane (1970)"}, ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_what_is_no_frontal_chest_radiograph(changes, reason, tmp_path):
    (tmp_path / "a.dcm").write_bytes(content(dataset(RAMP, changes)))
    (tmp_path / "b.txt").write_text("no radiograph")
    assert unsuited_files([tmp_path / "a.dcm", tmp_path / "b.txt"]) == [reason, ""]
