"""Malformed elements: those that pixels do not need change nothing, those that they need are refused by name."""

import logging
import struct
from io import BytesIO

import numpy as np
import pytest
from pydicom import uid
from pydicom.tag import Tag

from tests.transforms.made_dicom import content, dataset, lut
from transforms import elements
from transforms.dicom import dicom_spacing, read_dicom
from transforms.errors import RadiographError
from transforms.read import read_radiograph

RAMP = (np.arange(48 * 40) * 4095 // (48 * 40 - 1)).astype(np.uint16).reshape(48, 40)
GOOD = {
    "BitsStored": 12,
    "ViewPosition": "PA",
    "PixelSpacing": [0.2, 0.1],
    "ImagerPixelSpacing": [0.3, 0.2],
    "EstimatedRadiographicMagnificationFactor": 1.5,
    "NumberOfFrames": 1,
    "RescaleSlope": 1,
    "RescaleIntercept": 0,
    "PresentationLUTShape": "IDENTITY",
}
# Every element that reading looks at without needing it, others that images have, and what is nobody's.
SIDE = {
    "ViewPosition": "CS",
    "ViewCodeSequence": "SQ",
    "PatientOrientation": "CS",
    "NumberOfFrames": "IS",
    "PixelPaddingValue": "US",
    "PixelPaddingRangeLimit": "US",
    "WindowCenter": "DS",
    "WindowWidth": "DS",
    "VOILUTFunction": "CS",
    "VOILUTSequence": "SQ",
    "PresentationLUTShape": "CS",
    "PixelSpacing": "DS",
    "ImagerPixelSpacing": "DS",
    "EstimatedRadiographicMagnificationFactor": "DS",
    "NominalScannedPixelSpacing": "DS",
    "PixelSpacingCalibrationType": "CS",
    "PixelSpacingCalibrationDescription": "LO",
    "PixelAspectRatio": "IS",
    "PlanarConfiguration": "US",
    "SmallestImagePixelValue": "US",
    "LargestImagePixelValue": "US",
    "WindowCenterWidthExplanation": "LO",
    "RescaleType": "LO",
    "LossyImageCompressionRatio": "DS",
    "SpecificCharacterSet": "CS",
    "ImageType": "CS",
    "SOPClassUID": "UI",
    "SOPInstanceUID": "UI",
    "StudyDate": "DA",
    "ContentTime": "TM",
    "PatientName": "PN",
    "PatientID": "LO",
    "PatientBirthDate": "DA",
    "PatientSex": "CS",
    "PatientAge": "AS",
    "PatientWeight": "DS",
    "BodyPartExamined": "CS",
    "KVP": "DS",
    "Exposure": "IS",
    "DistanceSourceToDetector": "DS",
    "InstanceNumber": "IS",
    "BurnedInAnnotation": "CS",
    0x60000010: "US",
    0x60003000: "OW",
    0x00091001: "UN",
    0x00290010: "LO",
    0x00291010: "DS",
}
# None of them is a number, a code that means something, or an item of a sequence.
VALUES = {
    "empty": b"",
    "blanks": b"    ",
    "N/A": b"N/A ",
    "ANON": b"ANON",
    "a comma for a point": b"0,143\\0,143 ",
    "no value before or behind": b"\\ ",
    "text": b"unknown, see report of the day ",
    "bytes that are no text": b"\xff\xfe\x80\x81",
    "three bytes": b"\xfe\xdc\xba",
    "not a number": b"nan\\nan ",
    "infinity": b"1e999\\-inf",
    "zeros that end text": b"?\0\0\0",
}
OTHER_TYPES = ("OB", "LO", "UT", "DS", "PN", "AT", "SQ")


def with_bytes(keyword, vr, value, changes=None, syntax=uid.ExplicitVRLittleEndian):
    """A file in which one element has these bytes, be they a value of this type or not; pydicom would not write it."""
    # The view that comes first would keep the others from being looked at.
    others = {"ViewPosition": None} if keyword in ("ViewCodeSequence", "PatientOrientation") else {}
    raw, tag = content(dataset(RAMP, GOOD | others | (changes or {}), syntax)), Tag(keyword)
    value += bytes(len(value) % 2)
    start = 144 + struct.unpack_from("<I", raw, 140)[0]
    place = start
    while (here := element_at(raw, place, syntax))[0] < tag:
        place = here[1]
    end = here[1] if here[0] == tag else place
    head = struct.pack("<HH", tag.group, tag.element)
    if syntax.is_implicit_VR:
        head += struct.pack("<I", len(value))
    elif vr in LONG:
        head += vr.encode() + struct.pack("<xxI", len(value))
    else:
        head += vr.encode() + struct.pack("<H", len(value))
    return raw[:place] + head + value + raw[end:]


LONG = ("OB", "OW", "SQ", "UN", "UT")
"""Types whose lengths have four bytes (PS3.5 7.1.2)."""


def element_at(raw, place, syntax):
    """The tag of an element and where it ends."""
    group, number, vr = struct.unpack_from("<HH2s", raw, place)
    if syntax.is_implicit_VR:
        length, head = struct.unpack_from("<I", raw, place + 4)[0], 8
    elif vr.decode() in LONG:
        length, head = struct.unpack_from("<I", raw, place + 8)[0], 12
    else:
        length, head = struct.unpack_from("<H", raw, place + 6)[0], 8
    return group << 16 | number, place + head + length


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keyword", SIDE, ids=str)
def test_malformed_side_elements_leave_the_pixels_as_they_are(keyword):
    for name, value in VALUES.items():
        for syntax in (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian):
            image = read_dicom(with_bytes(keyword, SIDE[keyword], value, syntax=syntax))[0]
            np.testing.assert_allclose(image, RAMP / 4095, atol=1e-6, err_msg=f"{keyword}: {name}, {syntax.name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keyword", SIDE, ids=str)
def test_side_elements_of_another_type_leave_the_pixels_as_they_are(keyword):
    # pydicom itself cannot read a file whose character set is no text.
    for vr in ("LO", "UT", "DS") if keyword == "SpecificCharacterSet" else OTHER_TYPES:
        for name in ("N/A", "three bytes", "a comma for a point"):
            image = read_dicom(with_bytes(keyword, vr, VALUES[name]))[0]
            np.testing.assert_allclose(image, RAMP / 4095, atol=1e-6, err_msg=f"{keyword}: {name} as {vr}")


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("vr", ["LO", "OB"])
def test_samples_that_are_no_number_are_one(vr, name):
    # Any two bytes are a number where the type is that of the element.
    image = read_dicom(with_bytes("SamplesPerPixel", vr, VALUES[name]))[0]
    np.testing.assert_allclose(image, RAMP / 4095, atol=1e-6)


NEEDED = {
    "Rows": "US",
    "Columns": "US",
    "BitsAllocated": "US",
    "BitsStored": "US",
    "HighBit": "US",
    "PixelRepresentation": "US",
    "PhotometricInterpretation": "CS",
    "Modality": "CS",
    "RescaleSlope": "DS",
    "RescaleIntercept": "DS",
    "ModalityLUTSequence": "SQ",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["N/A", "a comma for a point", "text", "bytes that are no text", "not a number"])
@pytest.mark.parametrize(
    ("keyword", "vr"),
    # Any two bytes are a number of the type US, and text behind the head of a sequence is none.
    [(keyword, vr) for keyword, own in NEEDED.items() for vr in ("LO", "OB", own) if vr not in ("US", "SQ")],
)
def test_needed_elements_that_are_malformed_are_refused_in_one_line(keyword, vr, name):
    with pytest.raises(
        RadiographError, match="(?i)" + {"Photo": "colour image|Photometric"}.get(keyword[:5], keyword)
    ) as caught:
        read_dicom(with_bytes(keyword, vr, VALUES[name]))
    assert "\n" not in str(caught.value)


WINDOWS = {
    # (x - 2047.5) / 4095 + 0.5 is x / 4095: the standard's own example of 4096 around 2048.
    "no second value": (b"2048\\ ", b"4096\\ ", RAMP / 4095, "LINEAR"),
    "no second width": (b"2048\\100 ", b"4096", RAMP / 4095, "LINEAR"),
    "a second value that is none": (b"2048\\none", b"4096\\none", RAMP / 4095, "LINEAR"),
    "no first value": (b"\\2048 ", b"\\4096 ", RAMP / 4095, "LINEAR"),
    "the first of no width": (b"1\\2048", b"0\\4096", RAMP / 4095, "LINEAR"),
    "no center": (b"", b"4096", RAMP / 4095, "RANGE, WINDOW UNUSABLE"),
    "text": (b"none", b"none", RAMP / 4095, "RANGE, WINDOW UNUSABLE"),
    "a negative width": (b"2048", b"-100", RAMP / 4095, "RANGE, WINDOW UNUSABLE"),
    "an infinite width": (b"2048", b"1e999 ", RAMP / 4095, "RANGE, WINDOW UNUSABLE"),
    "neither": (b"", b"", RAMP / 4095, "RANGE"),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_the_first_usable_window_is_shown(name):
    center, width, expected, method = WINDOWS[name]
    marked = with_bytes("WindowCenter", "DS", center, {"WindowWidth": "1234567890123456"})
    written = b"DS" + struct.pack("<H", len(width)) + width
    image, meta = read_dicom(marked.replace(b"DS\x10\x001234567890123456", written))
    np.testing.assert_allclose(image, expected, atol=1e-6)
    assert meta["voi"] == method


def test_a_rescale_is_not_needed_beside_a_modality_table():
    table = lut([4096, 0, 16], np.arange(4096, dtype="<u2").tobytes())
    image = read_dicom(with_bytes("RescaleSlope", "DS", b"N/A ", {"ModalityLUTSequence": table}))[0]
    np.testing.assert_allclose(image, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("descriptor", "message"),
    [([4096], "allowed are three numbers"), ([9000, 0, 16], "8192 entries where .* says 9000")],
)
@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_tables_whose_descriptor_is_wrong_are_refused(keyword, descriptor, message):
    table = lut([descriptor[0], 0, 16], np.arange(4096, dtype="<u2").tobytes())
    table[0].LUTDescriptor = descriptor
    with pytest.raises(RadiographError, match=message):
        read_dicom(content(dataset(RAMP, GOOD | {keyword: table})))


@pytest.mark.parametrize(
    ("written", "spacing"),
    [
        (b"0,143\\0,143 ", None),
        (b"0.143 ", None),
        (b"0.143\\0.143\\0.143 ", None),
        (b"143\\143 ", None),
        (b"0.000143\\0.000143 ", None),
        (b"-0.1\\0.1", None),
        (b"0.143\\N/A ", None),
        (b"0\\0 ", None),
        (b" 0.143\\ 0.144 ", (0.143, 0.144)),
    ],
)
def test_a_spacing_that_is_none_is_unknown(written, spacing):
    changes = {"ImagerPixelSpacing": None, "EstimatedRadiographicMagnificationFactor": None}
    content = with_bytes("PixelSpacing", "DS", written, changes)
    assert read_dicom(content)[1]["spacing"] == dicom_spacing(BytesIO(content)) == spacing


def test_a_spacing_that_is_none_gives_way_to_the_next():
    # 0.3 and 0.2 mm at the detector, 1.5 times those at the patient; unknown magnification is 1.
    assert read_dicom(with_bytes("PixelSpacing", "DS", b"N/A "))[1]["spacing"] == pytest.approx((0.2, 0.2 / 1.5))
    factor = "EstimatedRadiographicMagnificationFactor"
    meta = read_dicom(with_bytes(factor, "DS", b"N/A ", {"PixelSpacing": None}))[1]
    assert meta["spacing"] == pytest.approx((0.3, 0.2))


def test_each_kind_is_logged_once_without_its_value(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(elements, "_told", set())
    for number, keyword in enumerate(("PixelSpacing", "PixelSpacing", "NumberOfFrames")):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(with_bytes(keyword, SIDE[keyword], b"Doe^Jane"))
        with caplog.at_level(logging.WARNING):
            read_radiograph(path)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith(f"{tmp_path / '0.dcm'}: PixelSpacing cannot be read, and is taken for unknown")
    assert told[1].startswith(f"{tmp_path / '2.dcm'}: NumberOfFrames ")
    assert "Doe" not in caplog.text
